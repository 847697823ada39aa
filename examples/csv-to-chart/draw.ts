import { Effect, Schema } from "effect"
import { Stage } from "op-pipe"
import { Chart, Days, Model } from "./artifacts.ts"

const [width, height] = [400, 300]
const across = (temperature: number) => ((temperature - 50) / 50) * width
const up = (ozone: number) => height - (ozone / 150) * height

/** The days as points, and the line through them. */
export const draw = Stage.make({
  name: "draw",
  source: import.meta.url,
  params: Schema.Struct({ color: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("#0072b2"))) }),
  inputs: { days: Days, model: Model },
  output: { chart: Chart },
  run: ({ params, inputs, output }) =>
    Effect.gen(function* () {
      const { intercept, slope } = yield* inputs.model.read
      const points = (yield* inputs.days.read).map(
        (day) => `<circle cx="${across(day.temperature)}" cy="${up(day.ozone)}" r="4" fill="${params.color}"/>`
      )
      const at = (temperature: number) => `${across(temperature)},${up(intercept + slope * temperature).toFixed(1)}`
      const line = `<polyline points="${at(50)} ${at(100)}" stroke="black" fill="none"/>`
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}">`
      yield* output.chart.write(`${svg}\n${[...points, line].join("\n")}\n</svg>\n`)
    })
})
