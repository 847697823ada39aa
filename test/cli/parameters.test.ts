/** Parameters of commands: settled as those of any stage, seen as variables, as a file, and in the words of a call. */
import { readFileSync } from "node:fs"
import * as path from "node:path"
import * as Schema from "effect/Schema"
import { beforeEach, describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const pipeline = "test/fixtures/parameters/pipeline.ts"

beforeEach(() => {
  makeProject(root, "parameters", { [path.join(path.dirname(pipeline), "text.txt")]: "hello big world\n" })
})

const run = (...args: ReadonlyArray<string>) =>
  opPipe(["run", "--json", "--file", pipeline, "--store", "store", "--outputs", "outputs", ...args], { cwd: root })
const output = (file: string): string => readFileSync(path.join(root, "outputs", file), "utf8")
const reasons = async (...args: ReadonlyArray<string>) =>
  Object.fromEntries(
    events(await run(...args)).flatMap((event) => (event.type === "StepStarted" ? [[event.step, event.reasons]] : []))
  )

describe("a command with parameters", () => {
  it.each(["auto", "off"])("sees scalars as variables, and all in a file (sandbox %s)", async (mode) => {
    expect(lastEvent(await run("--sandbox", mode, "--seeds", "2")).executed).toEqual([
      ...["train", "train@fast", "head", "train#2"]
    ])
    const params = { lr: 0.1, name: "a b", bias: true, limit: null, layers: [3, 2], seed: 7 }
    const [line, ...file] = output("train/told.txt").split("\n")
    expect(line).toBe("0.1 a b true [] none")
    expect(JSON.parse(file.join("\n"))).toEqual({ ...params, seed: 0 })
    expect(JSON.parse(output("train#2/told.txt").split("\n").slice(1).join("\n"))).toEqual({ ...params, seed: 1 })
    expect(output("head/told.txt")).toBe("hello$5 5")
  })

  it("runs again when one changes, by a profile, a step or --set, and says how", async () => {
    await run()
    expect(await reasons("--profile", "quick", "--set", "train.name=x y")).toEqual({
      train: ["parameter lr: 0.1 -> 0.5", 'parameter name: "a b" -> "x y"'],
      "train@fast": ['parameter name: "a b" -> "x y"'],
      head: ["parameter count: 5 -> 2"]
    })
    expect(output("train@fast/told.txt")).toMatch(/^1 x y true/u)
    expect(await reasons("--set", "head.env.LC=1")).toEqual({
      head: ["parameter count: 2 -> 5", 'parameter env.LC: absent -> "1"']
    })
    expect(await reasons()).toEqual({})
  })

  it("refuses a value or a name that does not fit", async () => {
    expect((await run("--set", "train.lr=fast")).stderr).toContain("train.lr")
    expect((await run("--set", "head.counts=1")).stderr).toContain('Did you mean "count"?')
    expect((await run("--set", "head.command=true")).stderr).toContain("one of the parameters count, args, env")
  })

  it("names the program that does not count, and a word that is none of its variables", async () => {
    await run()
    const why = await opPipe(["why", "head", "--file", pipeline, "--store", "store", "--outputs", "outputs"], {
      cwd: root
    })
    expect(why.stdout).toContain("programs that do not count: sh")
    const failed = await run("--set", 'head.args=["echo","$nothing"]')
    expect(failed.code).toBe(2)
    expect(failed.stdout).toContain("expected $nothing in its args to be a variable of the command")
  })
})

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const declare = (options: object) => () =>
  Stage.command({ name: "c", command: "true", inputs: { text: Text }, output: {}, ...options })

describe("a declaration", () => {
  it.each([
    ["a parameter called as an input", { params: Schema.Struct({ text: Schema.Int }) }, 'but found "text"'],
    ["a parameter that no shell takes", { params: Schema.Struct({ "l-r": Schema.Int }) }, 'but found "l-r"'],
    ["a parameter called as a variable of each command", { params: Schema.Struct({ HOME: Schema.Int }) }, "found HOME"],
    ["a parameter called as one of a shell", { params: Schema.Struct({ RANDOM: Schema.Int }) }, "found RANDOM"],
    ["a parameter called as a command's own", { params: Schema.Struct({ command: Schema.Int }) }, "found command"],
    ["parameters without names", { params: Schema.Int }, "expected params to be a Schema.Struct"],
    ["a text and words", { args: ["true"] }, "expected a command for the shell, or args for none, but found both"],
    ["neither", { command: undefined }, "but found neither"],
    ["no words", { command: undefined, args: [] }, "found no words"],
    [
      "words that are no texts",
      { command: undefined, args: ["head", 3] },
      "expected args[1] to be a text, but found 3"
    ],
    ["a word that names nothing", { command: undefined, args: ["cat", "$txt"] }, "(text), but found $txt. Write $$"],
    ["a secret in its words", { command: undefined, args: ["a", "${KEY}"], secrets: ["KEY"] }, "found the secret KEY"]
  ])("with %s is refused", (_what, options, problem) => {
    expect(declare(options)).toThrow(problem)
  })

  it("has its parameters typed", () => {
    const params = Schema.Struct({ lr: Schema.Finite })
    const train = Stage.command({ name: "train", args: ["a", "$lr"], params, inputs: {}, output: {} })
    expect(Pipeline.step(train, { inputs: {}, params: { lr: 1, env: { A: "b" } } }).id).toBe("train")
    // @ts-expect-error a parameter of another type
    Pipeline.step(train, { inputs: {}, params: { lr: "1" } })
    // @ts-expect-error no such parameter
    Pipeline.step(train, { inputs: {}, params: { rl: 1 } })
    // @ts-expect-error it has no seed
    Pipeline.step(train, { inputs: {}, perSeed: true })
    // @ts-expect-error a command for the shell, or args for none
    expect(() => Stage.command({ name: "c", command: "true", args: ["a"], inputs: {}, output: {} })).toThrow("both")
    const steps = [Pipeline.step(train, { inputs: {} })] as const
    // @ts-expect-error a parameter of another type in a profile
    Pipeline.make({ name: "p", steps, profiles: { a: { train: { lr: "1" } } } })
  })
})
