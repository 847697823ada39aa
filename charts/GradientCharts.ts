/** The charts of gradient statistics, which `gradstats` writes as files and the report shows. */
import type { Gradstats } from "../schemas/Gradstats.ts"
import { ratioCurves } from "./Curves.ts"
import { gradientHeatMaps, gradientProfiles } from "./Gradients.ts"
import { deadCurves, updateCurves } from "./Layers.ts"
import type { TopLevelSpec } from "./Render.ts"

export const gradientCharts = (stats: Gradstats) =>
  ({
    heatMaps: gradientHeatMaps(stats),
    profiles: gradientProfiles(stats),
    ratio: ratioCurves(stats),
    updates: updateCurves(stats),
    dead: deadCurves(stats)
  }) satisfies Readonly<Record<string, TopLevelSpec>>
