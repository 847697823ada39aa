/** What the first screen says of the difference, and of what it does not. */
import { describe, expect, it } from "vitest"
import { outcome } from "../../../../../stages/lib/report/sections/SummarySection.ts"

const difference = (metric: string, estimate: number, low95: number, high95: number) => ({
  metric,
  estimate,
  low95,
  high95,
  low90: low95,
  high90: high95
})

describe("what is said of the difference", () => {
  const summed = (
    accuracy: readonly [number, number, number],
    f1: readonly [number, number, number],
    verdict: "equivalent" | "different" | "undecided",
    groupTest = { groups: 74, differing: 30, pValue: 0.01 }
  ): string =>
    outcome({
      differences: [difference("accuracy", ...accuracy), difference("f1Macro", ...f1)],
      equivalence: { margin: 0.03, verdict },
      groupTest
    })

  it("is about accuracy where accuracy differs", () => {
    const text = summed([0.05, 0.02, 0.08], [0.01, -0.02, 0.04], "different")
    expect(text).toContain("5.0 points higher than without it")
    expect(text).toContain("For this one pair of trainings (another seed may say otherwise)")
    expect(text).toContain("The choice of test images does not explain this difference; another seed might.")
    expect(text).toContain("74 independent groups")
  })

  it("does not call a difference in accuracy proven where macro F1 alone differs", () => {
    const text = summed([0.001, -0.021, 0.024], [-0.035, -0.064, -0.009], "different")
    expect(text).not.toContain("does not explain")
    expect(text).toContain("This interval does not show a difference. Macro F1")
    expect(text).toContain("3.5 points lower than without it")
  })

  it("does not take an interval for a proof where the exact test by groups gives none", () => {
    const clear = [0.05, 0.02, 0.08] as const
    const few = summed(clear, clear, "undecided", { groups: 12, differing: 4, pValue: 0.125 })
    expect(few).toContain(
      "Chance may explain this difference all the same: the networks differ in 4 groups, and p is 0.13"
    )
    expect(summed(clear, clear, "different", { groups: 40, differing: 9, pValue: 0.06 })).toContain("and p is 0.060")
  })

  it("says that the two are equivalent, or that it cannot tell", () => {
    expect(summed([0.001, -0.01, 0.01], [0, -0.01, 0.01], "equivalent")).toContain("equivalent on these images")
    expect(summed([0.01, -0.04, 0.06], [0, -0.06, 0.06], "undecided")).toContain("too wide to call")
  })

  it("does not call an interval too wide that is narrow: there are too few groups", () => {
    const text = summed([0, -2e-16, 2e-16], [0, -0.01, 0.01], "undecided")
    expect(text).toContain("is the same as without it (95 % interval +0.0\u00a0points to +0.0\u00a0points)")
    expect(text).toContain("so few groups are too few to call the networks equivalent within 3 points")
  })
})
