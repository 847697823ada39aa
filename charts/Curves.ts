/** Curves over epochs: losses, accuracies, and ratios of gradient norms, of both networks. */

import type { Gradstats } from "../schemas/Gradstats.ts"
import { type VariantName, variants } from "../schemas/Names.ts"
import type { History } from "../schemas/Train.ts"
import type { TopLevelSpec } from "./Render.ts"
import { curvesSize, variantColour, variantNames, variantScale } from "./Theme.ts"

type Histories = Readonly<Record<VariantName, History>>

export const epochAxis = {
  field: "epoch",
  type: "quantitative",
  title: "epoch",
  axis: { tickMinStep: 1, format: "d", grid: false }
} as const

/** Dashes that distinguish up to three curves of one colour. */
export const dashes = (curves: Readonly<Record<string, unknown>>) => ({
  field: "curve",
  type: "nominal" as const,
  title: null,
  sort: null,
  scale: {
    domain: Object.keys(curves),
    range: [
      [1, 0],
      [5, 3],
      [1.5, 2.5]
    ].slice(0, Object.keys(curves).length)
  },
  legend: { symbolStrokeColor: "currentColor", symbolType: "stroke" as const }
})

/** Long form: one row per epoch, variant and curve. */
const rowsOf = (histories: Histories, curves: Readonly<Record<string, keyof History["epochs"][number]>>) =>
  variants.flatMap((variant) =>
    histories[variant].epochs.flatMap((epoch) =>
      Object.entries(curves).map(([curve, key]) => ({
        variant: variantNames[variant],
        epoch: epoch.epoch,
        curve,
        value: epoch[key] as number
      }))
    )
  )

/** Both networks on one axis, by colour, with dashed curves; a line of the network's colour marks its best epoch. */
const panel = (
  histories: Histories,
  curves: Readonly<Record<string, keyof History["epochs"][number]>>,
  title: string,
  scale: object
): TopLevelSpec => ({
  data: { values: rowsOf(histories, curves) },
  ...curvesSize,
  layer: [
    {
      mark: { type: "line", point: { size: 18, filled: true } },
      encoding: {
        x: epochAxis,
        y: { field: "value", type: "quantitative", title, scale },
        color: variantColour,
        strokeDash: dashes(curves)
      }
    },
    {
      data: { values: variants.map((v) => ({ variant: variantNames[v], epoch: histories[v].bestEpoch })) },
      mark: { type: "rule", strokeDash: [2, 3], opacity: 0.8 },
      encoding: { x: { field: "epoch", type: "quantitative" }, color: variantColour }
    }
  ]
})

const lossTitles: Readonly<Record<History["loss"], string>> = {
  crossEntropy: "cross-entropy, nats",
  sparsemax: "sparsemax loss"
}

/** The title of the loss axis. */
export const lossTitle = ({ bn, nobn }: Histories): string =>
  bn.loss === nobn.loss ? lossTitles[bn.loss] : `loss (${lossTitles[bn.loss]}; ${lossTitles[nobn.loss]})`

/** Train and validation loss. */
export const lossCurves = (histories: Histories): TopLevelSpec =>
  panel(histories, { train: "trainLoss", validation: "validationLoss" }, lossTitle(histories), { zero: true })

/** Train, validation and test accuracy. */
export const accuracyCurves = (histories: Histories): TopLevelSpec =>
  panel(histories, { train: "trainAccuracy", validation: "validationAccuracy", test: "testAccuracy" }, "accuracy", {
    domain: [0, 1]
  })

const ratioTitle = "first layer's norm / last layer's"

/** Ratios of 0, which have no logarithm, and ratios to a norm of 0 are left out. */
const ratiosOf = (stats: Gradstats) =>
  (["nobn", "bn"] as const).flatMap((variant) =>
    stats[variant].firstOverLast.flatMap((value, e) =>
      value === null || value === 0 ? [] : [{ variant: variantNames[variant], epoch: stats[variant].epochs[e]!, value }]
    )
  )

/** Gradient norm of the first layer over that of the last, of both networks in one panel, on a logarithmic scale. */
export const ratioCurves = (stats: Gradstats): TopLevelSpec => ({
  data: { values: ratiosOf(stats) },
  width: 460,
  height: 220,
  layer: [
    {
      mark: { type: "rule", color: "currentColor", opacity: 0.4, strokeDash: [4, 4] },
      encoding: { y: { datum: 1 } }
    },
    {
      mark: { type: "line", point: { size: 18, filled: true } },
      encoding: {
        x: epochAxis,
        y: { field: "value", type: "quantitative", title: ratioTitle, scale: { type: "log" } },
        color: { field: "variant", type: "nominal", title: null, scale: variantScale }
      }
    }
  ]
})
