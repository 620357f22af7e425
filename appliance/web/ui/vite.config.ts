import { defineConfig } from "vite";

/**
 * The page is embedded in the recorder and served under a strict content security policy, so nothing is inlined: neither scripts nor small
 * assets as data: addresses. In development the API of a running recorder is reached through `WATCHBOOK_URL`.
 */
export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    outDir: "dist",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    proxy: {
      "/api": { target: process.env["WATCHBOOK_URL"] ?? "http://127.0.0.1:8080", ws: true },
    },
  },
});
