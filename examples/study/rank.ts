import { Effect, Schema } from "effect"
import { Artifact, Stage } from "op-pipe"
import { HistoryArtifact } from "op-pipe-study/schemas/Train"

const Place = Schema.Struct({ network: Schema.String, epoch: Schema.Int, validationAccuracy: Schema.Finite })
export const Ranking = Artifact.json({ tag: "Ranking/v1", path: "ranking.json", schema: Schema.Array(Place) })

/** The networks by their best epoch, whatever there are. */
export const rank = Stage.make({
  name: "rank",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { histories: Artifact.many(HistoryArtifact) },
  output: { ranking: Ranking },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const places = yield* Effect.forEach(inputs.histories, ({ name, read }) =>
        Effect.map(read, ({ bestEpoch, epochs }) => {
          const { validationAccuracy } = epochs.find(({ epoch }) => epoch === bestEpoch)!
          return { network: name, epoch: bestEpoch, validationAccuracy }
        })
      )
      yield* output.ranking.write(places.sort((a, b) => b.validationAccuracy - a.validationAccuracy))
    })
})
