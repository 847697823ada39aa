/** One step's trouble is told as its own: what it leaves to fail by itself, what it gives back, what others are made from. */
import { writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { events, type Finished, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const base = temporaryFolder()
const projectOf = (name: string, files: Readonly<Record<string, string>>): string => {
  const root = path.join(base, name)
  makeProject(root, undefined, files)
  return root
}

describe("a stage that goes wrong beside its work", () => {
  const pipeline = `
import * as vm from "node:vm"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.text({ tag: "Text/v1", path: "o.txt" })
const stage = (name, source, run) => Stage.make({ name, source, params: Schema.Struct({}), inputs: {}, output: { o: Text }, run })
const beside = (act) => ({ output }) =>
  Effect.sync(act).pipe(Effect.andThen(Effect.sleep("5 seconds")), Effect.andThen(output.o.write("done")))
export const rejecting = stage("rejecting", import.meta.url, beside(() => { setTimeout(() => Promise.reject(new Error("late")), 1) }))
export const throwing = stage("throwing", import.meta.url, beside(() => { setTimeout(() => { throw new Error("later") }, 1) }))
export const promising = stage("promising", import.meta.url, async () => { throw new Error("never told") })
export const idle = stage("idle", import.meta.url, () => "text")
export const distant = stage("distant", import.meta.url, () => Effect.promise(() => vm.runInThisContext("import('./no-such.ts')", { importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER })))
const steps = [rejecting, throwing, promising, idle, distant].map((each) => Pipeline.step(each, { inputs: {} }))
export default Pipeline.make({ name: "beside", steps })
`
  let finished: Finished
  beforeAll(async () => {
    finished = await opPipe(["run", "--keep-going"], { cwd: projectOf("beside", { "pipeline.ts": pipeline }) })
  })

  it.each([
    ["rejecting", /^✗ rejecting {2}it threw Error: late\n\s+at [^\n]*pipeline\.ts:10:\d+/mu],
    ["throwing", /^✗ throwing {2}it threw Error: later\n\s+at [^\n]*pipeline\.ts:11:\d+/mu],
    ["distant", /^✗ distant {2}it threw Error: Cannot find module[^\n]*no-such[^\n]*$/mu],
    ["promising", /^✗ promising {2}.*expected an Effect, but found a Promise\)\. Return Effect\.promise/mu],
    ["idle", /^✗ idle {2}.*expected an Effect, but found 'text'\)\. Return Effect\.promise/mu]
  ])("fails in its own words (%s)", (_, says) => {
    expect(finished.stdout).toMatch(says)
    expect(finished.code).toBe(1)
    expect(finished.stdout).not.toMatch(/node:internal|program\.js|never told|bug/u)
  })
})

describe("a step that is not asked for", () => {
  const pipeline = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "o.txt" })
const source = (name: string) => Pipeline.source({ name, artifact: Text, path: name + ".txt" })
const step = (name: string, programs: ReadonlyArray<string> = []) =>
  Pipeline.step(
    Stage.command({ name, command: 'cat "$of" > "$o"', inputs: { of: Text }, output: { o: Text }, programs }),
    { inputs: { of: source("of-" + name).port } }
  )
