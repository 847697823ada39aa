/**
 * gradstats: gradient norms, update-to-weight ratios and dead ReLUs of both trainings by layer and epoch, as numbers and as charts.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { gradientCharts } from "../charts/GradientCharts.ts"
import { makeRenderer, standalone, type TopLevelSpec } from "../charts/Render.ts"
import { Stage } from "../core/index.ts"
import {
  DeadUnits,
  GradientHeatMaps,
  GradientProfiles,
  GradientRatio,
  GradstatsArtifact,
  GradstatsParams,
  UpdateRatios
} from "../schemas/Gradstats.ts"
import { HistoryArtifact } from "../schemas/Train.ts"
import { toFailure } from "./lib/Failure.ts"
import { compareGradients } from "./lib/statistics/GradientStats.ts"

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
          Effect.mapError(toFailure)
        )
      const charts = gradientCharts(stats)
      yield* draw(charts.heatMaps, output.heatMaps.path)
      yield* draw(charts.profiles, output.profiles.path)
      yield* draw(charts.ratio, output.ratio.path)
      yield* draw(charts.updates, output.updates.path)
      yield* draw(charts.dead, output.dead.path)
    })
})
