/** Every chart of the report, drawn once: inline for the page, and as files of their own. */
import * as Effect from "effect/Effect"
import { calibrationCurves, classBalance } from "../../../charts/Classes.ts"
import { accuracyCurves, lossCurves, lossTitle } from "../../../charts/Curves.ts"
import { gradientCharts } from "../../../charts/GradientCharts.ts"
import { imageMap } from "../../../charts/ImageMap.ts"
import {
  inline,
  makeRenderer,
  type Renderer,
  schemeNames,
  standalone,
  type TopLevelSpec
} from "../../../charts/Render.ts"
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
import { utf8 } from "../Utf8.ts"
import type { ChartName, LookedAt, SeedChartName } from "./Data.ts"
import { drawConfusion } from "./drawings/Confusion.ts"
import { drawLogits, drawNetwork, drawPredictions } from "./drawings/Drawings.ts"
import { drawFirstFilters, type Filters } from "./drawings/Filters.ts"
import { drawHero } from "./drawings/Hero.ts"
import { labelsOf } from "./drawings/Labels.ts"
import { drawLookedAt } from "./drawings/LookedAt.ts"
import { labelSize, type Shorten } from "./drawings/Svg.ts"
import { type Html, trusted } from "./Html.ts"
import type { Rows } from "./rows/Csv.ts"

export interface ChartInput {
  readonly metrics: Metrics
  readonly manifest: Manifest
  readonly histories: Readonly<Record<VariantName, History>>
  readonly gradients: Gradstats
  readonly network: TrainedNetwork
  /** Of the first layers. */
  readonly filters: Readonly<Record<VariantName, Filters | undefined>>
  readonly table: LogitsTable
  readonly hidden: PenultimateTable
  readonly exampleUris: ReadonlyArray<string>
  readonly lookedAt: ReadonlyArray<LookedAt>
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

/** A file of the folder of figures. */
export interface FigureFile {
  readonly name: string
  readonly bytes: Uint8Array
}

type Specs = Readonly<Partial<Record<ChartName | SeedChartName, TopLevelSpec>>>

const specsOf = ({ metrics, manifest, histories, gradients, table, hidden }: ChartInput): Specs => ({
  balance: classBalance(manifest.counts),
  loss: lossCurves(histories),
  accuracy: accuracyCurves(histories),
  ...gradientCharts(gradients),
  mapBn: mapOf(table, hidden, "bn"),
  mapNobn: mapOf(table, hidden, "nobn"),
  calibration: calibrationCurves({ bn: metrics.bn.activations, nobn: metrics.nobn.activations }, metrics.activation),
  ...(metrics.seeds === undefined
    ? {}
    : {
        seedLoss: seedLossCurves(metrics.seeds, lossTitle(histories)),
        seedAccuracy: seedAccuracyCurves(metrics.seeds)
      })
})

/** Mistakes with what was looked at in a file; the page has more. */
const mostInFile = 6

/** Pixels of a PNG per unit of its SVG: sharp on screens that have them. */
const pngScale = 1.5

type Svgs = Record<ChartName, string> & Partial<Record<SeedChartName, string>>

/** The rows behind a chart: of its layers' data the longest. */
const rowsBehind = (spec: TopLevelSpec): Rows => {
  const layers = (spec as { readonly layer?: ReadonlyArray<TopLevelSpec> }).layer ?? []
  const all = [spec, ...layers].map(({ data }) => (data as { readonly values?: Rows } | undefined)?.values ?? [])
  return all.sort((a, b) => b.length - a.length)[0]!
}

const shortenBy =
  ({ shortened }: Renderer): Shorten =>
  (name, room) =>
    shortened(name, room, labelSize)

const drawSvgs = Effect.fnUntraced(function* (renderer: Renderer, input: ChartInput, specs: Specs) {
  const { metrics, table } = input
  const shorten = shortenBy(renderer)
  const svgs = {} as Svgs
  for (const [name, spec] of Object.entries(specs)) svgs[name as ChartName] = yield* renderer.svg(spec)
  // the pixels are made here, so they can be encoded: a failure is a bug
  svgs.logits = yield* Effect.promise(() => drawLogits(table, variantNames, shorten))
  const cells = { bn: metrics.bn.confusion, nobn: metrics.nobn.confusion }
  const confusion = yield* Effect.promise(() => drawConfusion(cells, metrics.classes, shorten))
  const filters = drawFirstFilters(input.filters)
  if (filters !== undefined) svgs.filters = filters
  svgs.confusionBn = confusion.bn
  svgs.confusionNobn = confusion.nobn
  svgs.network = drawNetwork(input.network)
  return { svgs, both: confusion.both }
})

/** Every figure as files, light and dark. */
const filesOf = Effect.fnUntraced(function* (renderer: Renderer, input: ChartInput, svgs: Svgs, confusion: string) {
  const { confusionBn: _bn, confusionNobn: _nobn, logits, ...charts } = svgs
  const drawn = { ...charts, confusion, hero: drawHero(input.metrics.headline, 560) }
  const shorten = shortenBy(renderer)
  const predictions = drawPredictions(input.metrics.examples, input.exampleUris, shorten)
  const looked =
    input.lookedAt.length === 0
      ? {}
      : { lookedAt: drawLookedAt(input.metrics.classes, input.lookedAt.slice(0, mostInFile), shorten) }
  const pixels = { logits, predictions, ...looked }
  const files: Array<FigureFile> = []
  for (const scheme of schemeNames) {
    for (const [name, svg] of Object.entries(drawn)) {
      files.push({ name: `${name}-${scheme}.svg`, bytes: utf8(standalone(renderer.fitted(svg), scheme)) })
    }
    for (const [name, svg] of Object.entries(pixels)) {
      files.push({ name: `${name}-${scheme}.png`, bytes: yield* renderer.png(svg, pngScale, scheme) })
    }
  }
  return files
})

/** Draws everything. */
export const drawCharts = Effect.fnUntraced(function* (input: ChartInput) {
  const renderer = yield* makeRenderer([...input.metrics.classes, "…"])
  const specs = specsOf(input)
  const { svgs, both } = yield* drawSvgs(renderer, input, specs)
  const labels = labelsOf(input)
  const inlined = Object.fromEntries(
    Object.entries(svgs).map(([name, svg]) => [
      name,
      trusted(inline(renderer.fitted(svg), name, labels[name as ChartName]))
    ])
  ) as Record<ChartName, Html> & Partial<Record<SeedChartName, Html>>
  const files = yield* filesOf(renderer, input, svgs, both)
  const rows = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, rowsBehind(spec)]))
  return { inline: inlined, missing: renderer.missing, files, labels, rows }
})
