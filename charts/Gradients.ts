/** Gradient norms by layer and epoch: heat maps of both networks on one scale, and profiles over the layers. */

import type { Gradstats } from "../schemas/Gradstats.ts"
import { type VariantName, variants } from "../schemas/Names.ts"
import type { TopLevelSpec } from "./Render.ts"
import { panelSize, variantFacet, variantNames, variantScale } from "./Theme.ts"

/** One row per cell. A norm of 0 has no logarithm; its cell stays empty. */
const cellsOf = (stats: Gradstats) =>
  variants.flatMap((variant) => {
    const { layers, epochs, gradientNorm } = stats[variant]
    return layers.flatMap((layer, l) =>
      epochs.flatMap((epoch, e) => {
        const norm = gradientNorm[l]![e]!
        return norm > 0 ? [{ variant: variantNames[variant], layer, epoch, norm }] : []
      })
    )
  })

const layersOf = (stats: Gradstats): ReadonlyArray<string> => stats.lastEpoch.map((row) => row.layer)

/** Layers from top to bottom, epochs from left to right; one logarithmic colour scale for both panels. */
export const gradientHeatMaps = (stats: Gradstats): TopLevelSpec => {
  const epochs = Math.max(stats.bn.epochs.length, stats.nobn.epochs.length)
  const cell = Math.max(12, Math.min(28, Math.floor(380 / epochs)))
  const { minimum, maximum } = stats.scale
  return {
    data: { values: cellsOf(stats) },
    facet: variantFacet,
    spec: {
      width: cell * epochs,
      // a whole number of pixels per row, or rows blur
      height: 26 * layersOf(stats).length,
      mark: { type: "rect" },
      encoding: {
        x: { field: "epoch", type: "ordinal", title: "epoch", axis: { labelAngle: 0, labelOverlap: true } },
        y: { field: "layer", type: "nominal", title: null, sort: layersOf(stats) as Array<string> },
        color: {
          field: "norm",
          type: "quantitative",
          title: "gradient norm (log scale, the same for both)",
          scale: { type: "log", scheme: "viridis", domain: [minimum, Math.max(maximum, minimum * 1.0001)] },
          legend: { orient: "bottom", gradientLength: 260, titleLimit: 400, format: ".2~g" }
        }
      }
    }
  }
}

/** Norm by layer, one thin line per epoch, the last one thick: whether it falls or rises towards the input. */
export const gradientProfiles = (stats: Gradstats): TopLevelSpec => {
  const encoding = {
    x: {
      field: "layer",
      type: "nominal",
      title: null,
      sort: layersOf(stats) as Array<string>,
      axis: { labelAngle: 0 }
    },
    y: {
      field: "norm",
      type: "quantitative",
      title: "gradient norm",
      scale: { type: "log", nice: false },
      axis: { format: ".2~g", tickCount: 5 }
    },
    color: { field: "variant", type: "nominal", scale: variantScale, legend: null }
  } as const
  const last = (variant: VariantName): number => stats[variant].epochs[stats[variant].epochs.length - 1] ?? 0
  const isLast = variants
    .map((variant) => `(datum.variant === '${variantNames[variant]}' && datum.epoch === ${last(variant)})`)
    .join(" || ")
  return {
    data: { values: cellsOf(stats) },
    facet: variantFacet,
    spec: {
      ...panelSize,
      layer: [
        {
          mark: { type: "line", strokeWidth: 1 },
          encoding: {
            ...encoding,
            detail: { field: "epoch" },
            opacity: { field: "epoch", type: "quantitative", scale: { range: [0.12, 0.55] }, legend: null }
          }
        },
        {
          transform: [{ filter: isLast }],
          mark: { type: "line", strokeWidth: 2.5, point: { size: 40, filled: true } },
          encoding
        }
      ]
    }
  }
}
