import { Effect, Schema } from "effect"
import { Artifact, Stage } from "op-pipe"

const Point = Schema.Tuple([Schema.Finite, Schema.Finite])
export const Points = Artifact.json({ tag: "Points/v1", path: "points.json", schema: Schema.Array(Point) })

export const Scores = Artifact.json({
  tag: "Scores/v1",
  path: "scores.json",
  schema: Schema.Struct({ train: Schema.Finite, validation: Schema.Finite })
})
const Epoch = Schema.Struct({ epoch: Schema.Int, train: Schema.Finite, validation: Schema.Finite })
export const History = Artifact.json({ tag: "History/v1", path: "history.json", schema: Schema.Array(Epoch) })

/** A polynomial through every other point, by gradient descent; the points in between say how well it fits. */
export const fit = Stage.make({
  name: "fit",
  source: import.meta.url,
  params: Schema.Struct({
    degree: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
    rate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.1)))
  }),
  inputs: { points: Points },
  output: { scores: Scores, history: History },
  run: ({ params, inputs, output }) =>
    Effect.gen(function* () {
      const points = yield* inputs.points.read
      const [train, validation] = [points.filter((_, at) => at % 2 === 0), points.filter((_, at) => at % 2 === 1)]
      const weights = Array.from({ length: params.degree + 1 }, () => 0)
      const at = (x: number) => weights.reduce((sum, weight, power) => sum + weight * x ** power, 0)
      const errorOf = (some: typeof points) => some.reduce((sum, [x, y]) => sum + (at(x) - y) ** 2, 0) / some.length
      const history = Array.from({ length: 60 }, (_, epoch) => {
        const slopes = weights.map(
          (_, power) => train.reduce((sum, [x, y]) => sum + 2 * (at(x) - y) * x ** power, 0) / train.length
        )
        for (const [power, slope] of slopes.entries()) weights[power]! -= params.rate * slope
        return { epoch: epoch + 1, train: errorOf(train), validation: errorOf(validation) }
      })
      yield* output.history.write(history)
      yield* output.scores.write({ train: errorOf(train), validation: errorOf(validation) })
    })
})
