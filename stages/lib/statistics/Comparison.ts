/**
 * The metrics of the study, from logits, histories and the manifest.
 */

import type { ActivationName } from "../../../schemas/activations/Activations.ts"
import { activationNames, activations, applyRows } from "../../../schemas/activations/Activations.ts"
import type {
  CompareParams,
  ConfusionCell,
  Example,
  Metrics,
  ScaledScores,
  VariantMetrics
} from "../../../schemas/Compare.ts"
import type { Gradstats } from "../../../schemas/Gradstats.ts"
import { type SplitName, splitNames, type VariantName, variants } from "../../../schemas/Names.ts"
import type { Manifest } from "../../../schemas/Split.ts"
import type { History } from "../../../schemas/Train.ts"
import * as Random from "../Random.ts"
import type { LogitsTable } from "../tables/LogitsTable.ts"
import type { SeedLogits } from "../tables/SeedLogitsTable.ts"
import { judge } from "./Claims.ts"
import * as Groups from "./Groups.ts"
import { headlineOf } from "./Headline.ts"
import { confusion } from "./Scores.ts"
import { bestOf, overSeeds } from "./SeedStatistics.ts"
import * as Statistics from "./Statistics.ts"
import { mean } from "./Summary.ts"
import { constantOf } from "./scores/Constant.ts"
import * as Measure from "./scores/Metrics.ts"
import { pickRows, scaledScores } from "./scores/ScaledScores.ts"

/** The rows of one split: paths, labels, and the logits of both networks (rows x classes). */
export interface SplitRows {
  readonly paths: ReadonlyArray<string>
  readonly labels: Int32Array
  readonly logits: Readonly<Record<VariantName, Float32Array>>
}

/** The table's rows of one split, in their order. */
export const rowsOf = (table: LogitsTable, split: SplitName): SplitRows => {
  const classes = table.classes.length
  const rows = table.splits.flatMap((name, row) => (name === split ? [row] : []))
  return {
    paths: rows.map((row) => table.paths[row]!),
    labels: Int32Array.from(rows, (row) => table.labels[row]!),
    logits: { bn: pickRows(table.bn, rows, classes), nobn: pickRows(table.nobn, rows, classes) }
  }
}

/** Probabilities of a split under an activation. */
export const predict = (
  rows: SplitRows,
  variant: VariantName,
  activation: ActivationName,
  classes: number
): Measure.Predictions => ({
  classes,
  probabilities: applyRows(activation, rows.logits[variant], classes),
  labels: rows.labels
})

export interface ComparisonInput {
  readonly params: CompareParams
  readonly manifest: Manifest
  readonly table: LogitsTable
  readonly histories: Readonly<Record<VariantName, History>>
  /** Of the further seeds, in order. */
  readonly replicas: Readonly<Record<VariantName, ReadonlyArray<History>>>
  readonly gradients: Gradstats
  /** Logits of the test images, of the further seeds. */
  readonly seedLogits: ReadonlyArray<SeedLogits>
}

/** The seed study selected no earlier epoch. */
const firstSelected = 4

/** The best test score over epochs, by the seed study's method: from epoch 4 on where there are so many. */
const testSelected = ({ epochs }: History): VariantMetrics["testSelected"] => {
  const late = epochs.filter((epoch) => epoch.epoch >= firstSelected)
  const from = late.length > 0 ? late : epochs
  const best = from.reduce((a, b) => (b.testAccuracy > a.testAccuracy ? b : a), from[0]!)
  return { epoch: best.epoch, accuracy: best.testAccuracy, f1Micro: best.testF1Micro }
}

/** The cells of a matrix that are not 0, row by row. */
const cellsOf = (matrix: Float64Array, classes: number): ReadonlyArray<ConfusionCell> =>
  Array.from(matrix.entries()).flatMap(([at, images]) =>
    images === 0 ? [] : [{ label: Math.floor(at / classes), predicted: at % classes, images }]
  )

/** What the metrics of both networks are made of. */
interface Measured {
  readonly bySplit: Readonly<Record<SplitName, SplitRows>>
  readonly paired: Groups.Paired
  readonly resampled: Groups.Resampled
}

const variantMetrics = (
  { table, histories, params }: ComparisonInput,
  { bySplit, paired, resampled }: Measured,
  variant: VariantName
): VariantMetrics => {
  const classes = table.classes.length
  const test = bySplit.test
  const predicted = paired[variant]
  return {
    bestEpoch: histories[variant].bestEpoch,
    testSelected: testSelected(histories[variant]),
    splits: splitNames.map((split) => {
      const { accuracy, f1Macro } = Measure.scoresOf(predict(bySplit[split], variant, params.activation, classes))
      return { split, images: bySplit[split].paths.length, accuracy, f1Macro }
    }),
    activations: activationNames.map((activation) => {
      const predictions = predict(test, variant, activation, classes)
      return {
        activation,
        scores: Measure.scoresOf(predictions),
        calibration: Measure.calibrationOf(predictions),
        scaled: scaledScores({
          validation: { labels: bySplit.validation.labels, logits: bySplit.validation.logits[variant] },
          test: { labels: test.labels, logits: test.logits[variant] },
          activation,
          classes
        })
      }
    }),
    accuracy: resampled.accuracy[variant],
    perClass: Measure.perClassOf(table.classes, test.labels, predicted, Groups.groupsByClass(paired)),
    confusion: cellsOf(confusion(test.labels, predicted, classes), classes)
  }
}

