import { Effect, Schema } from "effect"
import { Stage } from "op-pipe"
import { Days, Model } from "./artifacts.ts"

/** The line of least squares. */
export const fit = Stage.make({
  name: "fit",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { days: Days },
  output: { model: Model },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const days = yield* inputs.days.read
      const mean = (of: (day: (typeof days)[number]) => number) =>
        days.reduce((sum, day) => sum + of(day), 0) / days.length
      const [x, y] = [mean(({ temperature }) => temperature), mean(({ ozone }) => ozone)]
      const slope =
        mean((day) => (day.temperature - x) * (day.ozone - y)) / mean(({ temperature }) => (temperature - x) ** 2)
      yield* output.model.write({ slope, intercept: y - slope * x })
    })
})
