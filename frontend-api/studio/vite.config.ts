/** Hides how the studio becomes static files: hashed assets under /static/studio/, Excalidraw's fonts, the worker. */
import { createHash } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { createRequire } from "node:module";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const here = import.meta.dirname;
const backend = process.env.ATELIER_URL ?? "http://127.0.0.1:8000";

/** Copies Excalidraw's fonts, so that no font comes from a CDN. Xiaolai (Chinese, 13 MB) is left to the system. */
function excalidrawFonts(): Plugin {
  return {
    name: "excalidraw-fonts",
    apply: "build",
    closeBundle() {
      const main = createRequire(import.meta.url).resolve("@excalidraw/excalidraw");
      cpSync(resolve(dirname(main), "fonts"), resolve(here, "dist/excalidraw/fonts"), {
        recursive: true,
        filter: (source) => !source.includes("Xiaolai"),
      });
    },
  };
}

/** Writes sw.js: the service worker with the list of files that the shell and the board need, and their digest. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    generateBundle(_options, bundle) {
      const needed = Object.values(bundle)
        .filter((item) => !/locales|mermaid|katex|subset|-Diagram|diagram/i.test(item.fileName))
        .filter((item) => /\.(js|css|woff2|svg)$/.test(item.fileName))
        .filter((item) => item.type === "asset" || reachable(item.fileName, bundle as never))
        .map((item) => `/static/studio/${item.fileName}`)
        .sort();
      const digest = createHash("sha256").update(needed.join("\n")).digest("hex").slice(0, 12);
      const source = readFileSync(resolve(here, "sw/sw.js"), "utf8")
        .replace("__PRECACHE__", JSON.stringify(needed))
        .replace("__VERSION__", JSON.stringify(digest));
      this.emitFile({ type: "asset", fileName: "sw.js", source });
    },
  };
}

type Chunk = { type: string; isEntry?: boolean; imports?: string[]; name?: string; fileName: string };

/** True when the entry or the board page imports the chunk statically: what a board needs at once. */
function reachable(fileName: string, bundle: Record<string, Chunk>): boolean {
  const chunks = Object.values(bundle).filter((item) => item.type === "chunk");
  const open = chunks.filter((item) => item.isEntry || item.name === "Board").map((item) => item.fileName);
  const seen = new Set<string>();
  while (open.length > 0) {
    const name = open.pop()!;
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(bundle[name]?.imports ?? []));
  }
  return seen.has(fileName);
}

export default defineConfig({
  root: here,
  base: "/static/studio/",
  plugins: [react(), excalidrawFonts(), serviceWorker()],
  define: { "process.env.IS_PREACT": JSON.stringify("false") },
  build: { target: "es2022", outDir: "dist", emptyOutDir: true, chunkSizeWarningLimit: 4000, assetsInlineLimit: 0 },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/_allauth", "/demo", "/collab"].map((path) => [path, { target: backend, ws: path === "/collab" }]),
    ),
  },
});
