/** Statistics over groups against an independent reference in Python, and the bootstrap against what it must cover. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import * as Random from "../../../../stages/lib/Random.ts"
import { groupsByClass, groupTest, type Paired, resample } from "../../../../stages/lib/statistics/Groups.ts"

interface Case {
  readonly classes: number
  readonly labels: ReadonlyArray<number>
  readonly bn: ReadonlyArray<number>
  readonly nobn: ReadonlyArray<number>
  readonly groups: ReadonlyArray<string>
  readonly pValue: number
  readonly differing: number
  readonly groupCount: number
  readonly accuracy: readonly [number, number]
  readonly f1Macro: readonly [number, number]
  readonly standardError: number
}

const cases = JSON.parse(
  readFileSync(new URL("../../../fixtures/statistics/reference.json", import.meta.url), "utf8")
) as ReadonlyArray<Case>

const pairedOf = ({ classes, labels, bn, nobn, groups }: Case): Paired => ({
  classes,
  labels: Int32Array.from(labels),
  bn: Int32Array.from(bn),
  nobn: Int32Array.from(nobn),
  groups
})

describe.each(cases.map((one, k) => [k, one] as const))("reference.py, case %d", (_, reference) => {
  const paired = pairedOf(reference)

  it("has the group test's p", () => {
    const found = groupTest(paired)
    expect(found.pValue).toBeCloseTo(reference.pValue, 12)
    expect(found).toMatchObject({ groups: reference.groupCount, differing: reference.differing })
  })

  it("has the scores", () => {
    const { accuracy, differences } = resample(paired, 100, 1)
    expect(accuracy.bn.estimate).toBeCloseTo(reference.accuracy[0], 12)
    expect(accuracy.nobn.estimate).toBeCloseTo(reference.accuracy[1], 12)
    expect(differences[1]!.estimate).toBeCloseTo(reference.f1Macro[0] - reference.f1Macro[1], 12)
  })

  it("has the standard error of a stratified sample of clusters", () => {
    const [accuracy] = resample(paired, 20_000, 1).differences
    const width = accuracy!.high95 - accuracy!.low95
    // a percentile interval of few groups is a little narrower than the normal one
    expect(width / (2 * 1.96 * reference.standardError)).toBeGreaterThan(0.9)
    expect(width / (2 * 1.96 * reference.standardError)).toBeLessThan(1.06)
  })
})

/** Two classes; both networks right with these probabilities, independently. */
const made = (rows: number, bnRight: number, nobnRight: number, perGroup = 1): Paired => {
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
    const [accuracy] = resample(made(1000, 0.8, 0.6), 1000, 1).differences
    expect(accuracy!.estimate).toBeGreaterThan(0.12)
    expect(accuracy!.low95).toBeGreaterThan(0)
    // sd of a difference of two proportions of 1,000: 0.02; the interval is 3.92 of it
    expect(accuracy!.high95 - accuracy!.low95).toBeGreaterThan(0.065)
    expect(accuracy!.high95 - accuracy!.low95).toBeLessThan(0.095)
    expect(accuracy!.low90).toBeGreaterThan(accuracy!.low95)
  })

  it("is wider when images come in groups", () => {
    const alone = resample(made(600, 0.7, 0.7), 500, 1).differences[0]!
    const grouped = resample(made(600, 0.7, 0.7, 6), 500, 1).differences[0]!
    expect(grouped.high95 - grouped.low95).toBeGreaterThan(1.5 * (alone.high95 - alone.low95))
  })

  it("takes classes of few groups together: none of them seems to have no variance", () => {
    const one: Paired = {
      classes: 3,
      labels: Int32Array.of(0, 0, 1, 2, 2),
      bn: Int32Array.of(0, 1, 1, 2, -1),
      nobn: Int32Array.of(0, 1, 1, 2, -1),
      groups: ["a", "a", "b", "c", "c"]
    }
    const { estimate, low95, high95 } = resample(one, 100, 1).accuracy.bn
    expect(estimate).toBe(0.6)
    expect(low95).toBeLessThan(0.55)
    expect(high95).toBeGreaterThan(0.7)
    expect(groupsByClass(one)).toEqual([1, 1, 1])
  })

  it("where no group is wrong, or none differs, leaves room for those that were not seen: three of n", () => {
    const right = resample(made(30, 1, 1), 100, 1)
    expect(right.accuracy.bn).toEqual({ estimate: 1, low95: 0.9, high95: 1 })
    expect(right.differences[0]).toEqual({
      metric: "accuracy",
      estimate: 0,
      low95: -0.1,
      high95: 0.1,
      low90: -0.1,
      high90: 0.1
    })
    const wrong = resample(made(30, 0, 1), 100, 1)
    expect(wrong.accuracy.bn).toEqual({ estimate: 0, low95: 0, high95: 0.1 })
    expect(wrong.differences[0]).toMatchObject({ estimate: -1, low95: -1, high95: -0.9 })
  })

  it("the same seed gives the same interval", () => {
    const input = made(200, 0.7, 0.6)
    expect(resample(input, 200, 4)).toEqual(resample(input, 200, 4))
    expect(resample(input, 200, 5)).not.toEqual(resample(input, 200, 4))
  })
})

describe("group test", () => {
  it("is 1 where the networks agree", () => {
    expect(groupTest(made(50, 1, 1))).toEqual({ groups: 50, differing: 0, pValue: 1 })
  })

  it("is McNemar's where each image is a group, and milder where they come in groups", () => {
    // binom.test(8, 10)$p.value in R
    const right = Int32Array.from({ length: 10 }, () => 0)
    const paired: Paired = {
      classes: 2,
      labels: right,
      bn: right.map((_, i) => (i < 8 ? 0 : 1)),
      nobn: right.map((_, i) => (i < 8 ? 1 : 0)),
      groups: Array.from(right, (_, i) => String(i))
    }
    expect(groupTest(paired).pValue).toBeCloseTo(0.109375, 12)
    expect(groupTest({ ...paired, groups: paired.groups.map((_, i) => (i < 8 ? "a" : "b")) }).pValue).toBe(1)
  })
})