/** Random rows of the test split for the grid; an image's draw does not depend on the others. */
export const exampleRows = (test: SplitRows, count: number, seed: number): ReadonlyArray<number> =>
  test.paths
    .map((path, row) => ({ row, key: Random.make(seed, "example", path).float() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ row }) => row)

const examplesOf = (test: SplitRows, classes: ReadonlyArray<string>, params: CompareParams): ReadonlyArray<Example> =>
  exampleRows(test, params.examples, params.seed).map((row) => {
    const logits = test.logits.bn.subarray(row * classes.length, (row + 1) * classes.length)
    return {
      path: test.paths[row]!,
      label: classes[test.labels[row]!]!,
      softmax: Measure.topOf(activations.softmax.apply(logits), classes, Measure.topCount),
      sparsemax: Measure.topOf(activations.sparsemax.apply(logits), classes, Measure.topCount)
    }
  })

/**
 * Share of rows whose label is among softmax's top three, and exactly 0 under sparsemax of the logits over `temperature`.
 */
const lostBySparsemax = (test: SplitRows, temperature: number, classes: number): number => {
  const soft = predict(test, "bn", "softmax", classes)
  const sparse = applyRows(
    "sparsemax",
    test.logits.bn.map((z) => z / temperature),
    classes
  )
  let lost = 0
  for (let row = 0; row < test.labels.length; row++) {
    const label = test.labels[row]!
    const rank = Measure.rankOf(soft.probabilities.subarray(row * classes, (row + 1) * classes), label)
    if (rank < Measure.topCount && sparse[row * classes + label] === 0) lost += 1
  }
  return lost / Math.max(1, test.labels.length)
}

const scaledBy = (metrics: VariantMetrics, name: ActivationName): ScaledScores =>
  metrics.activations.find(({ activation }) => activation === name)!.scaled

const seedsOf = (
  { params, histories, replicas, gradients }: ComparisonInput,
  images: Metrics["differences"],
  groupTest: Metrics["groupTest"],
  margin: number
): Pick<Metrics, "seeds"> =>
  replicas.bn.length === 0
    ? {}
    : {
        seeds: overSeeds({
          bn: [histories.bn, ...replicas.bn],
          nobn: [histories.nobn, ...replicas.nobn],
          images,
          groupTest,
          thresholds: gradients.thresholds,
          margin,
          resamples: params.bootstrap,
          seed: params.seed
        })
      }

/** The predictions of both networks for the test images, with the groups of these. */
const pairedOf = ({ manifest, params, table }: ComparisonInput, test: SplitRows): Groups.Paired => {
  const classes = table.classes.length
  const groupOf = new Map(manifest.images.map(({ path, group }) => [path, group]))
  return {
    classes,
    labels: test.labels,
    bn: Measure.predictedClasses(predict(test, "bn", params.activation, classes)),
    nobn: Measure.predictedClasses(predict(test, "nobn", params.activation, classes)),
    groups: test.paths.map((path) => groupOf.get(path) ?? path)
  }
}

/** Test accuracy of each network, over all seeds. */
const accuraciesOf = ({ histories, replicas }: ComparisonInput): ReadonlyArray<number> =>
  variants.map((variant) => mean([histories[variant], ...replicas[variant]].map((each) => bestOf(each).testAccuracy)))

/** The content of `metrics.json`. */
export const compareAll = (input: ComparisonInput): Metrics => {
  const { params, table, histories, gradients } = input
  const classes = table.classes.length
  const bySplit = {
    train: rowsOf(table, "train"),
    validation: rowsOf(table, "validation"),
    test: rowsOf(table, "test")
  }
  const test = bySplit.test
  const paired = pairedOf(input, test)
  const resampled = Groups.resample(paired, params.bootstrap, params.seed)
  const measured = { bySplit, paired, resampled }
  const bn = variantMetrics(input, measured, "bn")
  const nobn = variantMetrics(input, measured, "nobn")
  const { differences } = resampled
  const constant = constantOf(test.labels, table.classes)
  const groupTest = Groups.groupTest(paired)
  const margin = Statistics.marginFor(params.equivalenceMargin, constant.share, accuraciesOf(input))
  const equivalence = Statistics.equivalence(differences, margin, groupTest)
  const sparsemax = scaledBy(bn, "sparsemax")
  const seeds = seedsOf(input, differences, groupTest, margin)
  return {
    activation: params.activation,
    classes: table.classes,
    testImages: test.paths.length,
    bn,
    nobn,
    mcNemar: Statistics.mcNemar(test.labels, paired.bn, paired.nobn),
    groupTest,
    constant,
    differences,
    headline: headlineOf({
      paired,
      logits: [test.logits, ...input.seedLogits],
      activation: params.activation,
      differences,
      seeds: seeds.seeds,
      margin,
      resamples: params.bootstrap,
      seed: params.seed
    }),
    equivalence: { margin, verdict: equivalence },
    examples: examplesOf(test, table.classes, params),
    claims: judge({
      ...histories,
      gradients,
      differences,
      margin,
      equivalence,
      classes,
      constant,
      accuracy: { bn: bn.accuracy, nobn: nobn.accuracy },
      scores: { softmax: scaledBy(bn, "softmax").scores, sparsemax: sparsemax.scores },
      lostBySparsemax: lostBySparsemax(test, sparsemax.temperature, classes)
    }),
    ...seeds
  }
}
