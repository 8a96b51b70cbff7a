import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const service = process.env.NOTEBOOK_SERVICE ?? "http://127.0.0.1:8000";

/** KaTeX names each font in three formats; every browser that runs es2022 reads the first. */
const oneFontFormat: Plugin = {
  name: "one-font-format",
  enforce: "pre",
  transform: {
    filter: { id: /katex.*\.css$/ },
    handler: (code) => code.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)/g, ""),
  },
};

export default defineConfig({
  plugins: [react(), oneFontFormat],
  build: {
    target: "es2022",
    // The page's policy has no `unsafe-eval` and allows no inline script, and
    // the preload helper needs neither; module preload itself is native in
    // every browser that runs es2022.
    modulePreload: { polyfill: false },
    // Plotly is one file of 5 MB that only a notebook with a plot loads.
    chunkSizeWarningLimit: 6000,
    // public/.gitkeep puts back the placeholder that git tracks in dist.
    emptyOutDir: true,
  },
  worker: { format: "es" },
  server: {
    port: 5173,
    proxy: {
      "/api": { target: service, ws: true, changeOrigin: true, rewriteWsOrigin: true },
    },
  },
  test: {
    environment: "jsdom",
    setupFiles: ["src/test/setup.ts"],
    restoreMocks: true,
    unstubGlobals: true,
    testTimeout: 30_000,
  },
});
