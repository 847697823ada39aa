import { Schema } from "effect"
import { Artifact } from "op-pipe"

export const Table = Artifact.text({ tag: "Table/v1", path: "data.csv" })

const Day = Schema.Struct({ ozone: Schema.Finite, temperature: Schema.Finite })
export const Days = Artifact.json({ tag: "Days/v1", path: "days.json", schema: Schema.Array(Day) })

const Line = Schema.Struct({ intercept: Schema.Finite, slope: Schema.Finite })
export const Model = Artifact.json({ tag: "Model/v1", path: "model.json", schema: Line })

export const Chart = Artifact.text({ tag: "Chart/v1", path: "chart.svg" })
