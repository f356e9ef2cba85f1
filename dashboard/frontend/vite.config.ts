import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Built into Django's static files; the manifest tells the page the hashed names (dashboard/assets.py).
export default defineConfig({
  plugins: [react()],
  base: "/static/dashboard/",
  build: {
    outDir: "../static/dashboard",
    emptyOutDir: true,
    manifest: "manifest.json",
    rollupOptions: { input: "src/main.tsx" },
  },
  server: {
    proxy: {
      "/api": { target: "http://127.0.0.1:8080", ws: true },
      "/ws": { target: "http://127.0.0.1:8080", ws: true },
      "/session": "http://127.0.0.1:8080",
      "/version": "http://127.0.0.1:8080",
    },
  },
  test: { environment: "jsdom" },
});
