/** Several seeds whose spread is known: means, intervals, paired differences, and when a verdict over all of them is one. */
import { describe, expect, it } from "vitest"
import type { History } from "../../../../schemas/Train.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { agreed, makeSpread, overSeeds, type SeedInput } from "../../../../stages/lib/statistics/SeedStatistics.ts"
import { studentBound } from "../../../../stages/lib/statistics/Statistics.ts"
import { falling, history, jagged, type Shape, thresholds } from "../histories.ts"

const base: Shape = { epochs: 6, trainLoss: falling, validationLoss: falling, norm: () => 1 }
const of = (shape: Partial<Shape>): History => history({ ...base, ...shape })
/** A training whose test accuracy is that at every epoch. */
const scoring = (accuracy: number): History => of({ validationAccuracy: () => accuracy })

/** What the bootstrap over test images says: an interval of that half width. */
const imagesOf = (half: number): SeedInput["images"] =>
  ["accuracy", "f1Macro"].map((metric) => ({
    metric,
    estimate: 0.2,
    low95: 0.2 - half,
    high95: 0.2 + half,
    low90: 0.2 - 0.84 * half,
    high90: 0.2 + 0.84 * half
  }))

const input = (bn: ReadonlyArray<History>, nobn: ReadonlyArray<History>, more: Partial<SeedInput> = {}): SeedInput => ({
  bn,
  nobn,
  images: imagesOf(0),
  groupTest: { groups: 400, differing: 80 },
  thresholds,
  margin: 0.03,
  resamples: 2000,
  seed: 1,
  ...more
})

describe("Student's t", () => {
  it.each([
    // R: qt(0.975, df) and qt(0.95, df)
    [0.95, 1, 12.7062],
    [0.95, 2, 4.302653],
    [0.95, 3, 3.182446],
    [0.95, 9, 2.262157],
    [0.95, 30, 2.042272],
    [0.9, 1, 6.313752],
    [0.9, 2, 2.919986],
    [0.9, 7, 1.894579]
  ])("%d with %d degrees of freedom", (share, freedom, bound) => {
    expect(studentBound(share, freedom) / bound).toBeCloseTo(1, 5)
  })
})

describe("spread", () => {
  it("of three values is their mean and sample deviation; the interval is theirs from end to end", () => {
    const { mean, sd, low95, high95 } = makeSpread(3, 4000, 1)([1, 2, 6])
    expect(mean).toBe(3)
    expect(sd).toBeCloseTo(Math.sqrt(7), 12)
    // all three the least happens in 1 draw of 27, more often than 2.5 %
    expect([low95, high95]).toEqual([1, 6])
  })

  it("narrows with more seeds, as one over the root", () => {
    const random = Random.make(3, "values")
    const values = Array.from({ length: 40 }, () => random.float() + random.float() + random.float())
    const { mean, sd, low95, high95 } = makeSpread(40, 4000, 1)(values)
    expect(low95).toBeLessThan(mean)
    expect(high95).toBeGreaterThan(mean)
    // 3.92 standard errors, to a tenth: what 4,000 resamples of 40 values give
    expect((high95 - low95) / ((3.92 * sd) / Math.sqrt(40))).toBeCloseTo(1, 1)
  })
})

