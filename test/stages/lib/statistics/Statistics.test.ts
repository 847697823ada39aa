/** McNemar's test against a table, the bootstrap against what it must cover, equivalence against its definition. */
import { describe, expect, it } from "vitest"
import * as Random from "../../../../stages/lib/Random.ts"
import { binomialTest, differences, equivalence, mcNemar } from "../../../../stages/lib/statistics/Statistics.ts"
import { quantile } from "../../../../stages/lib/statistics/Summary.ts"

describe("binomial test", () => {
  it.each([
    // R: binom.test(k, n)$p.value
    [8, 10, 0.109375],
    [0, 5, 0.0625],
    [5, 10, 1],
    [60, 100, 0.05688793],
    [0, 0, 1]
  ])("%d of %d", (k, n, p) => {
    expect(binomialTest(k, n)).toBeCloseTo(p, 6)
  })

  it("does not overflow", () => {
    expect(binomialTest(2000, 5000)).toBeLessThan(1e-40)
    expect(binomialTest(2500, 5000)).toBe(1)
  })
})

it("McNemar counts the rows that one alone got right", () => {
  const found = mcNemar(Int32Array.of(0, 0, 0, 1, 1), Int32Array.of(0, 0, 1, 1, 1), Int32Array.of(0, 1, 0, 0, 1))
  expect(found).toEqual({ onlyBnRight: 2, onlyNobnRight: 1, pValue: 1 })
})

it("quantile interpolates as R's type 7", () => {
  expect(quantile([1, 2, 3, 4], 0.1)).toBeCloseTo(1.3, 12)
  expect(quantile([5], 0.9)).toBe(5)
})

/** Two classes; both networks right with these probabilities, independently. */
const paired = (rows: number, bnRight: number, nobnRight: number, perGroup = 1) => {
  const random = Random.make(9, "paired", rows, bnRight, nobnRight, perGroup)
  const labels = Int32Array.from({ length: rows }, () => random.int(2))
  const predicted = (right: number): Int32Array => {
    let hit = false
    return labels.map((label, row) => {
      if (row % perGroup === 0) hit = random.float() < right
      return hit ? label : 1 - label
    })
  }
  const groups = Array.from({ length: rows }, (_, row) => String(Math.floor(row / perGroup)))
  return { classes: 2, labels, bn: predicted(bnRight), nobn: predicted(nobnRight), groups }
}

describe("bootstrap", () => {
  it("finds a difference that is there, with an interval of the right width", () => {
    const [accuracy] = differences(paired(1000, 0.8, 0.6), 1000, 1)
    expect(accuracy!.estimate).toBeGreaterThan(0.12)
    expect(accuracy!.low95).toBeGreaterThan(0)
    // sd of a difference of two proportions of 1,000: 0.02; the interval is 3.92 of it
    expect(accuracy!.high95 - accuracy!.low95).toBeGreaterThan(0.065)
    expect(accuracy!.high95 - accuracy!.low95).toBeLessThan(0.095)
    expect(accuracy!.low90).toBeGreaterThan(accuracy!.low95)
  })

  it("is wider when images come in groups", () => {
    const alone = differences(paired(600, 0.7, 0.7), 500, 1)[0]!
    const grouped = differences(paired(600, 0.7, 0.7, 6), 500, 1)[0]!
    expect(grouped.high95 - grouped.low95).toBeGreaterThan(1.5 * (alone.high95 - alone.low95))
  })

  it("the same seed gives the same interval", () => {
    const input = paired(200, 0.7, 0.6)
    expect(differences(input, 200, 4)).toEqual(differences(input, 200, 4))
    expect(differences(input, 200, 5)).not.toEqual(differences(input, 200, 4))
  })
})

describe("equivalence", () => {
  const of = (low90: number, high90: number, low95 = low90 - 0.01, high95 = high90 + 0.01) => [
    { metric: "accuracy", estimate: (low90 + high90) / 2, low90, high90, low95, high95 }
  ]
  it.each([
    ["equivalent", of(-0.02, 0.02)],
    ["different", of(0.02, 0.08)],
    ["different", of(-0.08, -0.02)],
    ["undecided", of(-0.02, 0.08)],
    // significant, and too small to matter
    ["equivalent", of(0.015, 0.025)]
  ] as const)("%s", (verdict, found) => {
    expect(equivalence(found, 0.03)).toBe(verdict)
  })
})
