import { Pipeline } from "op-pipe"
import { Table } from "./artifacts.ts"
import { clean } from "./clean.ts"
import { draw } from "./draw.ts"
import { fit } from "./fit.ts"

const table = Pipeline.source({ name: "table", artifact: Table, path: "data.csv" })
const cleaned = Pipeline.step(clean, { inputs: { table: table.port } })
const fitted = Pipeline.step(fit, { inputs: { days: cleaned.out.days } })
const drawn = Pipeline.step(draw, { inputs: { days: cleaned.out.days, model: fitted.out.model } })

export default Pipeline.make({ name: "csv-to-chart", steps: [drawn], report: drawn.out.chart })
