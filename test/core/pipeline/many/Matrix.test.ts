/** A step for each combination of parameters: their ids, their values, what reads all of them, and what is refused. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../../../core/index.ts"
import { resolve } from "../../../../core/plan/Settings.ts"

const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Finite })
const Text = Artifact.text({ tag: "Text/v1", path: "text.txt" })
const train = Stage.make({
  name: "train",
  source: import.meta.url,
  params: Schema.Struct({ lr: Schema.Finite, kind: Schema.Literals(["a", "b"]), layers: Schema.Array(Schema.Int) }),
  inputs: { text: Text },
  output: { value: Value },
  run: ({ output }) => output.value.write(1)
})
const best = Stage.make({
  name: "best",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { all: Artifact.many(Value) },
  output: { value: Value },
  run: ({ output }) => output.value.write(1)
})
const { port: text } = Pipeline.source({ name: "text", artifact: Text, path: "text.txt" })
const over = { kind: ["b", "a"], lr: [0.1, 0.01] } as const
const trained = Pipeline.matrix(train, { over, inputs: { text }, params: { layers: [1] } })

it("has a step for each combination, in the order of the values, and one that reads all", async () => {
  const ids = ["b,lr=0.1", "b,lr=0.01", "a,lr=0.1", "a,lr=0.01"].map((each) => `train@kind=${each}`)
  expect(trained.steps.map(({ id }) => id)).toEqual(ids)
  const pipeline = Pipeline.make({ name: "p", steps: [Pipeline.step(best, { inputs: { all: trained.out.value } })] })
  expect(pipeline.steps.map(({ id }) => id)).toEqual([...ids, "best"])
  expect(Object.keys(pipeline.steps.at(-1)!.inputs)).toEqual(ids.map((id) => `all[${id.slice(6)}]`))
  const { steps } = await Effect.runPromise(
    resolve(pipeline, { set: ["train.layers=[2]", "train@kind=a,lr=0.1.lr=0.5"] })
  )
  expect(steps[ids[0]!]).toEqual({ kind: "b", lr: 0.1, layers: [2] })
  expect(steps[ids[2]!]).toEqual({ kind: "a", lr: 0.5, layers: [2] })
  expect(trained.at({ kind: "a", lr: 0.01 })).toBe(trained.steps[3])
})

it("refuses what has no values, the same twice, and what is no name", () => {
  const refused = (over: object): unknown => {
    try {
      return Pipeline.matrix(train, { over: over as { lr: [0.1] }, inputs: { text } })
    } catch (error) {
      return String(error)
    }
  }
  expect(refused({})).toContain("expected values of a parameter, but found none")
  expect(refused({ lr: [] })).toContain("expected values of lr, but found none")
  expect(refused({ lr: [0.1, 0.1] })).toContain("expected values that differ, but found lr=0.1 twice")
  expect(refused({ layers: [[1]] })).toContain("expected values of layers that are texts, numbers or truth values")
  expect(refused({ kind: ["x/y"] })).toContain("which has a slash")
  expect(() => trained.at({ kind: "a", lr: 7 })).toThrow("but found kind=a,lr=7")
})

it("does not compile for other parameters, values and inputs", () => {
  const wrong = (): void => {
    // @ts-expect-error no such parameter
    Pipeline.matrix(train, { over: { rate: [1] }, inputs: { text } })
    // @ts-expect-error a value of another type
    Pipeline.matrix(train, { over: { kind: ["c"] }, inputs: { text } })
    // @ts-expect-error the input is missing
    Pipeline.matrix(train, { over: { lr: [1] }, inputs: {} })
    // @ts-expect-error a parameter that the matrix has already
    Pipeline.matrix(train, { over: { lr: [1] }, inputs: { text }, params: { lr: 2 } })
    // @ts-expect-error not all parameters of the matrix
    trained.at({ lr: 0.1 })
  }
  expect(typeof wrong).toBe("function")
})
