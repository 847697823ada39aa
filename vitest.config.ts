import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // `npm run coverage`: of what runs in the tests' own process. What a step's process does is seen by its results alone.
    coverage: {
      provider: "v8",
      include: ["cache/**/*.ts", "core/**/*.ts"],
      reporter: ["text"],
      thresholds: { statements: 89, branches: 81, functions: 87, lines: 91 }
    },
    include: ["test/**/*.test.ts"],
    globalSetup: "test/lib/afterwards.ts",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two test files at a time at most: many of them start processes that use every core.
    maxWorkers: 2,
    reporters: ["default", "./test/lib/CountReporter.ts"]
  }
})
