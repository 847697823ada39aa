/** The summary says so where the two tests of the difference disagree, and nothing where they do not. */
import { describe, expect, it } from "vitest"
import { otherTest, outcome } from "../../../../../stages/lib/report/sections/SummarySection.ts"

const difference = (metric: string, estimate: number, low95: number, high95: number) => ({
  metric,
  estimate,
  low95,
  high95,
  low90: low95,
  high90: high95
})

const said = (low95: number, high95: number, pValue: number): string =>
  otherTest({
    differences: [difference("accuracy", 0.04, low95, high95)],
    mcNemar: { onlyBnRight: 60, onlyNobnRight: 40, pValue }
  })

describe("McNemar's test beside the interval", () => {
  it.each([
    [-0.01, 0.08, 0.3],
    [0.01, 0.08, 0.02],
    [-0.08, -0.01, 0.02]
  ])("is not brought up where both say the same: %d to %d, p = %d", (low, high, p) => {
    expect(said(low, high, p)).toBe("")
  })

  it("is where it sees a difference that the interval does not, and the other way round", () => {
    expect(said(-0.009, 0.083, 0.046)).toContain("finds a difference (p = 0.046)")
    expect(said(0.001, 0.083, 0.061)).toContain("finds no difference (p = 0.061)")
  })
})

describe("what is said of the difference", () => {
  const summed = (
    accuracy: readonly [number, number, number],
    f1: readonly [number, number, number],
    verdict: "equivalent" | "different" | "undecided"
  ): string =>
    outcome({
      differences: [difference("accuracy", ...accuracy), difference("f1Macro", ...f1)],
      equivalence: { margin: 0.03, verdict },
      mcNemar: { onlyBnRight: 1, onlyNobnRight: 1, pValue: 1 }
    })

  it("is about accuracy where accuracy differs", () => {
    const text = summed([0.05, 0.02, 0.08], [0.01, -0.02, 0.04], "different")
    expect(text).toContain("5.0 points higher than without it")
    expect(text).toContain("Chance alone does not explain this difference")
  })

  it("does not call a difference in accuracy proven where macro F1 alone differs", () => {
    const text = summed([0.001, -0.021, 0.024], [-0.035, -0.064, -0.009], "different")
    expect(text).not.toContain("Chance alone")
    expect(text).toContain("This interval does not show a difference. Macro F1")
    expect(text).toContain("3.5 points lower than without it")
  })

  it("says that the two are equivalent, or that it cannot tell", () => {
    expect(summed([0.001, -0.01, 0.01], [0, -0.01, 0.01], "equivalent")).toContain("equivalent on these images")
    expect(summed([0.01, -0.04, 0.06], [0, -0.06, 0.06], "undecided")).toContain("does not show a difference")
  })
})
