/** What a setting or name that does not fit is answered with. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"
import { resolve, resolveSteps } from "../../../core/plan/Settings.ts"
import { SettingsError, unknownName } from "../../../core/plan/SettingsError.ts"
import letters from "../../fixtures/letters/pipeline.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const fields = {
  epochs: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 99 })),
  rate: Schema.Finite,
  nested: Schema.Struct({ mode: Schema.Literals(["fast", "slow"]), on: Schema.Boolean })
}
const given = { epochs: 1, rate: 0.5, nested: { mode: "fast", on: true } } as const
const train = Stage.make({
  name: "train",
  source: import.meta.url,
  params: Schema.Struct(fields),
  inputs: {},
  output: { text: Text },
  run: () => Effect.void
})
const training = Pipeline.make({ name: "p", steps: [Pipeline.step(train, { inputs: {}, params: given })] })

const message = (pipeline: Pipeline.Pipeline, asked: Parameters<typeof resolve>[1]): Promise<string> =>
  Effect.runPromise(Effect.flip(resolve(pipeline, asked))).then((error) => error.message)

it.each([
  ["train.epochs=three", 'train.epochs: expected a number, but found "three"'],
  ["train.epochs=1.5", "train.epochs: expected an integer, but found 1.5"],
  ["train.epochs=100", "train.epochs: expected a value between 1 and 99, but found 100"],
  ["train.nested.mode=medium", 'train.nested.mode: expected "fast" or "slow", but found "medium"'],
  ["train.nested.on=yes", 'train.nested.on: expected true or false, but found "yes"'],
  [
    "train.nested={}",
    "train.nested.mode: expected a value, but found none; train.nested.on: expected a value, but found none"
  ],
  [
    "train.epoch=3",
    'train.epoch: expected one of the parameters epochs, rate, nested, but found "epoch". Did you mean "epochs"?'
  ],
  [
    "trian.epochs=3",
    '--set trian.epochs=3: expected one of the names before the first dot train, but found "trian". Did you mean "train"?'
  ],
  ["train=3", '--set train=3: expected step.parameter=value, but found "train=3"']
])("--set %s", async (set, expected) => {
  expect(await message(training, { set: [set] })).toBe(expected)
})

it.each([
  ["Infinity", Number.POSITIVE_INFINITY, "Infinity"],
  ["a date", new Date(0), "an instance of Date"],
  ["a bigint", 5n, "a bigint"]
])("a value that JSON cannot write: %s", async (_what, rate, found) => {
  // a program in JavaScript can give any
  const params = { ...given, rate: rate as number }
  const pipeline = Pipeline.make({ name: "p", steps: [Pipeline.step(train, { inputs: {}, params })] })
  expect(await message(pipeline, {})).toMatch(
    new RegExp(`^train\\.rate: expected a (finite )?number, but found ${found}$`)
  )
})

it("--set of a parameter that nothing else gives", async () => {
  const of = Pipeline.make({
    name: "p",
    steps: [Pipeline.step(train, { inputs: {}, params: { rate: given.rate, nested: given.nested } as typeof given })]
  })
  expect(await message(of, { set: ["train.epochs=1.5"] })).toBe("train.epochs: expected an integer, but found 1.5")
  expect(await message(of, { set: ["train.epochs=x"] })).toBe('train.epochs: expected a number, but found "x"')
})

it("a profile", async () => {
  expect(await message(letters, { profile: "lnog" })).toBe(
    '--profile lnog: expected one of the profiles long, all, but found "lnog". Did you mean "long"?'
  )
  expect(await message(letters, { profile: "wide" })).toMatch(/but found "wide"$/)
  expect(await message(training, { profile: "quick" })).toBe(
    '--profile quick: expected none, since the pipeline has no profiles, but found "quick"'
  )
})

it("a step", async () => {
  const error = await Effect.runPromise(Effect.flip(resolveSteps(letters, "--only", ["cuont(words)"])))
  expect(error.message).toContain('found "cuont@words". Did you mean "count@words"?')
})

describe("a step whose name holds dots or equals signs", () => {
  const Out = Artifact.file({ tag: "Out/v1", path: "out.txt" })
  const command = Stage.command({
    name: "train",
    command: 'echo > "$out"',
    inputs: {},
    output: { out: Out },
    env: { lr: "0" }
  })
  const steps = ["lr0.1", "lr0.12", "v1.2.3", "lr=0.1"].map((variant) =>
    Pipeline.step(command, { variant, inputs: {} })
  )
  const pipeline = Pipeline.make({ name: "p", steps })

  it.each([
    ["train@lr0.1.env.lr=0.5", "train@lr0.1"],
    ["train(lr0.12).env.lr=0.5", "train@lr0.12"],
    ["train@v1.2.3.env.lr=0.5", "train@v1.2.3"],
    ["train@lr=0.1.env.lr=0.5", "train@lr=0.1"],
    ["train(lr=0.1).env.lr=0.5", "train@lr=0.1"]
  ])("is set by %s", async (set, step) => {
    const settings = await Effect.runPromise(resolve(pipeline, { set: [set] }))
    expect(settings.steps[step]).toMatchObject({ env: { lr: "0.5" } })
    expect(Object.values(settings.steps).filter((each) => (each["env"] as { lr: string }).lr === "0.5")).toHaveLength(1)
  })
})

describe("parameters without defaults", () => {
  const required = Pipeline.make({ name: "p", steps: [Pipeline.step(train, { inputs: {} })] })
  const settled = (...set: ReadonlyArray<string>) =>
    Effect.runPromise(resolve(required, { set })).then(({ steps }) => steps["train"])

  it("can all be given by --set, each as its own schema reads it", async () => {
    const set = ["train.rate=0.5", "train.nested.mode=slow", "train.epochs=7", "train.nested.on=true"]
    expect(await settled(...set)).toEqual({ epochs: 7, rate: 0.5, nested: { mode: "slow", on: true } })
    expect(await settled(...set, "train.rate=2")).toMatchObject({ rate: 2 })
  })

  it("are asked for by name when they are not", async () => {
    expect(await message(required, { set: ["train.rate=0.5", 'train.nested={"mode":"fast","on":true}'] })).toBe(
      "train.epochs: expected a value, but found none"
    )
  })
})

it("shows nothing as what it is", () => {
  expect(unknownName("--only ", "steps", ["abc"], "").message).toBe(
    '--only "": expected one of the steps abc, but found ""'
  )
  expect(new SettingsError({ asked: "--set ", expected: "step.parameter=value", actual: "" }).message).toBe(
    '--set "": expected step.parameter=value, but found ""'
  )
})

it("shows the beginning of what is too long to read", () => {
  const text = "a".repeat(100_000)
  const { message } = unknownName(`--only ${text}`, "steps", ["b"], text)
  const shown = `${"a".repeat(60)}... (100000 characters)`
  expect(message).toContain(`--only ${shown}: expected one of the steps b, but found`)
  expect(message.length).toBeLessThan(300)
  const path = `/${"p/".repeat(2000)}`
  expect(unknownName(`--file ${path}`, "steps", ["b"], path).message).toContain(`--file ${path}: `)
})
