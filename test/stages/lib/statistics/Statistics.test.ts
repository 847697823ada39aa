/** McNemar's test against a table, equivalence against its definition. */
import { describe, expect, it } from "vitest"
import { binomialTest, equivalence, marginFor, mcNemar } from "../../../../stages/lib/statistics/Statistics.ts"
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

it("nothing is decided by a handful of groups", () => {
  const of = (value: number) => [
    { metric: "accuracy", estimate: value, low90: value, high90: value, low95: value, high95: value }
  ]
  expect(equivalence(of(0), 0.03, { groups: 99, differing: 0 })).toBe("undecided")
  expect(equivalence(of(0), 0.03, { groups: 100, differing: 0 })).toBe("equivalent")
  expect(equivalence(of(0.2), 0.03, { groups: 10, differing: 5 })).toBe("undecided")
  expect(equivalence(of(0.2), 0.03, { groups: 10, differing: 6 })).toBe("different")
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
    expect(equivalence(found, 0.03, { groups: 400, differing: 80 })).toBe(verdict)
  })
})

it("a margin is at most half of what the weaker network has learned", () => {
  expect(marginFor(0.03, 0.2, [0.7, 0.6])).toBe(0.03)
  // 300 classes of which both know little: any two networks would be within three points
  expect(marginFor(0.03, 1 / 300, [0.027, 0.025])).toBeCloseTo((0.025 - 1 / 300) / 2, 12)
  expect(marginFor(0.03, 0.5, [0.7, 0.4])).toBe(0.001)
})
