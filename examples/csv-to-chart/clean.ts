import { Effect, Schema } from "effect"
import { Stage } from "op-pipe"
import { Days, Table } from "./artifacts.ts"

/** The days on which ozone was measured. */
export const clean = Stage.make({
  name: "clean",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { table: Table },
  output: { days: Days },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const [, ...rows] = (yield* inputs.table.read).trim().split("\n")
      const days = rows.map((row) => row.split(",")).filter(([ozone]) => ozone !== "NA")
      yield* output.days.write(
        days.map(([ozone, temperature]) => ({ ozone: Number(ozone), temperature: Number(temperature) }))
      )
    })
})
