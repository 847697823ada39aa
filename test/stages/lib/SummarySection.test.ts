/** The summary says so where the two tests of the difference disagree, and nothing where they do not. */
import { describe, expect, it } from "vitest"
import { otherTest } from "../../../stages/lib/report/SummarySection.ts"

const said = (low95: number, high95: number, pValue: number): string =>
  otherTest({
    metrics: {
      differences: [{ metric: "accuracy", estimate: 0.04, low95, high95, low90: low95, high90: high95 }],
      mcNemar: { onlyBnRight: 60, onlyNobnRight: 40, pValue }
    }
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
    expect(said(-0.009, 0.083, 0.046)).toContain("sees a difference (p = 0.046)")
    expect(said(0.001, 0.083, 0.061)).toContain("sees no difference (p = 0.061)")
  })
})
