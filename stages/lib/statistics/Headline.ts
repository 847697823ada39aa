/**
 * The numbers of the first figure: how the networks differ in accuracy, loss and calibration, by seed, with intervals.
 *
 * The bootstrap over groups of test images is the first seed's, which stands for the mean of all and makes an interval too
 * wide rather than too narrow; Student's t over seeds is added as independent errors are (SeedStatistics.ts).
 */
import { type ActivationName, applyRows } from "../../../schemas/activations/Activations.ts"
import type { Difference, HeadlineDifference } from "../../../schemas/Compare.ts"
import { type VariantName, variants } from "../../../schemas/Names.ts"
import type { Seeds } from "../../../schemas/Seeds.ts"
import * as Groups from "./Groups.ts"
import { type OverSeeds, overSeeds } from "./OverSeeds.ts"
import { crossEntropy } from "./Scores.ts"
import * as Measure from "./scores/Metrics.ts"

type Logits = Readonly<Record<VariantName, Float32Array>>

export interface HeadlineInput {
  readonly paired: Groups.Paired
  /** Of the test images, by seed, the first seed first. */
  readonly logits: ReadonlyArray<Logits>
  readonly activation: ActivationName
  /** Of accuracy: of the first seed, and over seeds. */
  readonly differences: ReadonlyArray<Difference>
  readonly seeds: Seeds | undefined
  /** Of a share. */
  readonly margin: number
  readonly resamples: number
  readonly seed: number
}

/** Of the loss: the probability of the true class, in the geometric mean, differs by a tenth. */
const lossMargin = 0.1

/** A number of weighted rows. */
type Weighted = (weights: Float64Array) => number

const lossOf = ({ classes, labels }: Groups.Paired, logits: Float32Array): Weighted => {
  const losses = Float64Array.from(labels, (label, row) => crossEntropy(logits, row * classes, classes, label))
  return (weights) => {
    let [sum, all] = [0, 0]
    for (let row = 0; row < losses.length; row++) {
      sum += weights[row]! * losses[row]!
      all += weights[row]!
    }
    return sum / Math.max(1e-12, all)
  }
}

const calibrationErrorOf = (
  { classes, labels }: Groups.Paired,
  logits: Float32Array,
  activation: ActivationName
): Weighted => {
  const predictions = { classes, labels, probabilities: applyRows(activation, logits, classes) }
  const rows = Array.from(Measure.predictedClasses(predictions), (predicted, row) => {
    // an overflowed row is in no bin
    if (predicted < 0) return { bin: 0, excess: 0, counts: 0 }
    const confidence = Math.min(1, predictions.probabilities[row * classes + predicted]!)
    return {
      bin: Measure.binOf(confidence),
      excess: (predicted === labels[row] ? 1 : 0) - confidence,
      counts: 1
    }
  })
  return (weights) => {
    const excess = new Float64Array(Measure.bins)
    let all = 0
    for (const [row, one] of rows.entries()) {
      excess[one.bin]! += weights[row]! * one.excess
      all += weights[row]! * one.counts
    }
    return excess.reduce((sum, value) => sum + Math.abs(value), 0) / Math.max(1e-12, all)
  }
}

const accuracyOf = ({ differences, seeds, margin }: HeadlineInput): HeadlineDifference => {
  const one = differences.find(({ metric }) => metric === "accuracy")!
  const all = seeds?.differences.find(({ metric }) => metric === "testAccuracy")
  return {
    metric: "accuracy",
    values: all?.values ?? [one.estimate],
    mean: all?.mean ?? one.estimate,
    low95: all?.total95.low ?? one.low95,
    high95: all?.total95.high ?? one.high95,
    margin
  }
}

/** Accuracy, loss and calibration error, bn minus nobn. */
export const headlineOf = (input: HeadlineInput): ReadonlyArray<HeadlineDifference> => {
  const { paired, logits, activation, margin, resamples, seed } = input
  const even = new Float64Array(paired.labels.length).fill(1)
  const differing = (of: (logits: Float32Array) => Weighted, most?: number): OverSeeds => {
    const bySeed = logits.map((each) => {
      const [bn, nobn] = variants.map((variant) => of(each[variant])) as [Weighted, Weighted]
      return (weights: Float64Array) => bn(weights) - nobn(weights)
    })
    const values = bySeed.map((difference) => difference(even))
    return overSeeds(values, Groups.halfWidth(paired, resamples, seed, bySeed[0]!), most)
  }
  return [
    accuracyOf(input),
    { metric: "loss", ...differing((each) => lossOf(paired, each)), margin: lossMargin },
    {
      metric: "calibrationError",
      ...differing((each) => calibrationErrorOf(paired, each, activation), 1),
      margin
    }
  ]
}
