/** Stages that are commands, sources that are files, and which steps a run is about. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { Artifact, Stage } from "../../core/index.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const pipeline = "test/fixtures/commands/pipeline.ts"
const beside = (name: string): string => path.join(path.dirname(pipeline), name)

beforeEach(() => {
  makeProject(root, "commands", { [beside("texts/a.txt")]: "hello big world\n", [beside("texts/b.txt")]: "again\n" })
})

const run = (...args: ReadonlyArray<string>) =>
  opPipe(["run", "--json", "--file", pipeline, "--store", "store", "--outputs", "outputs", ...args], {
    cwd: root,
    env: { SECRET: "of the user" }
  })
const executed = async (...args: ReadonlyArray<string>) => lastEvent(await run(...args)).executed
const report = (name: string): string => readFileSync(path.join(root, "outputs/sum/report", name), "utf8")

describe("a command", () => {
  it("reads its inputs, writes its outputs and sees nothing else of the user's", async () => {
    expect(await executed()).toEqual(["count@a", "count@b", "sum"])
    expect(report("sum.txt")).toBe("3+1=\n")
    expect(report("title.txt")).toBe("sum of words\nno secret\n")
    expect(readdirSync(path.join(root, "outputs/count@a"))).toEqual(["count.txt"])
    expect(await executed()).toEqual([])
  })

  it("runs again when its file, its text or its environment changes, and stops where nothing comes of it", async () => {
    await run()
    writeFileSync(path.join(root, "test/fixtures/commands/texts/a.txt"), "three other words\n")
    expect(await executed()).toEqual(["count@a"])
    expect(await executed("--set", "sum.env={}")).toEqual([])
    const finished = await run("--set", 'sum.env={"UNIT":"sheep"}')
    expect(lastEvent(finished).executed).toEqual(["sum"])
    expect(events(finished)).toContainEqual({
      type: "StepStarted",
      step: "sum",
      reasons: ['parameter env.UNIT: "words" -> "sheep"']
    })
    expect(report("title.txt")).toBe("sum of sheep\nno secret\n")
  })

  it("that fails is told with its exit code and last words, and what it left is not kept", async () => {
    const finished = await run(
      "--set",
      'count@b.command=echo 1 > "$words"; echo no such luck >&2; false; echo 2 > "$words"'
    )
    expect(finished.code).toBe(1)
    expect(lastEvent(finished)).toMatchObject({ executed: ["count@a"], failed: ["count@b"], skipped: ["sum"] })
    expect(finished.stdout).toContain("its command ended with exit code 1. Its last words:\\nno such luck")
    expect(await executed()).toEqual(["count@b", "sum"])
  })

  it("that leaves an output out is a failure", async () => {
    const finished = await run("--set", "count.command=true")
    expect(finished.stdout).toContain("output words: expected a file at count.txt, but found nothing")
    expect(lastEvent(finished).executed).toEqual([])
  })

  it("is refused when two of its names are one, or are none for a shell", () => {
    const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
    const make = (inputs: Record<string, typeof Text>) => () =>
      Stage.command({ name: "bad", command: "true", inputs, output: { out: Text } })
    expect(make({ out: Text })).toThrow(
      'bad: expected inputs, outputs, params, env, passEnv and secrets to be different names of shell variables, but found "out"'
    )
    expect(make({ "a-b": Text })).toThrow('but found "a-b"')
  })

  it("is refused when what it declares is no text", () => {
    const make = (declared: object) => () =>
      Stage.command({ name: "bad", command: "true", inputs: {}, output: {}, ...declared })
    expect(make({ command: 5 })).toThrow("bad: expected command to be a text, but found 5")
    expect(make({ env: { COUNT: 3 } })).toThrow("bad: expected COUNT to be a text, but found 3")
  })

  it("says which file a source lacks", async () => {
    const finished = await run("--data", "b=missing.txt")
    expect(finished.code).toBe(2)
    expect(finished.stderr).toContain("for b: expected a file, but found nothing there")
  })
})

describe("a part of the pipeline", () => {
  it("by --from is a step and what depends on it, by --until what leads to it, by both what lies between", async () => {
    expect(await executed("--until", "count@a")).toEqual(["count@a"])
    const finished = await run("--from", "count@a")
    expect(lastEvent(finished)).toMatchObject({ executed: ["count@b", "sum"], cached: ["count@a"] })
    expect(finished.stdout).toContain("count(a), sum and what they need: count(b)")
    expect(lastEvent(await run("--from", "count@b", "--until", "count"))).toMatchObject({ cached: ["count@b"] })
  })

  it("that is empty is bad usage", async () => {
    const finished = await run("--from", "sum", "--until", "count@a")
    expect(finished.code).toBe(2)
    expect(finished.stderr).toContain(
      "--from sum --until count@a: expected at least one step that is all of these, but found none"
    )
  })
})
