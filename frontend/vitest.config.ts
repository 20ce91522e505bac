import path from "node:path";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": path.resolve(import.meta.dirname) } },
  test: {
    environment: "jsdom",
    globals: true,
    setupFiles: ["./vitest.setup.ts"],
    pool: "threads",
    maxWorkers: 2,
    testTimeout: 30_000,
    env: { __NEXT_TRAILING_SLASH: "true" }, // links as next.config.ts makes them
    // next-themes sets the theme by a script, which matters in the stored page only.
    onConsoleLog: (text) => !text.includes("Encountered a script tag while rendering"),
    include: ["tests/**/*.test.{ts,tsx}"],
  },
});
