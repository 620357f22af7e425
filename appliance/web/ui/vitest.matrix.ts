import { defineConfig } from "vitest/config";

/** The tests that need bundles written by the tests in Rust. */
export default defineConfig({ test: { include: ["src/**/*.check.ts"] } });
