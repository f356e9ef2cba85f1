import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Instead of all of @types/node.
declare const process: { env: Record<string, string | undefined> };
const server = `http://127.0.0.1:${process.env.SLIPWAY_HTTP_PORT ?? 8080}`;

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
      "/api": { target: server, ws: true },
      "/ws": { target: server, ws: true },
      "/session": server,
      "/version": server,
    },
  },
  // What is tested is pure: no page is needed, and the tests stay quick.
  test: { environment: "node" },
});
