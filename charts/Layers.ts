/** Curves over epochs with one line per layer and one panel per network. */

import type { Gradstats, VariantGradients } from "../schemas/Gradstats.ts"
import { variants } from "../schemas/Names.ts"
import { epochAxis } from "./Curves.ts"
import type { TopLevelSpec } from "./Render.ts"
import { panelSize, variantFacet, variantNames } from "./Theme.ts"

/** Okabe and Ito's colours, distinct in colour blindness, on dark and on light. From the ninth layer on they repeat. */
const layerColours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#b8a800"]

interface Rows {
  readonly layers: ReadonlyArray<string>
  readonly matrix: ReadonlyArray<ReadonlyArray<number>>
}

const rowsOf = (stats: Gradstats, of: (variant: VariantGradients) => Rows) =>
  variants.flatMap((variant) => {
    const { layers, matrix } = of(stats[variant])
    return layers.flatMap((layer, l) =>
      stats[variant].epochs.map((epoch, e) => ({ variant: variantNames[variant], layer, epoch, value: matrix[l]![e]! }))
    )
  })

type Row = ReturnType<typeof rowsOf>[number]

const panels = (
  stats: Gradstats,
  rows: ReadonlyArray<Row>,
  title: string,
  scale: object,
  marked: ReadonlyArray<number>
): TopLevelSpec => {
  const layers = stats.lastEpoch.map((row) => row.layer).filter((layer) => rows.some((row) => row.layer === layer))
  return {
    data: { values: rows as Array<Row> },
    facet: variantFacet,
    spec: {
      ...panelSize,
      layer: [
        {
          data: { values: marked.map((value) => ({ value })) },
          mark: { type: "rule", color: "currentColor", opacity: 0.4, strokeDash: [4, 4] },
          encoding: { y: { field: "value", type: "quantitative" } }
        },
        {
          mark: { type: "line", point: { size: 14, filled: true } },
          encoding: {
            x: epochAxis,
            y: { field: "value", type: "quantitative", title, scale },
            color: {
              field: "layer",
              type: "nominal",
              title: null,
              sort: layers as Array<string>,
              scale: { domain: layers as Array<string>, range: layerColours },
              legend: { symbolType: "stroke" }
            }
          }
        }
      ]
    }
  }
}

/**
 * Update-to-weight ratio on a logarithmic scale, with the rule of thumb of a thousandth. A ratio of 0 has no logarithm
 * and is left out.
 */
export const updateCurves = (stats: Gradstats): TopLevelSpec =>
  panels(
    stats,
    rowsOf(stats, ({ layers, updateRatio }) => ({ layers, matrix: updateRatio })).filter(({ value }) => value > 0),
    "update / weight",
    { type: "log" },
    [1e-3]
  )

/** Share of dead ReLUs. */
export const deadCurves = (stats: Gradstats): TopLevelSpec =>
  panels(
    stats,
    rowsOf(stats, ({ dead }) => ({ layers: dead.layers, matrix: dead.share })),
    "dead ReLUs",
    { domain: [0, 1] },
    [stats.thresholds.dead]
  )
