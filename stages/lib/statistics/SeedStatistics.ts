/**
 * Several seeds of the same two trainings: means, spreads, paired differences, and the claims over all of them.
 *
 * Seeds are resampled whole: one draw of seeds serves every metric and epoch. With few seeds the bootstrap's interval of a mean is about from the
 * least to the greatest value. Verdicts on differences use Student's t, which holds from two seeds on, and the bootstrap over test images,
 * since all seeds are tested on the same ones. The two half widths are added as independent errors are. The first seed's bootstrap
 * stands for the mean of all, which makes the interval too wide rather than too narrow.
 */
import type { Difference, GroupTest } from "../../../schemas/Compare.ts"
import type { GradientThresholds } from "../../../schemas/Gradstats.ts"
import type {
  Interval,
  SeedClaim,
  SeedCurve,
  SeedDifference,
  Seeds,
  Spread,
  VariantSeeds
} from "../../../schemas/Seeds.ts"
import { SeedMetric, TestMetric, Verdict } from "../../../schemas/Seeds.ts"
import type { Epoch, History } from "../../../schemas/Train.ts"
import { points } from "../Figures.ts"
import * as Random from "../Random.ts"
import { judgeTrainings } from "./Claims.ts"
import { compareGradients } from "./GradientStats.ts"
import { equivalence, studentBound } from "./Statistics.ts"
import { mean, quantile, sampleDeviation } from "./Summary.ts"

export interface SeedInput {
  /** One history per seed, the first seed first; as many for one network as for the other. */
  readonly bn: ReadonlyArray<History>
  readonly nobn: ReadonlyArray<History>
  /** Of the first seed: intervals by resampling test images. */
  readonly images: ReadonlyArray<Difference>
  readonly groupTest: Pick<GroupTest, "groups" | "differing">
  readonly thresholds: GradientThresholds
  readonly margin: number
  readonly resamples: number
  readonly seed: number
}

/** Mean and interval of values by seed, always by the same draws of seeds. */
export const makeSpread = (count: number, resamples: number, seed: number) => {
  const random = Random.make(seed, "seeds", count)
  const draws = Int32Array.from({ length: resamples * count }, () => random.int(count))
  return (values: ReadonlyArray<number>): Spread => {
    const means = new Float64Array(resamples)
    for (let b = 0; b < resamples; b++) {
      let sum = 0
      for (let i = 0; i < count; i++) sum += values[draws[b * count + i]!]!
      means[b] = sum / count
    }
    means.sort()
    return {
      mean: mean(values),
      sd: sampleDeviation(values),
      low95: quantile(means, 0.025),
      high95: quantile(means, 0.975)
    }
  }
}

type SpreadOf = ReturnType<typeof makeSpread>

export const bestOf = (history: History): Epoch => history.epochs.find(({ epoch }) => epoch === history.bestEpoch)!

const curvesOf = (histories: ReadonlyArray<History>, epochs: number, spread: SpreadOf): ReadonlyArray<SeedCurve> =>
  SeedMetric.literals.map((metric) => ({
    metric,
    epochs: Array.from({ length: epochs }, (_, e) => ({
      epoch: e + 1,
      ...spread(histories.map((history) => history.epochs[e]![metric]))
    }))
  }))

const variantOf = (histories: ReadonlyArray<History>, epochs: number, spread: SpreadOf): VariantSeeds => ({
  bestEpochs: histories.map((history) => history.bestEpoch),
  scores: TestMetric.literals.map((metric) => {
    const values = histories.map((history) => bestOf(history)[metric])
    return { metric, values, ...spread(values) }
  }),
  curves: curvesOf(histories, epochs, spread)
})

/** The name of a score in the bootstrap over test images. */
const imageMetric: Readonly<Record<TestMetric, string>> = { testAccuracy: "accuracy", testF1Macro: "f1Macro" }

/** Student's distribution with so many degrees of freedom is the normal one, to three digits. */
const manyFreedoms = 2000
const halvings = 40

/**
 * The p of a mean: the interval of the share 1 - p ends at 0. `deviation` is that of the mean over `count` seeds, and `images`
 * the half width of the 95 % interval over test images, on the side of 0.
 */
const pValueOf = (mean: number, deviation: number, count: number, images: number): number => {
  const normal95 = studentBound(0.95, manyFreedoms)
  const half = (share: number): number =>
    Math.hypot(studentBound(share, count - 1) * deviation, (images * studentBound(share, manyFreedoms)) / normal95)
  let [within, beyond] = [0, 1]
  for (let i = 0; i < halvings; i++) {
    const middle = (within + beyond) / 2
    if (half(middle) < Math.abs(mean)) within = middle
    else beyond = middle
  }
  return 1 - within
}

