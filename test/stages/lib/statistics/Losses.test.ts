/** What the loss of sparsemax is worth: on logits that were made up, so that each answer is known. */
import { describe, expect, it } from "vitest"
import type { LossDifference, Losses, LossesParams, LossMetric } from "../../../../schemas/Losses.ts"
import type { History } from "../../../../schemas/Train.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { answer } from "../../../../stages/lib/report/LossPage.ts"
import { compareLosses, type TrainedLogits } from "../../../../stages/lib/statistics/Losses.ts"

const params: LossesParams = { seed: 1, bootstrap: 400, batchSize: 64 }
const classes = ["a", "b", "c", "d"]
const rows = 240
const groups = Array.from({ length: rows }, (_, row) => `group ${Math.floor(row / 2)}`)
const labels = Int32Array.from({ length: rows }, (_, row) => Math.floor(row / 2) % classes.length)

/** The label's logit is `lead` above the others on average. */
const trained = (lead: number, noise: number, seed: number): TrainedLogits => {
  const of = (split: string) => {
    const random = Random.make(seed, split)
    const logits = Float32Array.from({ length: rows * classes.length }, (_, i) => {
      const k = i % classes.length
      const mean = k === labels[Math.floor(i / classes.length)] ? lead : 0
      return mean + noise * random.between(-1, 1)
    })
    return { labels, logits }
  }
  return { validation: of("validation"), test: of("test") }
}

const compared = (crossEntropy: ReadonlyArray<TrainedLogits>, sparsemax: ReadonlyArray<TrainedLogits>): Losses =>
  compareLosses({
    params,
    classes,
    groups,
    trainings: {
      crossEntropy: [crossEntropy[0]!, ...crossEntropy.slice(1)],
      sparsemax: [sparsemax[0]!, ...sparsemax.slice(1)]
    }
  })

const of = (differences: ReadonlyArray<LossDifference>, metric: LossMetric): LossDifference =>
  differences.find((each) => each.metric === metric)!

describe("the differences", () => {
  it("are none between a training and itself, where the activation is the same", () => {
    const same = trained(1, 2, 3)
    const { underSparsemax, asTrained, groups: independent } = compared([same], [same])
    expect(independent).toBe(rows / 2)
    for (const { mean, low95, high95 } of underSparsemax) expect([mean, low95, high95]).toEqual([0, 0, 0])
    // softmax and sparsemax keep the order, so the same images are right
    expect(of(asTrained, "accuracy").mean).toBe(0)
    expect(of(asTrained, "supportSize").mean).toBeLessThan(0)
  })

  it("are those of the scores that are shown, seed by seed", () => {
    const { readings, asTrained, underSparsemax } = compared(
      [trained(1, 2, 3), trained(1.1, 2, 4)],
      [trained(2, 2, 5), trained(1.9, 2, 6)]
    )
    const scores = (loss: string, activation: string, seed: number) =>
      readings.find((each) => each.loss === loss && each.activation === activation)!.bySeed[seed]!.scores
    for (const metric of ["brier", "accuracy", "top3", "supportSize"] as const) {
      for (const seed of [0, 1]) {
        const own = scores("sparsemax", "sparsemax", seed)[metric]
        expect(of(asTrained, metric).values[seed]).toBeCloseTo(
          own - scores("crossEntropy", "softmax", seed)[metric],
          10
        )
        expect(of(underSparsemax, metric).values[seed]).toBeCloseTo(
          own - scores("crossEntropy", "sparsemax", seed)[metric],
          10
        )
      }
    }
  })

  it("have intervals that shrink with the groups, and grow with the spread of the seeds", () => {
    const [a, b] = [trained(1, 2, 3), trained(2, 2, 5)]
    const width = ({ asTrained }: Losses): number => of(asTrained, "brier").high95 - of(asTrained, "brier").low95
    const one = compared([a], [b])
    const together = compareLosses({
      params,
      classes,
      groups: groups.map((_, row) => `large ${Math.floor(row / 24)} ${labels[row]}`),
      trainings: { crossEntropy: [a], sparsemax: [b] }
    })
    expect(width(together)).toBeGreaterThan(width(one))
    expect(width(compared([a, a], [b, trained(4, 2, 7)]))).toBeGreaterThan(2 * width(one))
  })
})

describe("the answer", () => {
  const history = (learningRate: number) => ({ epochs: [{ learningRate }], plannedEpochs: 12 }) as unknown as History
  const said = (losses: Losses, rates: readonly [number, number] = [0.0005, 0.0005]): string =>
    answer(losses, { crossEntropy: history(rates[0]), sparsemax: history(rates[1]) })

  it("is for the loss that is better, and says over what", () => {
    const better = compared([trained(1, 2, 3)], [trained(3, 2, 5)])
    expect(said(better)).toMatch(/^With the learning rate and the epochs of the study for both, /)
    expect(said(better, [0.0005, 0.001])).toContain("learning rate of 0.001 for the loss of sparsemax")
    expect(said(better)).toMatch(/on one pair of trainings, sparsemax trained by its own loss minus softmax/)
    expect(said(better)).toContain("sparsemax has the better probabilities")
    expect(said(better)).toContain("train by it if sparsemax is to be used")
    const worse = compared([trained(3, 2, 3), trained(3, 2, 4)], [trained(1, 2, 5), trained(1, 2, 6)])
    expect(said(worse)).toContain("on the mean of 2 seeds")
    expect(said(worse)).toContain("softmax has the better probabilities")
    expect(said(worse)).toContain("cross-entropy is the better training even for sparsemax")
  })

  it("is open where the interval holds 0", () => {
    expect(said(compared([trained(2.4, 2, 3), trained(2.6, 2, 4)], [trained(2.6, 2, 5), trained(2.4, 2, 6)]))).toMatch(
      /does not tell them apart.*does not tell them apart/
    )
  })

  it("is none where a network is not known to beat a constant answer", () => {
    const nothing = trained(0, 2, 3)
    const one = compared([trained(2, 2, 4)], [nothing])
    expect(one.learned).toEqual({ crossEntropy: true, sparsemax: false })
    expect(said(one)).toMatch(/^The network trained by the loss of sparsemax is not known to beat the constant answer/)
    expect(said(compared([nothing], [nothing]))).toMatch(/^Neither network is known to beat/)
  })
})
