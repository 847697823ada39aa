/**
 * gradstats: gradient norms, update-to-weight ratios and dead ReLUs of both trainings by layer and epoch, as numbers and as charts.
 */
import * as Effect from "effect/Effect"
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
import { utf8 } from "./lib/Utf8.ts"

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
      const stats = compareGradients(yield* inputs.bn.read, yield* inputs.nobn.read, params)
      yield* output.summary.write(stats)
      const renderer = yield* makeRenderer([])
      const draw = (spec: TopLevelSpec) =>
        renderer.svg(spec).pipe(
          Effect.map((svg) => utf8(standalone(svg, "light"))),
          Effect.mapError(toFailure)
        )
      const { heatMaps, profiles, ratio, updates, dead } = gradientCharts(stats)
      yield* output.heatMaps.write(yield* draw(heatMaps))
      yield* output.profiles.write(yield* draw(profiles))
      yield* output.ratio.write(yield* draw(ratio))
      yield* output.updates.write(yield* draw(updates))
      yield* output.dead.write(yield* draw(dead))
    })
})
