/** Where the store and outputs are: flag, variable, pipeline, default, in this order. */
import { existsSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const pipeline = (places: string): string => `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
const greet = Stage.command({ name: "greet", command: 'echo hello > "$line"', inputs: {}, output: { line: Line } })
export default Pipeline.make({ name: "greetings", steps: [Pipeline.step(greet, { inputs: {} })]${places} })
`

const made = (root: string): ReadonlyArray<string> =>
  ["flag", "variable", "pipeline", "default"].filter((name) => {
    const [store, outputs] = name === "default" ? [".op-pipe", "outputs"] : [`${name}/store`, `${name}/outputs`]
    const [isStore, isOutput] = [
      existsSync(path.join(root, store, "v1")),
      existsSync(path.join(root, outputs, "greet"))
    ]
    if (isStore !== isOutput) throw new Error(`${name}: the store ${isStore}, outputs ${isOutput}`)
    return isStore
  })

const declared = `, store: "pipeline/store", outputs: "pipeline/outputs"`
const env = { OP_PIPE_STORE: "../variable/store", OP_PIPE_OUTPUTS: "../variable/outputs" }
const none = { OP_PIPE_STORE: "", OP_PIPE_OUTPUTS: "" }
const flags = ["--store", "../flag/store", "--outputs", "../flag/outputs"]

describe("the store and the outputs are", () => {
  it.each([
    ["flag", flags, env, declared],
    ["variable", [], env, declared],
    ["pipeline", [], none, declared],
    ["default", [], none, ""]
  ])("by %s, from a folder below", async (name, args, environment, places) => {
    const root = path.join(temporaryFolder(), "project")
    makeProject(root, undefined, { "pipeline.ts": pipeline(places) })
    writeFiles(root, { "below/note.txt": "" })
    const cwd = path.join(root, "below")
    expect(await opPipe(["run", ...args], { cwd, env: environment })).toMatchObject({ code: 0 })
    expect(made(root)).toEqual([name])
    expect((await opPipe(["read", "greet", ...args], { cwd, env: environment })).stdout).toContain(root)
  })

  it("refused by the name of what says so", async () => {
    const root = path.join(temporaryFolder(), "project")
    makeProject(root, undefined, { "pipeline.ts": pipeline("") })
    const { code, stderr } = await opPipe(["run"], { cwd: root, env: { OP_PIPE_STORE: "package.json/store" } })
    expect(stderr).toContain("OP_PIPE_STORE=package.json/store: expected a folder, but")
    expect(code).toBe(2)
  })
})