export default Pipeline.make({ name: "some", steps: [step("good"), step("absent"), step("poor", ["no-such-program"])] })
`
  it.each(["--only", "--until"])("does not stand in the way of others (%s)", async (flag) => {
    const files = { "pipeline.ts": pipeline, "of-good.txt": "good", "of-poor.txt": "poor" }
    const cwd = projectOf("asked", files)
    const asked = await opPipe(["run", flag, "good"], { cwd })
    expect(asked.stderr).toBe("")
    expect(asked.code, asked.stdout).toBe(0)
    const all = await opPipe(["run"], { cwd })
    expect(all).toMatchObject({ code: 2, stdout: "" })
    expect(all.stderr).toContain("of-absent.txt for of-absent: expected a file, but found nothing there")
    // a run that is to go on with the others does, and a question is about each step
    const lacks =
      /of-absent\.txt for of-absent: expected a file, but found nothing there\. Put it there, or name another/u
    const others = await opPipe(["run", "--keep-going", "--json", "--force", "good"], { cwd })
    expect(others.code, others.stderr).toBe(2)
    expect(lastEvent(others)).toMatchObject({ executed: ["good"], failed: ["absent", "poor"] })
    const noProgram =
      /poor: expected the program "no-such-program" on PATH, since the stage names it, but found none in .*\. Install it/u
    expect(events(others).filter((event) => event.type === "StepFailed")).toMatchObject([
      { step: "absent", reason: expect.stringMatching(lacks) },
      { step: "poor", reason: expect.stringMatching(noProgram) }
    ])
    for (const question of [["status"], ["why", "good"], ["dag", "--status"]]) {
      const told = await opPipe(question, { cwd })
      expect(told.code, told.stderr).toBe(0)
      if (question[0] !== "status") continue
      expect(told.stdout).toMatch(lacks)
      expect(told.stdout).toMatch(noProgram)
    }
    const poor = await opPipe(["run", flag, "poor"], { cwd })
    expect(poor).toMatchObject({ code: 2, stdout: "" })
    expect(poor.stderr).toContain("no-such-program")
  })
})

describe("what a step is made of", () => {
  const pipeline = `
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const output = { o: Artifact.text({ tag: "Text/v1", path: "o.txt" }) }
const params = Schema.Struct({})
const source = new URL("lost.ts", import.meta.url).href
const lost = Stage.make({ name: "lost", source, params, inputs: {}, output, run: () => { throw new Error() } })
const gone = Stage.python({ name: "gone", source: "gone.py", inputs: {}, output })
const here = Stage.python({ name: "here", source: "here.py", inputs: {}, output })
const good = Stage.command({ name: "good", command: 'echo good > "$o"', inputs: {}, output, programs: [] })
export default Pipeline.make({ name: "made", steps: [lost, gone, here, good].map((each) => Pipeline.step(each, { inputs: {} })) })
`
  it("does not stand in the way of others", async () => {
    const script = 'from op_pipe import ctx\nopen(ctx.outputs["o"], "w").write("here")\n'
    const cwd = projectOf("made of", { "pipeline.ts": pipeline, "here.py": script })
    const finished = await opPipe(["run", "--keep-going", "--json"], { cwd })
    expect(lastEvent(finished)).toMatchObject({ executed: ["here", "good"], failed: ["lost", "gone"] })
    expect(events(finished).filter((event) => event.type === "StepFailed")).toMatchObject([
      { step: "lost", reason: expect.stringContaining("lost.ts") },
      { step: "gone", reason: expect.stringContaining("expected a Python file in") }
    ])
    expect(await opPipe(["why", "good"], { cwd })).toMatchObject({ code: 0 })
    // no key without the program, which an earlier result may have, is taken for the step's
    writeFileSync(path.join(cwd, "pipeline.ts"), pipeline.replace("programs: []", 'programs: ["no-such-program"]'))
    const without = await opPipe(["run", "--only", "good", "--keep-going", "--json"], { cwd })
    expect(lastEvent(without)).toMatchObject({ executed: [], cached: [], failed: ["good"] })
  })
})

describe("a pipeline that ends the process", () => {
  const later = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const output = { o: Artifact.file({ tag: "Text/v1", path: "o.txt" }) }
const slow = Stage.command({ name: "slow", command: "sleep 5", inputs: {}, output })
setTimeout(() => process.exit(0), 0)
export default Pipeline.make({ name: "later", steps: [Pipeline.step(slow, { inputs: {} })] })
`
  it.each([
    ["while it is loaded", "process.exit(0)"],
    ["later", later]
  ])("is told so, instead of an end without a word (%s)", async (when, pipeline) => {
    const cwd = projectOf(`exits ${when}`, { "pipeline.ts": pipeline })
    const finished = await opPipe(["run"], { cwd })
    expect(finished.code).toBe(2)
    expect(finished.stderr).toContain("one of its modules, or a package, ended the process (process.exit(0))")
  })
})
