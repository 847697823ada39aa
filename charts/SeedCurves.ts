/** Curves over epochs of several seeds: the mean as a line, its bootstrap interval as a band, both networks on one axis. */

import { variants } from "../schemas/Names.ts"
import type { SeedMetric, Seeds } from "../schemas/Seeds.ts"
import { dashes, epochAxis } from "./Curves.ts"
import type { TopLevelSpec } from "./Render.ts"
import { curvesSize, variantColour, variantNames } from "./Theme.ts"

type Curves = Readonly<Record<string, SeedMetric>>

const rowsOf = (seeds: Seeds, curves: Curves) =>
  variants.flatMap((variant) =>
    Object.entries(curves).flatMap(([curve, metric]) =>
      (seeds[variant].curves.find((each) => each.metric === metric)?.epochs ?? []).map((point) => ({
        variant: variantNames[variant],
        curve,
        ...point
      }))
    )
  )

const panel = (seeds: Seeds, curves: Curves, title: string, scale: object): TopLevelSpec => ({
  data: { values: rowsOf(seeds, curves) },
  ...curvesSize,
  layer: [
    {
      mark: { type: "area", opacity: 0.18 },
      encoding: {
        x: epochAxis,
        y: { field: "low95", type: "quantitative", title, scale },
        y2: { field: "high95" },
        detail: { field: "curve" },
        color: variantColour
      }
    },
    {
      mark: { type: "line", strokeWidth: 1.5 },
      encoding: {
        x: epochAxis,
        y: { field: "mean", type: "quantitative" },
        color: variantColour,
        strokeDash: dashes(curves)
      }
    }
  ]
})

/** Train and validation loss; `title` names the loss. */
export const seedLossCurves = (seeds: Seeds, title: string): TopLevelSpec =>
  panel(seeds, { train: "trainLoss", validation: "validationLoss" }, title, { zero: true })

/** Train, validation and test accuracy. */
export const seedAccuracyCurves = (seeds: Seeds): TopLevelSpec =>
  panel(seeds, { train: "trainAccuracy", validation: "validationAccuracy", test: "testAccuracy" }, "accuracy", {
    domain: [0, 1]
  })
