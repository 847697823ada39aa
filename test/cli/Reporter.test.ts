/** Lines of a run as a person sees them, in a window that is not wide. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { widthOf } from "../../cli/Console.ts"
import * as Reporter from "../../cli/Reporter.ts"
import { rowsOf } from "../../cli/reporter/LiveLine.ts"

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

describe("branches", () => {
  const on = (step: string) => ({ step, key: "k" })
  const started = (step: string) => ({ type: "StepStarted", step, reasons: ["first run"] }) as const
  const executed = (step: string) => ({ type: "StepExecuted", ...on(step), durationMs: 1, unchanged: false }) as const
  const failed = { type: "StepFailed", step: "turn[b]", reason: "no", fault: "stage", log: null } as const
  const placed = (branches: number) => ({ type: "StepPlaced", step: "turn", branches }) as const
  const time = (line: string): string => line.replace(/in [\d.]+ s/, "in T")

  it("are one line when they begin and one when all have ended; what went wrong has lines of its own", async () => {
    const cached = { type: "StepCached", ...on("turn[c]"), restored: false } as const
    const lines = await told(placed(3), started("turn[a]"), executed("turn[a]"), started("turn[b]"), cached, failed)
    expect(lines.map(time)).toEqual(["▶ turn ×3", "✗ turn[b]  no", "✗ turn ×3  1 executed, 1 cached, 1 failed in T"])
  })

  it("count those that were cached before they were placed", async () => {
    const cached = { type: "StepCached", ...on("turn[a]"), restored: false } as const
    const lines = await told(cached, placed(2), started("turn[b]"), executed("turn[b]"))
    expect(lines.map(time)).toEqual(["✓ turn[a]  cached", "▶ turn ×2", "✓ turn ×2  1 executed, 1 cached in T"])
  })

  it("have lines of their own where these are asked for", async () => {
    const reporter = Reporter.terminal({ eachBranch: true })
    for (const event of [placed(1), started("turn[a]"), executed("turn[a]")]) reporter(event)
    await new Promise((resolve) => setImmediate(resolve))
    expect(printed).toContain("▶ turn[a]  first run")
    expect(printed).toContain("✓ turn[a]  executed in 0.0 s")
  })
})

describe("live lines", () => {
  const progress = (step: string, done = 1) =>
    ({ type: "StepProgress", step, label: "", done, total: 9, unit: "files", figures: {} }) as const

  const inWindow = async (
    [columns, rows]: readonly [number, number],
    ...events: ReadonlyArray<Parameters<Reporter.Reporter>[0]>
  ): Promise<ReadonlyArray<string>> => {
    vi.stubEnv("CI", "")
    vi.stubEnv("TERM", "xterm")
    const window = Object.assign(process.stdout, { isTTY: true, columns, rows })
    const reporter = Reporter.terminal()
    for (const event of events) {
      printed = ""
      reporter(event)
      await new Promise((resolve) => setImmediate(resolve))
    }
    Object.assign(window, { isTTY: false, columns: undefined, rows: undefined })
    vi.unstubAllEnvs()
    return printed.trimEnd().split("\n")
  }

  it("are as wide as the window, also of characters that take two columns", async () => {
    const lines = await inWindow([30, 24], progress("日本語の名前のステップ"))
    expect(lines.map((line) => [line, widthOf(line) <= 30])).toEqual([["  日本語の名前のステップ ━━──…", true]])
  })

  it("are no more than the window has rows, since those above it could not be drawn again", async () => {
    const lines = await inWindow([80, 6], ...["a", "b", "c", "d", "e"].map((step) => progress(step)))
    expect(lines).toHaveLength(4)
    expect(lines.at(-1)).toBe("  and 2 more")
    // each event erases what the last one drew
    expect(lines[0]?.startsWith("\u001b[4A\u001b[0J  a ")).toBe(true)
  })

  it("that a narrower window breaks are erased as a whole", async () => {
    const long = progress("a-step-with-a-name-that-is-long")
    const wide = await inWindow([80, 24], long)
    expect(widthOf(wide[0]!)).toBeGreaterThan(40)
    expect(rowsOf(wide, 40)).toBe(2)
  })
})