describe("over seeds", () => {
  const seeds = overSeeds(
    input([scoring(0.5), scoring(0.6), scoring(0.7)], [scoring(0.48), scoring(0.61), scoring(0.65)])
  )

  it("has a point for each metric and epoch, and a score for each seed", () => {
    expect(seeds.count).toBe(3)
    expect(seeds.bn.curves).toHaveLength(9)
    for (const { epochs } of seeds.bn.curves) expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6])
    const validation = seeds.bn.curves.find(({ metric }) => metric === "validationAccuracy")!.epochs[2]!
    expect(validation.mean).toBeCloseTo(0.6, 12)
    expect(validation.sd).toBeCloseTo(0.1, 12)
    const loss = seeds.bn.curves.find(({ metric }) => metric === "trainLoss")!.epochs[0]!
    // three times the same but for the rounding of their sum
    expect(loss.sd).toBeCloseTo(0, 12)
    expect(seeds.bn.scores[0]).toMatchObject({ metric: "testAccuracy", values: [0.5, 0.6, 0.7] })
    expect(seeds.bn.bestEpochs).toEqual([1, 1, 1])
  })

  it("pairs the networks by seed", () => {
    const [accuracy] = seeds.differences
    expect(accuracy!.values.map((value) => value.toFixed(2))).toEqual(["0.02", "-0.01", "0.05"])
    expect(accuracy!.mean).toBeCloseTo(0.02, 12)
    // sd 0.03 over root 3, times t: far wider than from least to greatest
    expect(accuracy!.student95.high - accuracy!.mean).toBeCloseTo((4.302653 * 0.03) / Math.sqrt(3), 6)
    expect(accuracy!.student95.low + accuracy!.student95.high).toBeCloseTo(0.04, 12)
    expect(accuracy!.high95).toBeCloseTo(0.05, 12)
    expect(seeds.equivalence).toBe("undecided")
  })

  it("takes in what the choice of test images adds, as independent errors add", () => {
    const [bn, nobn] = [[0.5, 0.6, 0.7].map(scoring), [0.48, 0.61, 0.65].map(scoring)]
    const [accuracy] = overSeeds(input(bn, nobn, { images: imagesOf(0.08) })).differences
    const [alone, total] = [accuracy!.student95.high - 0.02, accuracy!.total95.high - 0.02]
    expect(total).toBeCloseTo(Math.hypot(alone, 0.08), 12)
    expect(accuracy!.total90.high - 0.02).toBeCloseTo(Math.hypot((2.919986 * 0.03) / Math.sqrt(3), 0.84 * 0.08), 6)
  })

  it("has the p that belongs to its interval", () => {
    const [bn, nobn] = [[0.5, 0.6, 0.7].map(scoring), [0.48, 0.61, 0.65].map(scoring)]
    // R: t.test(c(0.02, -0.01, 0.05))$p.value
    expect(seeds.differences[0]!.pValue).toBeCloseTo(0.3675444, 5)
    const of = (half: number) => overSeeds(input(bn, nobn, { images: imagesOf(half) })).differences[0]!
    expect(of(0.08).pValue).toBeGreaterThan(seeds.differences[0]!.pValue)
    // where an end of the 95 % interval is 0, p is 0.05
    const all = [0.5, 0.5, 0.5].map(scoring)
    const worse = [0.48, 0.48, 0.48].map(scoring)
    const [edge] = overSeeds(input(all, worse, { images: imagesOf(0.02) })).differences
    expect(edge!.total95.low).toBeCloseTo(0, 9)
    expect(edge!.pValue).toBeCloseTo(0.05, 6)
    expect(overSeeds(input(all, all)).differences[0]!.pValue).toBe(1)
  })

  it("takes the score of the epoch that was chosen, not of the last", () => {
    const rising = of({ validationAccuracy: (epoch) => (epoch === 2 ? 0.9 : 0.1) })
    const { bn } = overSeeds(input([rising, scoring(0.5)], [scoring(0.5), scoring(0.5)]))
    expect(bn.bestEpochs).toEqual([2, 1])
    expect(bn.scores[0]!.values).toEqual([0.9, 0.5])
  })

  it("ends the curves where the first training ends", () => {
    const { sharedEpochs, nobn } = overSeeds(input([of({}), of({})], [of({ epochs: 4 }), of({})]))
    expect(sharedEpochs).toBe(4)
    for (const { epochs } of nobn.curves) expect(epochs).toHaveLength(4)
  })

  it("is the same every time", () => {
    const again = input([scoring(0.5), scoring(0.6)], [scoring(0.4), scoring(0.7)])
    expect(overSeeds(again)).toEqual(overSeeds(again))
  })
})

describe("claims over seeds", () => {
  const near = [0.5, 0.502, 0.498, 0.501].map(scoring)
  const far = [0.7, 0.703, 0.699, 0.702].map(scoring)
  const verdict = (id: number, of: SeedInput): string => overSeeds(of).claims.find((claim) => claim.id === id)!.verdict

  it("3: equivalent, different, and too few seeds to say", () => {
    expect(verdict(3, input(near, near.slice().reverse()))).toBe("supported")
    expect(verdict(3, input(far, near))).toBe("not supported")
    // seeds that agree are no proof on a handful of test images
    expect(verdict(3, input(far, near, { images: imagesOf(0.3) }))).toBe("undecided")
    expect(verdict(3, input([scoring(0.5), scoring(0.52)], [scoring(0.5), scoring(0.5)]))).toBe("undecided")
  })

  it("1: what all seeds say, and what they do not agree on", () => {
    const smooth = of({ epochs: 8 })
    const rough = of({
      epochs: 8,
      trainLoss: jagged,
      validationLoss: (epoch) => jagged(epoch) + 0.1 * Math.max(0, epoch - 4)
    })
    expect(verdict(1, input([smooth, smooth, smooth], [rough, rough, rough]))).toBe("supported")
    expect(verdict(1, input([rough, rough], [smooth, smooth]))).toBe("not supported")
    const mixed = overSeeds(input([smooth, smooth, rough], [rough, rough, smooth])).claims.find(({ id }) => id === 1)!
    expect(mixed.verdicts).toEqual(["supported", "supported", "not supported"])
    expect(mixed.verdict).toBe("undecided")
    expect(mixed.sentence).toBe("Of 3 seeds: supported in 2, not supported in 1.")
  })

  it("leaves out the claim about logits, which only the first seed has", () => {
    expect(overSeeds(input(near, near)).claims.map(({ id }) => id)).toEqual([1, 2, 3, 4, 6])
  })

  it("four fifths of the seeds make a verdict", () => {
    const yes = "supported" as const
    expect(agreed([yes, yes, yes, yes, "not supported"])).toBe("supported")
    expect(agreed([yes, yes, yes, "not supported"])).toBe("undecided")
    expect(agreed(["undecided", "undecided"])).toBe("undecided")
    expect(agreed(["not supported", "not supported"])).toBe("not supported")
  })
})
