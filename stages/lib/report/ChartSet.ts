/** Every chart of the report, drawn once: inline for the page, and as files of their own. */
import * as Effect from "effect/Effect"
import { calibrationCurves, classBalance } from "../../../charts/Classes.ts"
import { accuracyCurves, lossCurves, lossTitle } from "../../../charts/Curves.ts"
import { gradientCharts } from "../../../charts/GradientCharts.ts"
import { imageMap } from "../../../charts/ImageMap.ts"
import { inline, makeRenderer, standalone, type TopLevelSpec } from "../../../charts/Render.ts"
import { seedAccuracyCurves, seedLossCurves } from "../../../charts/SeedCurves.ts"
import { variantNames } from "../../../charts/Theme.ts"
import type { Metrics } from "../../../schemas/Compare.ts"
import type { Gradstats } from "../../../schemas/Gradstats.ts"
import type { VariantName } from "../../../schemas/Names.ts"
import type { Manifest } from "../../../schemas/Split.ts"
import type { History, TrainedNetwork } from "../../../schemas/Train.ts"
import { rowsOf } from "../statistics/Comparison.ts"
import { project } from "../statistics/Projection.ts"
import { argmax } from "../statistics/Scores.ts"
import type { LogitsTable } from "../tables/LogitsTable.ts"
import type { PenultimateTable } from "../tables/PenultimateTable.ts"
import type { ChartName, SeedChartName } from "./Data.ts"
import { drawLogits, drawNetwork, drawPredictions } from "./Drawings.ts"
import { drawConfusion } from "./drawings/Confusion.ts"
import { type Html, trusted } from "./Html.ts"

export interface ChartInput {
  readonly metrics: Metrics
  readonly manifest: Manifest
  readonly histories: Readonly<Record<VariantName, History>>
  readonly gradients: Gradstats
  readonly network: TrainedNetwork
  readonly table: LogitsTable
  readonly hidden: PenultimateTable
  readonly exampleUris: ReadonlyArray<string>
}

/** What each chart shows, for readers who do not see it. */
const labels: Readonly<Record<ChartName | SeedChartName, string>> = {
  balance: "Bar chart: images of each class by split",
  loss: "Line chart: train and validation loss by epoch, with and without BN",
  accuracy: "Line chart: train, validation and test accuracy by epoch, with and without BN",
  heatMaps: "Heat maps: gradient norm by layer and epoch, with and without BN",
  profiles: "Line chart: gradient norm by layer, one line per epoch",
  ratio: "Line chart: gradient norm of the first layer divided by that of the last, by epoch",
  updates: "Line chart: update-to-weight ratio by epoch, one line per layer, with and without BN",
  dead: "Line chart: share of dead ReLUs by epoch, one line per layer, with and without BN",
  logits: "Heat map: logits by test image and class, with and without BN",
  mapBn: "Scatter plot: test images on two principal components of the network with BN",
  mapNobn: "Scatter plot: test images on two principal components of the network without BN",
  calibration: "Line chart: accuracy by confidence, one line per activation",
  confusionBn: "Confusion matrix of the network with BN; the most confused pairs are in the table below",
  confusionNobn: "Confusion matrix of the network without BN; the most confused pairs are in the table below",
  network: "Diagram of the network's layers",
  seedLoss: "Line chart with bands: mean train and validation loss over seeds by epoch, with and without BN",
  seedAccuracy: "Line chart with bands: mean accuracy over seeds by epoch, with and without BN"
}

/** A map of more images has no gaps, and no end of bytes. */
const mostPoints = 1500

/** Test images by the last hidden layer, or by their logits where a network has no such layer. */
const mapOf = (table: LogitsTable, hidden: PenultimateTable, variant: VariantName): TopLevelSpec => {
  const test = rowsOf(table, "test")
  const classes = table.classes.length
  const { units, data } = hidden.values[variant]
  const { points, explained } = units > 0 ? project(data, units) : project(test.logits[variant], classes)
  const axis = (k: 0 | 1): string => `component ${k + 1} (${(100 * explained[k]).toFixed(0)} % of the variance)`
  // of many images every so many-th
  const step = Math.ceil(test.paths.length / mostPoints)
  return imageMap(
    test.paths.flatMap((_, row) =>
      row % step > 0
        ? []
        : [
            {
              x: points[row * 2]!,
              y: points[row * 2 + 1]!,
              label: table.classes[test.labels[row]!]!,
              right: argmax(test.logits[variant], row * classes, classes) === test.labels[row]
            }
          ]
    ),
    table.classes,
    [axis(0), axis(1)]
  )
}

/** Charts as files: SVG, and PNG where there are too many marks for it. */
export interface ChartFiles {
  readonly loss: string
  readonly accuracy: string
  readonly confusion: string
  readonly calibration: string
  readonly logits: Uint8Array
  readonly predictions: Uint8Array
}

type Specs = Readonly<Partial<Record<ChartName | SeedChartName, TopLevelSpec>>>

const specsOf = ({ metrics, manifest, histories, gradients, table, hidden }: ChartInput): Specs => ({
  balance: classBalance(manifest.counts),
  loss: lossCurves(histories),
  accuracy: accuracyCurves(histories),
  ...gradientCharts(gradients),
  mapBn: mapOf(table, hidden, "bn"),
  mapNobn: mapOf(table, hidden, "nobn"),
  calibration: calibrationCurves(metrics.bn.activations, metrics.activation),
  ...(metrics.seeds === undefined
    ? {}
    : {
        seedLoss: seedLossCurves(metrics.seeds, lossTitle(histories)),
        seedAccuracy: seedAccuracyCurves(metrics.seeds)
      })
})

/** Pixels of a PNG per unit of its SVG: sharp on screens that have them. */
const pngScale = 1.5

/** Draws everything. */
export const drawCharts = Effect.fnUntraced(function* (input: ChartInput) {
  const { metrics, table } = input
  const renderer = yield* makeRenderer([...metrics.classes, "…"])
  const svgs = {} as Record<ChartName, string> & Partial<Record<SeedChartName, string>>
  for (const [name, spec] of Object.entries(specsOf(input))) {
    svgs[name as ChartName] = yield* renderer.svg(spec)
  }
  // the pixels are made here, so they can be encoded: a failure is a bug
  svgs.logits = yield* Effect.promise(() => drawLogits(table, variantNames))
  const matrices = { bn: metrics.bn.confusion, nobn: metrics.nobn.confusion }
  const confusion = yield* Effect.promise(() => drawConfusion(matrices, metrics.classes))
  svgs.confusionBn = confusion.bn
  svgs.confusionNobn = confusion.nobn
  svgs.network = drawNetwork(input.network)
  const inlined = Object.fromEntries(
    Object.entries(svgs).map(([name, svg]) => [name, trusted(inline(svg, name, labels[name as ChartName]))])
  ) as Record<ChartName, Html> & Partial<Record<SeedChartName, Html>>
  const predictions = drawPredictions(metrics.examples, input.exampleUris)
  const files: ChartFiles = {
    // as a file, a curve shows all seeds
    loss: standalone(svgs.seedLoss ?? svgs.loss),
    accuracy: standalone(svgs.seedAccuracy ?? svgs.accuracy),
    confusion: standalone(confusion.both),
    calibration: standalone(svgs.calibration),
    logits: yield* renderer.png(svgs.logits, pngScale),
    predictions: yield* renderer.png(predictions, pngScale)
  }
  return { inline: inlined, missing: renderer.missing, files }
})
