/**
 * gradstats: gradient norms, update-to-weight ratios and dead ReLUs of both trainings by layer and epoch, as numbers and as charts.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ratioCurves } from "../charts/Curves.ts"
import { gradientHeatMaps, gradientProfiles } from "../charts/Gradients.ts"
import { deadCurves, updateCurves } from "../charts/Layers.ts"
import { makeRenderer, standalone, type TopLevelSpec } from "../charts/Render.ts"
import { Stage } from "../core/index.ts"
import {
  DeadUnits,
  GradientHeatMaps,
  GradientProfiles,
  GradientRatio,
  type Gradstats,
  GradstatsArtifact,
  GradstatsParams,
  UpdateRatios
} from "../schemas/Gradstats.ts"
import { HistoryArtifact } from "../schemas/Train.ts"
import { compareGradients } from "./lib/statistics/GradientStats.ts"

const failed = (cause: { readonly message: string }): Stage.StageFailure =>
  new Stage.StageFailure({ reason: cause.message })

const ratioRows = (stats: Gradstats) =>
  (["nobn", "bn"] as const).flatMap((variant) =>
    stats[variant].firstOverLast.flatMap((value, e) =>
      value === null || value === 0 ? [] : [{ variant, epoch: stats[variant].epochs[e]!, value }]
    )
  )

export const gradstats = Stage.make({
  name: "gradstats",
  source: import.meta.url,
  params: GradstatsParams,
  inputs: { bn: HistoryArtifact, nobn: HistoryArtifact },
  output: {
    summary: GradstatsArtifact,
    heatMaps: GradientHeatMaps,
    profiles: GradientProfiles,
    ratio: GradientRatio,
    updates: UpdateRatios,
    dead: DeadUnits
  },
  run: ({ params, inputs, output }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const stats = compareGradients(yield* inputs.bn.read, yield* inputs.nobn.read, params)
      yield* output.summary.write(stats)
      const renderer = yield* makeRenderer([])
      const draw = (spec: TopLevelSpec, path: string) =>
        renderer.svg(spec).pipe(
          Effect.flatMap((svg) => fs.writeFileString(path, standalone(svg))),
          Effect.mapError(failed)
        )
      yield* draw(gradientHeatMaps(stats), output.heatMaps.path)
      yield* draw(gradientProfiles(stats), output.profiles.path)
      yield* draw(ratioCurves(ratioRows(stats), "first layer's norm / last layer's"), output.ratio.path)
      yield* draw(updateCurves(stats), output.updates.path)
      yield* draw(deadCurves(stats), output.dead.path)
    })
})
