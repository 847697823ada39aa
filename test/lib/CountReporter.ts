/** A vitest reporter whose one line, the last, says how many tests passed and failed. */
import type { Reporter, TestModule } from "vitest/node"

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 }
    for (const module of modules) {
      // A file that could not be loaded has no tests to count, and is a failure all the same.
      if (module.errors().length > 0) counts.failed++
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed" || state === "failed" || state === "skipped") counts[state]++
      }
    }
    const skipped = counts.skipped === 0 ? "" : `, ${counts.skipped} skipped`
    // After the other reporters have had their last word.
    process.once("exit", () => process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`))
  }
}