const differencesOf = ({ bn, nobn, images }: SeedInput, spread: SpreadOf): ReadonlyArray<SeedDifference> =>
  TestMetric.literals.map((metric) => {
    const values = bn.map((history, i) => bestOf(history)[metric] - bestOf(nobn[i]!)[metric])
    const found = spread(values)
    const of = images.find((each) => each.metric === imageMetric[metric])!
    /** An interval by Student's t, each side widened by that of another interval. */
    const interval = (share: number, below: number, above: number): Interval => {
      const half = (studentBound(share, values.length - 1) * found.sd) / Math.sqrt(values.length)
      // shares differ by 1 at most
      return {
        low: Math.max(-1, found.mean - Math.hypot(half, below)),
        high: Math.min(1, found.mean + Math.hypot(half, above))
      }
    }
    const [below, above] = [of.estimate - of.low95, of.high95 - of.estimate]
    return {
      metric,
      values,
      ...found,
      student95: interval(0.95, 0, 0),
      total95: interval(0.95, below, above),
      total90: interval(0.9, of.estimate - of.low90, of.high90 - of.estimate),
      pValue: pValueOf(found.mean, found.sd / Math.sqrt(values.length), values.length, found.mean > 0 ? below : above)
    }
  })

/** The share of seeds that must agree. */
const agreement = 0.8

/** The verdict that at least four fifths of the seeds have. */
export const agreed = (verdicts: ReadonlyArray<Verdict>): Verdict =>
  (["supported", "not supported", "mixed"] as const).find(
    (verdict) => verdicts.filter((each) => each === verdict).length >= agreement * verdicts.length
  ) ?? "undecided"

const tally = (verdicts: ReadonlyArray<Verdict>): string =>
  Verdict.literals
    .flatMap((verdict) => {
      const count = verdicts.filter((each) => each === verdict).length
      return count === 0 ? [] : [`${verdict} in ${count}`]
    })
    .join(", ")

const testMetricNames: Readonly<Record<TestMetric, string>> = { testAccuracy: "Accuracy", testF1Macro: "Macro F1" }

const claimsOf = (
  { bn, nobn, thresholds }: SeedInput,
  differences: ReadonlyArray<SeedDifference>,
  equal: Seeds["equivalence"]
): ReadonlyArray<SeedClaim> => {
  const judged = bn.map((history, i) => {
    const pair = { bn: history, nobn: nobn[i]! }
    return judgeTrainings({ ...pair, gradients: compareGradients(pair.bn, pair.nobn, thresholds) })
  })
  const bySeed = judged[0]!.map(({ id }, k): SeedClaim => {
    const verdicts = judged.map((claims) => claims[k]!.verdict)
    const sentence = `Of ${bn.length} seeds: ${tally(verdicts)}.`
    return { id, verdicts, verdict: agreed(verdicts), sentence }
  })
  const same: SeedClaim = {
    id: 3,
    verdicts: [],
    verdict: equal === "equivalent" ? "supported" : equal === "different" ? "not supported" : "undecided",
    sentence: differences
      .map(
        (d) =>
          `${testMetricNames[d.metric]} differs by ${points(d.mean)} points on the mean of ${bn.length} seeds (BN minus no BN; 90\u00a0% interval over seeds and test images ${points(d.total90.low)} to ${points(d.total90.high)}).`
      )
      .join(" ")
  }
  return [...bySeed, same].sort((a, b) => a.id - b.id)
}

/** All results over seeds. At least two of each. */
export const overSeeds = (input: SeedInput): Seeds => {
  const { bn, nobn, margin, resamples, seed } = input
  const count = bn.length
  const spread = makeSpread(count, resamples, seed)
  const sharedEpochs = Math.min(...[...bn, ...nobn].map((history) => history.epochs.length))
  const differences = differencesOf(input, spread)
  const equal = equivalence(
    differences.map((d) => ({
      metric: d.metric,
      estimate: d.mean,
      low90: d.total90.low,
      high90: d.total90.high,
      low95: d.total95.low,
      high95: d.total95.high
    })),
    margin,
    input.groupTest
  )
  return {
    count,
    sharedEpochs,
    bn: variantOf(bn, sharedEpochs, spread),
    nobn: variantOf(nobn, sharedEpochs, spread),
    differences,
    equivalence: equal,
    claims: claimsOf(input, differences, equal)
  }
}
