/**
 * What training by sparsemax's own loss is worth: scores of two trainings under two activations, and their differences.
 *
 * Softmax on logits that were trained for softmax against sparsemax on the same logits is no fair comparison: each is
 * compared as it was trained, and sparsemax with itself on the other's logits.
 */
import { type ActivationName, applyRows } from "../../../schemas/activations/Activations.ts"
import type { ScaledScores } from "../../../schemas/Compare.ts"
import type { LossDifference, Losses, LossesParams, Reading } from "../../../schemas/Losses.ts"
import { LossMetric } from "../../../schemas/Losses.ts"
import type { LossName } from "../../../schemas/Train.ts"
import * as Groups from "./Groups.ts"
import { overSeeds } from "./OverSeeds.ts"
import { constantOf } from "./scores/Constant.ts"
import * as Measure from "./scores/Metrics.ts"
import { type LabelledLogits, scaledScores } from "./scores/ScaledScores.ts"

/** One training's logits. */
export interface TrainedLogits {
  readonly validation: LabelledLogits
  readonly test: LabelledLogits
}

type NonEmpty<A> = readonly [A, ...ReadonlyArray<A>]

export interface LossesInput {
  readonly params: LossesParams
  readonly classes: ReadonlyArray<string>
  /** The groups of the test images. */
  readonly groups: ReadonlyArray<string>
  /** By seed; as many of each. */
  readonly trainings: Readonly<Record<LossName, NonEmpty<TrainedLogits>>>
}

const losses: ReadonlyArray<LossName> = ["crossEntropy", "sparsemax"]
const readers: ReadonlyArray<ActivationName> = ["softmax", "sparsemax"]

const mapEach = <A, B>([first, ...rest]: NonEmpty<A>, f: (value: A, at: number) => B): NonEmpty<B> => [
  f(first, 0),
  ...rest.map((value, i) => f(value, i + 1))
]

/** Each metric of each test image: what its mean over images is the score of. */
const byImage = (
  { labels, logits }: LabelledLogits,
  activation: ActivationName,
  temperature: number,
  classes: number
): Readonly<Record<LossMetric, Float64Array>> => {
  const scaled = logits.map((z) => z / temperature)
  const probabilities = applyRows(activation, scaled, classes)
  const images = Array.from(labels, (label, i) =>
    Measure.sumsOf({
      classes,
      probabilities: probabilities.subarray(i * classes, (i + 1) * classes),
      labels: Int32Array.of(label)
    })
  )
  const of = (score: (image: Measure.Sums) => number) => Float64Array.from(images, score)
  return {
    brier: of(({ brier }) => brier),
    accuracy: of(({ right }) => right),
    top3: of(({ top3 }) => top3),
    supportSize: of(({ support }) => support)
  }
}

const weightedMean = (values: Float64Array, weights: Float64Array): number => {
  let [sum, all] = [0, 0]
  for (let row = 0; row < values.length; row++) {
    sum += weights[row]! * values[row]!
    all += weights[row]!
  }
  return sum / Math.max(1e-12, all)
}

/** The content of `losses.json`. */
export const compareLosses = ({ params, classes, groups, trainings }: LossesInput): Losses => {
  const { labels } = trainings.crossEntropy[0].test
  const grouped: Groups.Grouped = { labels, groups }
  const count = classes.length
  const halfWidth = (of: (weights: Float64Array) => number) =>
    Groups.halfWidth(grouped, params.bootstrap, params.seed, of)
  const readings = losses.flatMap((loss) =>
    readers.map((activation): Reading => {
      const bySeed = mapEach(
        trainings[loss],
        ({ validation, test }): ScaledScores => scaledScores({ validation, test, activation, classes: count })
      )
      return { loss, activation, bySeed }
    })
  )
  const images = new Map(
    readings.map((reading) => {
      const { loss, activation, bySeed } = reading
      const of = trainings[loss]
      return [reading, mapEach(bySeed, ({ temperature }, i) => byImage(of[i]!.test, activation, temperature, count))]
    })
  )
  const reading = (loss: LossName, activation: ActivationName) =>
    images.get(readings.find((each) => each.loss === loss && each.activation === activation)!)!
  const even = new Float64Array(labels.length).fill(1)
  const differences = (a: ReturnType<typeof reading>, b: ReturnType<typeof reading>) =>
    LossMetric.literals.map((metric): LossDifference => {
      const bySeed = mapEach(a, (of, i) => of[metric].map((value, row) => value - b[i]![metric][row]!))
      const values = mapEach(bySeed, (of) => weightedMean(of, even))
      const half = halfWidth((weights) => weightedMean(bySeed[0], weights))
      return { metric, ...overSeeds(values, half), values }
    })
  const constant = constantOf(labels, classes)
  const isLearned = (loss: LossName): boolean => {
    const bySeed = mapEach(reading(loss, "softmax"), ({ accuracy }) => accuracy)
    const values = bySeed.map((of) => weightedMean(of, even))
    return (
      overSeeds(
        values,
        halfWidth((weights) => weightedMean(bySeed[0], weights))
      ).low95 > constant.share
    )
  }
  const own = reading("sparsemax", "sparsemax")
  return {
    seeds: trainings.crossEntropy.length,
    testImages: labels.length,
    groups: new Set(groups).size,
    constant,
    learned: { crossEntropy: isLearned("crossEntropy"), sparsemax: isLearned("sparsemax") },
    readings,
    asTrained: differences(own, reading("crossEntropy", "softmax")),
    underSparsemax: differences(own, reading("crossEntropy", "sparsemax"))
  }
}
