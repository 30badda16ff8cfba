/** Hides how the studio becomes static files: hashed assets under /static/studio/, Excalidraw's fonts, the worker. */
import { createHash } from "node:crypto";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { createRequire } from "node:module";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const here = import.meta.dirname;
const backend = process.env.ATELIER_URL ?? "http://127.0.0.1:8000";

const fonts = resolve(dirname(createRequire(import.meta.url).resolve("@excalidraw/excalidraw")), "fonts");

const IMAGE_INVERT_FILTER = '"invert(100%) hue-rotate(180deg) saturate(1.25)"';

/**
 * Excalidraw's dark theme inverts the canvas, and each photo once more, which does not give its colours back (saturated
 * ones are clipped). The studio shows the canvas as it is in both themes (board.css), so photos need no second inversion.
 */
function trueColours(): Plugin {
  let found = false;
  return {
    name: "true-colours",
    apply: "build",
    transform(code, id) {
      if (!id.includes("@excalidraw/excalidraw/dist/prod") || !code.includes(IMAGE_INVERT_FILTER)) return null;
      found = true;
      return { code: code.replace(IMAGE_INVERT_FILTER, '"none"'), map: null };
    },
    buildEnd(error) {
      if (error === undefined && !found) this.error("Excalidraw's image filter is not where it was: look at the dark theme.");
    },
  };
}

/** Copies Excalidraw's fonts, so that no font comes from a CDN. Xiaolai (Chinese, 13 MB) is left to the system. */
function excalidrawFonts(): Plugin {
  return {
    name: "excalidraw-fonts",
    apply: "build",
    closeBundle() {
      cpSync(fonts, resolve(here, "dist/excalidraw/fonts"), {
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
        .map((item) => item.fileName)
        .concat(readdirSync(resolve(fonts, "Excalifont")).map((name) => `excalidraw/fonts/Excalifont/${name}`))
        .concat("boot.js", "icon.svg")
        .map((name) => `/static/studio/${name}`)
        .sort();
      const worker = readFileSync(resolve(here, "sw/sw.js"), "utf8");
      const boot = readFileSync(resolve(here, "public/boot.js"), "utf8");
      const digest = createHash("sha256").update([...needed, worker, boot].join("\n")).digest("hex").slice(0, 12);
      const source = worker
        .replace("__PRECACHE__", JSON.stringify(needed))
        .replace("__VERSION__", JSON.stringify(digest));
      this.emitFile({ type: "asset", fileName: "sw.js", source });
    },
  };
}

/** Puts .br and .gz beside each text file, as whitenoise serves them: compressed once, not at each request. */
function compressed(): Plugin {
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }; // 11 is a tenth smaller and ten times slower
  return {
    name: "compressed",
    apply: "build",
    writeBundle(options, bundle) {
      for (const { fileName } of Object.values(bundle)) {
        if (!/^assets\/.*\.(js|css|svg)$/.test(fileName)) continue;
        const path = resolve(options.dir!, fileName);
        const source = readFileSync(path);
        writeFileSync(`${path}.br`, brotliCompressSync(source, quality));
        writeFileSync(`${path}.gz`, gzipSync(source, { level: 9 }));
      }
    },
  };
}

type Chunk = { type: string; isEntry?: boolean; imports?: string[]; name?: string; fileName: string };

/** True when the entry or the board page imports the chunk statically: what a board needs at once. */
function reachable(fileName: string, bundle: Record<string, Chunk>): boolean {
  const chunks = Object.values(bundle).filter((item) => item.type === "chunk");
  const open = chunks.filter((item) => item.isEntry || item.name === "BoardPage").map((item) => item.fileName);
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
  plugins: [react(), trueColours(), excalidrawFonts(), serviceWorker(), compressed()],
  define: { "process.env.IS_PREACT": JSON.stringify("false") },
  build: { target: "es2022", outDir: "dist", emptyOutDir: true, chunkSizeWarningLimit: 4000, assetsInlineLimit: 0 },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/_allauth", "/demo", "/collab"].map((path) => [path, { target: backend, ws: path === "/collab" }]),
    ),
  },
});
