import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin, Rolldown } from "vite";
import { defineConfig } from "vitest/config";

const server = `http://127.0.0.1:${process.env.SLIPWAY_HTTP_PORT ?? 8080}`;
const OUTPUT = join(import.meta.dirname, "../static/dashboard");

// Built into Django's static files; the manifest tells the page the hashed names (dashboard/assets.py).
export default defineConfig({
  plugins: [react(), zipped()],
  base: "/static/dashboard/",
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    manifest: "manifest.json",
    // `dashboard/assets.py` tells the browser what to fetch ahead.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      input: "src/main.tsx",
      output: { codeSplitting: { groups: [{ name: firstPage, debugName: "first" }] } },
    },
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

/** What the first page needs is one file instead of fifty: each further one is a way to the server and back. */
const ENTRY = "/src/main.tsx";
const isFirst = new Map<string, boolean>();

function firstPage(id: string, context: Rolldown.ChunkingContext): string | null {
  return isNeededFirst(id, context) ? "first" : null;
}

/** Whether the entry imports it, directly or by others. */
function isNeededFirst(id: string, context: Rolldown.ChunkingContext): boolean {
  if (id.endsWith(ENTRY)) return true;
  const known = isFirst.get(id);
  if (known !== undefined) return known;
  isFirst.set(id, false); // ends circles
  const found = (context.getModuleInfo(id)?.importers ?? []).some((each) => isNeededFirst(each, context));
  isFirst.set(id, found);
  return found;
}

/** Puts `<file>.gz` beside each file: compressed once, as well as can be (`dashboard/files.py` serves them). */
function zipped(): Plugin {
  return {
    name: "zipped",
    apply: "build",
    closeBundle() {
      const folder = join(OUTPUT, "assets");
      for (const name of readdirSync(folder)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        writeFileSync(join(folder, `${name}.gz`), gzipSync(readFileSync(join(folder, name)), { level: 9 }));
      }
    },
  };
}
