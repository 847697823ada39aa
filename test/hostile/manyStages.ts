/** Stages for random pipelines of many; what each gives is a function of its inputs, which the model computes too. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "../../core/index.ts"
import * as values from "./manyValues.ts"

export const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
export const Words = Artifact.folder({ tag: "Words/v1", path: "words" })
export const Word = Artifact.text({ tag: "Word/v1", path: "word.txt" })
export const Item = Artifact.json({ tag: "Item/v1", path: "item.json", schema: values.Item })
export const List = Artifact.json({ tag: "List/v1", path: "list.json", schema: Schema.Array(values.Item) })
const Mark = Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("")))
const params = Schema.Struct({ mark: Mark, name: Mark })

const given = <A>(value: A | undefined) =>
  value === undefined ? Effect.fail(new Stage.StageFailure({ reason: "a bad word" })) : Effect.succeed(value)

export const spread = Stage.make({
  name: "spread",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { texts: Texts },
  output: { words: Words, list: List },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      // in the process of the test nothing hides what the source ignores
      const names = (yield* Effect.orDie(fs.readDirectory(inputs.texts.path))).filter((name) => !name.endsWith(".skip"))
      const texts = yield* Effect.forEach(names, (name) =>
        Effect.orDie(fs.readFileString(`${inputs.texts.path}/${name}`))
      )
      const items = values.spread(Object.fromEntries(names.map((name, at) => [name, texts[at]!])))
      for (const { name, word } of items)
        yield* Effect.orDie(fs.writeFileString(`${output.words.path}/${name}.txt`, word))
      yield* output.list.write(items)
    })
})

export const turn = Stage.make({
  name: "turn",
  source: import.meta.url,
  params,
  inputs: { word: Word },
  output: { word: Word },
  run: ({ params, inputs, output }) =>
    Effect.flatMap(inputs.word.read, (word) => Effect.flatMap(given(values.turn(params, word)), output.word.write))
})

export const unpack = Stage.make({
  name: "unpack",
  source: import.meta.url,
  params,
  inputs: { item: Item },
  output: { word: Word },
  run: ({ params, inputs, output }) =>
    Effect.flatMap(inputs.item.read, ({ word }) => Effect.flatMap(given(values.turn(params, word)), output.word.write))
})

export const pair = Stage.make({
  name: "pair",
  source: import.meta.url,
  params,
  inputs: { a: Word, b: Word },
  output: { word: Word },
  run: ({ params, inputs, output }) =>
    Effect.gen(function* () {
      const [a, b] = [yield* inputs.a.read, yield* inputs.b.read]
      yield* output.word.write(yield* given(values.turn(params, `${a}${b}`)))
    })
})

export const gather = Stage.make({
  name: "gather",
  source: import.meta.url,
  params,
  inputs: { words: Artifact.many(Word) },
  output: { word: Word },
  run: ({ params, inputs, output }) =>
    Effect.gen(function* () {
      const words = yield* Effect.forEach(inputs.words, ({ name, read }) =>
        Effect.map(read, (word) => [name, word] as const)
      )
      yield* output.word.write(values.gather(params, words))
    })
})
