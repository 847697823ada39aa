import { Pipeline } from "op-pipe"
import { fit, History, Points, Scores } from "./fit.ts"

const points = Pipeline.source({ name: "points", artifact: Points, path: "points.json" })

export default Pipeline.make({
  name: "sweep",
  steps: [Pipeline.step(fit, { inputs: { points: points.port } })],
  metrics: [Scores],
  plots: [History]
})
