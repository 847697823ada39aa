/** Declarations that cannot work are refused where they are made. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage, Toolchain } from "../../../core/index.ts"

const Out = Artifact.file({ tag: "Out/v1", path: "out.txt" })
const tool = Toolchain.make({
  name: "tool",
  params: Schema.Struct({}),
  identity: Schema.Struct({}),
  identify: () => Effect.succeed({}),
  cores: () => 1
})
const stage = (name: string) =>
  Stage.make({
    name,
    source: import.meta.url,
    params: Schema.Struct({}),
    inputs: {},
    output: { out: Out },
    toolchain: { tool },
    run: () => Effect.void
  })
const a = stage("a")
const step = Pipeline.step(a, { inputs: {} })
const other = Pipeline.step(a, { variant: "b", inputs: {} })
const read = (name: string) =>
  Pipeline.step(Stage.command({ name: "read", command: ":", inputs: { text: Out }, output: { out: Out } }), {
    inputs: { text: Pipeline.source({ name, artifact: Out }).port }
  })

describe("a name", () => {
  it.each([
    ["", "an empty one"],
    [".a", "begins with a dot"],
    ["a/b", "a slash"],
    ["a\\b", "a slash"],
    ["a\u0007", "a control character"],
    ["\ud83d", "a control character"],
    ["é".repeat(101), "one of 202 bytes"],
    ["a@b", "without @"],
    ["a=b", "without @"],
    ["a(b)", "without @"]
  ])("%j of a stage or a source is refused", (name, problem) => {
    expect(() => Pipeline.step(stage(name), { inputs: {} })).toThrow(problem)
    expect(() => Pipeline.source({ name, artifact: Out })).toThrow(problem)
  })

  it.each(["a", "lr0.1", "lr=0.1", "a b", "名前", "a-b_c"])("%j of a variant is taken", (variant) => {
    expect(Pipeline.step(a, { variant, inputs: {} }).id).toBe(`a@${variant}`)
  })

  it.each(["a#2", "a(b)", "a/b"])("%j of a variant is refused", (variant) => {
    expect(() => Pipeline.step(a, { variant, inputs: {} })).toThrow(/variant of a: expected a name/)
  })
})

/** dvc, Bazel and Snakemake refuse overlapping outputs, too. */
const placing = (one: string, two: string) => {
  const output = { a: Artifact.folder({ tag: "A/v1", path: one }), b: Artifact.folder({ tag: "B/v1", path: two }) }
  return Pipeline.step(Stage.command({ name: "two", command: ":", inputs: {}, output }), { inputs: {} })
}

describe("a pipeline", () => {
  it.each([
    ["two steps of one id", { steps: [step, Pipeline.step(a, { inputs: {} })] }, "two steps are called a"],
    [
      "two stages of one name",
      { steps: [step, Pipeline.step(stage("a"), { variant: "c", inputs: {} })] },
      "are called"
    ],
    ["a source called as a step", { steps: [step, read("a")] }, "two things called a"],
    ["a profile that names nothing", { steps: [step], profiles: { x: { b: {} } } }, `profile x: expected one of a`],
    ["a default profile that is none", { steps: [step], defaultProfile: "x" }, `defaultProfile: expected one of none`],
    ["a flag that sets nothing", { steps: [step], flags: { f: { sets: "b.c", description: "" } } }, `flag f: expected`],
    [
      "a flag without a parameter",
      { steps: [step], flags: { f: { sets: "a.", description: "" } } },
      `flag f: expected`
    ],
    ["outputs within each other", { steps: [placing("model", "model/weights.bin")] }, "overlap"],
    ["two outputs of one path", { steps: [placing("o.txt", "./o.txt")] }, "overlap"],
    ["an output of which all others are part", { steps: [placing("o.txt", ".")] }, "overlap"],
    ["an output outside its folder", { steps: [placing("../a", "b")] }, "within the step's folder"],
    ["an output by an absolute path", { steps: [placing("/tmp/a", "b")] }, "within the step's folder"],
    ["seeds that are none", { steps: [step], seeds: 0 }, "expected seeds"]
  ])("with %s is refused", (_what, options, problem) => {
    expect(() => Pipeline.make({ name: "p", ...options } as Parameters<typeof Pipeline.make>[0])).toThrow(problem)
  })

  it("may have outputs whose paths begin alike", () => {
    const steps = [placing("model", "model-2")]
    expect(Pipeline.make({ name: "p", steps }).steps).toHaveLength(1)
  })

  it("names stages, steps, sources and toolchains in profiles and flags", () => {
    const profiles = { x: { a: {}, "a@b": {}, texts: {}, tool: {} } }
    const flags = { f: { sets: "tool.edge", description: "" }, g: { sets: "a@b.c.d", description: "" } }
    const steps = [step, other, read("texts")]
    expect(Pipeline.make({ name: "p", steps, profiles, flags, defaultProfile: "x" }).steps).toHaveLength(3)
  })
})
