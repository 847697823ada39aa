/** Stages that their modules do not export are refused before any work. */
import { parseSync } from "oxc-parser"
import { describe, expect, it } from "vitest"
import { hiddenIn } from "../../../core/plan/StageExports.ts"
import { opPipe } from "../../lib/cli.ts"
import { makeProject } from "../../lib/project.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

const hidden = (text: string) => hiddenIn(parseSync("a.ts", text).program.body as never)
const stage = (name: string) => `Stage.make({ name: "${name}", source: import.meta.url, run: () => 1 })`

describe("a module", () => {
  it.each([
    [`const a = ${stage("x")}`, { x: "a" }],
    [`export const a = ${stage("x")}`, {}],
    [`const a = ${stage("x")}\nexport { a }`, {}],
    [`const a = ${stage("x")}\nexport { a as b }`, {}],
    [`const a = ${stage("x")}\nexport default a`, {}],
    [`const a = ${stage("x")}\nconst b = ${stage("y")}\nexport { a }`, { y: "b" }],
    [`export const a = ${stage("x")}\nexport const p = Pipeline.make({ name: "p", steps: [] })`, {}],
    ["const p = Pipeline.make({ name: 'p', steps: [] })\nexport default p", {}],
    ["const s = Stage.make(options)", {}]
  ])("%#", (text, expected) => {
    expect(hidden(text)).toEqual(expected)
  })
})

describe("a stage that is not exported", () => {
  it("is told by name before anything runs, with the place", async () => {
    const cwd = `${temporaryFolder()}/hidden`
    makeProject(cwd, undefined, {
      "pipeline.ts": `
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const words = Stage.make({
  name: "words", source: import.meta.url, params: Schema.Struct({}), inputs: {}, output: { text: Text },
  run: ({ output }) => output.text.write(new Uint8Array(1))
})
export default Pipeline.make({ name: "p", steps: [Pipeline.step(words, { inputs: {} })] })
`
    })
    for (let times = 0; times < 2; times++) {
      const { code, stderr } = await opPipe(["status"], { cwd })
      expect(code).toBe(2)
      expect(stderr).toContain(`stage words: expected ${cwd}/pipeline.ts to export it, but found "const words"`)
    }
  })
})
