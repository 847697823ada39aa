/** Lines of a run as a person sees them, in a window that is not wide. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import * as Reporter from "../../cli/Reporter.ts"

let printed = ""

beforeEach(() => {
  printed = ""
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text)
    return true
  })
})
afterEach(() => void vi.restoreAllMocks())

const steps = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, at) => `a-long-name@${at}`)
const finished = {
  type: "RunFinished",
  runId: "20260101-000000-abcd",
  durationMs: 1000,
  executed: [] as ReadonlyArray<string>,
  cached: [] as ReadonlyArray<string>,
  failed: [] as ReadonlyArray<string>,
  skipped: [] as ReadonlyArray<string>,
  report: null
} as const

const told = async (...events: ReadonlyArray<Parameters<Reporter.Reporter>[0]>): Promise<ReadonlyArray<string>> => {
  const reporter = Reporter.terminal()
  for (const event of events) reporter(event)
  await new Promise((resolve) => setImmediate(resolve))
  return printed.trimEnd().split("\n")
}

describe("the end of a run", () => {
  it("names steps while that is one line", async () => {
    expect(await told({ ...finished, executed: ["train@bn"], cached: steps(9) })).toEqual([
      "Done in 1.0 s: 1 executed (train(bn)), 9 cached."
    ])
  })

  it("counts them where it would be more, and still names those that failed", async () => {
    const [line] = await told({ ...finished, executed: steps(9), failed: ["bad"], skipped: steps(4) })
    expect(line).toBe("Failed in 1.0 s: 9 executed, 1 failed (bad), 4 skipped.")
  })
})

describe("cached steps", () => {
  const cached = (step: string, restored = false) => ({ type: "StepCached", step, key: "k", restored }) as const

  it("are one line, before whatever comes next", async () => {
    const started = { type: "StepStarted", step: "next", reasons: ["first run"] } as const
    const lines = await told(cached("a@1"), cached("b"), cached("c", true), started, cached("d"), { ...finished })
    expect(lines).toEqual([
      "✓ 3 cached, outputs restored (c)",
      "▶ next  first run",
      "✓ d  cached",
      "Done in 1.0 s: nothing to do."
    ])
  })
})

it("with --quiet, nothing is said of what went well", async () => {
  const reporter = Reporter.quiet()
  reporter({ type: "Notice", text: "a note" })
  reporter({ ...finished, executed: ["a"] })
  await new Promise((resolve) => setImmediate(resolve))
  expect(printed).toBe("")
})
