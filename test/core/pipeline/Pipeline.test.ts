/** Wrong wiring does not compile: each `@ts-expect-error` below is itself an error if the line compiles. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"

const Numbers = Artifact.json({ tag: "Numbers/v1", path: "numbers.json", schema: Schema.Array(Schema.Finite) })
const Names = Artifact.json({ tag: "Names/v1", path: "names.json", schema: Schema.Array(Schema.String) })
const Blob = Artifact.file({ tag: "Blob/v1", path: "blob.bin" })

const produce = Stage.make({
  name: "produce",
  source: import.meta.url,
  params: Schema.Struct({ count: Schema.Int }),
  inputs: {},
  output: { numbers: Numbers, names: Names, blob: Blob },
  run: ({ params, output }) =>
    Effect.gen(function* () {
      yield* output.numbers.write([params.count])
      // @ts-expect-error a string is no number
      yield* Effect.ignore(output.numbers.write(["1"]))
      // @ts-expect-error a file is written as bytes
      yield* Effect.ignore(output.blob.write("text"))
      // @ts-expect-error there is no such parameter
      void params.counts
    })
})

const consume = Stage.make({
  name: "consume",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { numbers: Numbers },
  output: { names: Names },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const numbers: ReadonlyArray<number> = yield* inputs.numbers.read
      yield* output.names.write(numbers.map(String))
    })
})

const first = Pipeline.step(produce, { inputs: {} })

it("wires ports of one tag and type", () => {
  const second = Pipeline.step(consume, { variant: "a", inputs: { numbers: first.out.numbers } })
  const id: "consume@a" = second.id
  expect(id).toBe("consume@a")
  const pipeline = Pipeline.make({
    name: "p",
    steps: [first, second],
    profiles: {
      tiny: { "consume@a": {} },
      // @ts-expect-error a parameter of the wrong type in a profile
      bad: { produce: { count: "many" } }
    }
  })
  expect(pipeline.steps.map((step) => step.id)).toEqual(["produce", "consume@a"])
})

it("rejects what does not fit", () => {
  // @ts-expect-error names are no numbers
  expect(() => Pipeline.step(consume, { inputs: { numbers: first.out.names } })).toThrow("but found json Names/v1")
  // @ts-expect-error a file is no document
  expect(() => Pipeline.step(consume, { inputs: { numbers: first.out.blob } })).toThrow("but found file")
  // @ts-expect-error the input is missing
  expect(() => Pipeline.step(consume, { inputs: {} })).toThrow("but found nothing")
  // @ts-expect-error there is no such output
  void first.out.figures
  // @ts-expect-error the parameter's type is another
  Pipeline.step(produce, { inputs: {}, params: { count: "3" } })
})

const chance = Stage.make({
  name: "chance",
  source: import.meta.url,
  params: Schema.Struct({ seed: Schema.Int }),
  inputs: { numbers: Numbers },
  output: { numbers: Numbers },
  run: ({ inputs, output }) => Effect.flatMap(inputs.numbers.read, output.numbers.write)
})

const collect = Stage.make({
  name: "collect",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { all: Artifact.many(Numbers) },
  output: { names: Names },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const all: ReadonlyArray<ReadonlyArray<number>> = yield* Effect.forEach(inputs.all, ({ read }) => read)
      // @ts-expect-error it is a list of readers, and no reader
      void inputs.all.path
      yield* output.names.write(all.map(String))
    })
})

it("wires many to what takes many, and nothing else to it", () => {
  const chances = Pipeline.step(chance, { inputs: { numbers: first.out.numbers }, perSeed: true })
  const collected = Pipeline.step(collect, { inputs: { all: Pipeline.furtherSeeds(chances.out.numbers) } })
  expect(Object.keys(collected.many)).toEqual(["all"])
  // @ts-expect-error one port is not many
  expect(() => Pipeline.step(collect, { inputs: { all: chances.out.numbers } })).toThrow("but found one")
  const names = Pipeline.furtherSeeds(first.out.names)
  // @ts-expect-error many of another type
  expect(() => Pipeline.step(collect, { inputs: { all: names } })).toThrow("but found json Names/v1")
  const numbers = Pipeline.furtherSeeds(chances.out.numbers)
  // @ts-expect-error many are no port
  expect(() => Pipeline.step(consume, { inputs: { numbers } })).toThrow("but found many")
  // @ts-expect-error a stage without a parameter `seed` has nothing to vary
  Pipeline.step(consume, { inputs: { numbers: first.out.numbers }, perSeed: true })
})
