/** A pipeline of one stage: the words of all texts in a folder. Run it with `npx op-pipe run --data FOLDER`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "op-pipe"

const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
const Words = Artifact.json({ tag: "Words/v1", path: "words.json", schema: Schema.Array(Schema.String) })

export const words = Stage.make({
  name: "words",
  source: import.meta.url,
  params: Schema.Struct({ minimum: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
  inputs: { texts: Texts },
  output: { words: Words },
  run: ({ params, inputs, output }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const names = yield* Effect.orDie(fs.readDirectory(inputs.texts.path))
      const texts = yield* Effect.forEach(names.sort(), (name) =>
        Effect.orDie(fs.readFileString(`${inputs.texts.path}/${name}`))
      )
      const all = texts.flatMap((text) => text.split(/\s+/))
      yield* output.words.write(all.filter((word) => word.length >= params.minimum))
    })
})

const texts = Pipeline.source({ name: "texts", artifact: Texts })

export default Pipeline.make({
  name: "words",
  steps: [Pipeline.step(words, { inputs: { texts: texts.port } })]
})
