import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two test files at a time at most: many of them start processes that use every core.
    maxWorkers: 2,
    reporters: ["default", "./test/lib/CountReporter.ts"]
  }
})
