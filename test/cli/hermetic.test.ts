/** A stage that opens what it does not declare is an error that names the step and the path. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import { events, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = temporaryFolder()
const folder = "test/fixtures/hermetic"

beforeAll(() => {
  makeProject(root, "hermetic", { [`${folder}/texts/a.txt`]: "declared\n", [`${folder}/secret.txt`]: "undeclared\n" })
})

const isSealed = Sandbox.availability().available

const run = async (step: string, deed: string, ...more: ReadonlyArray<string>) => {
  const places = ["--file", `${folder}/pipeline.ts`, "--store", "store", "--outputs", "outputs"]
  const finished = await opPipe(
    ["run", "--json", ...places, "--only", step, "--set", `${step}.deed=${deed}`, ...more],
    {
      cwd: root,
      env: { UNDECLARED: "would be stale unseen", LANG: "tr_TR.UTF-8" }
    }
  )
  const failed = events(finished).find((event) => event.type === "StepFailed")
  return { code: finished.code, failed, text: () => readFileSync(path.join(root, "outputs", step, "text.txt"), "utf8") }
}
const secret = (): string => path.join(root, folder, "secret.txt")

describe("a stage", () => {
  it("reads what it declares", async () => {
    const { code, text } = await run("gentle", "none")
    expect(code).toBe(0)
    expect(text()).toBe("declared\n")
  })

  it.each(["read", "read by Effect"])("fails when it does otherwise: %s", async (deed) => {
    const { code, failed } = await run("gentle", deed)
    expect(code).toBe(1)
    expect(failed).toMatchObject({ step: "gentle", fault: "stage" })
    expect(failed?.reason).toContain(`it read ${secret()}, which is none of its inputs`)
  })

  it.each(["read another step's work", "list", "look"])("fails when it looks around: %s", async (deed) => {
    const { code, failed } = await run("gentle", deed)
    expect(code).toBe(1)
    expect(failed?.reason).toContain(`it read ${root}`)
  })

  // vercel/turborepo#13651, Kotlin/kotlinx-kover#440, robolectric/robolectric#5317
  it.skipIf(!isSealed)("finds its inputs, its outputs and itself under the same names in every run", async () => {
    const named = await run("gentle", "write down its paths")
    expect(named.text()).toBe("declared\ninputs/texts/texts outputs/text.txt scratch")
    const { code, text } = await run("gentle", "list its own folder")
    expect(code).toBe(0)
    expect(text()).toBe("declared\n/step /step/scratch /step/scratch inputs,outputs,scratch")
  })

  it("is told that an output names the folder of one run, where that is not the same in all", async () => {
    const { code, failed } = await run("gentle", "list its own folder", "--sandbox=off", "--force", "gentle")
    expect(code).toBe(1)
    expect(failed?.reason).toContain("text.txt names the folder that this one worked in, which is gone afterwards")
    const named = await run("gentle", "write down its paths", "--sandbox=off", "--force", "gentle")
    expect(named.text()).toMatch(/^declared\n\/.*\/texts outputs\/text.txt scratch$/u)
  })

  it.skipIf(!isSealed)("finds in the manifest above it only what Node asks for", async () => {
    writeFileSync(path.join(root, "package.json"), `{"type":"module","name":"of-mine","config":{"rate":1}}`)
    const { code, text } = await run("gentle", "read its manifest")
    expect(code).toBe(0)
    expect(text()).toBe(`declared\n{"type":"module","name":"of-mine"}`)
  })

  it("cannot write beside its outputs", async () => {
    const { code, failed } = await run("gentle", "write")
    expect(code).toBe(1)
    expect(failed?.reason).toContain(`it wrote to ${secret()}, which is outside its outputs and its workdir`)
    expect(readFileSync(secret(), "utf8")).toBe("undeclared\n")
  })

  it("sees nothing of the environment but what belongs to the machine", async () => {
    const { code, text } = await run("gentle", "read the environment")
    expect(code).toBe(0)
    expect(text()).toBe(`declared\nundefined C.UTF-8 ${process.env["PATH"]?.length}`)
  })

  it("has a folder for temporary files, which does not stay", async () => {
    const { code, text } = await run("gentle", "use a temporary file")
    expect(code).toBe(0)
    expect(text()).toBe("declared\nkept for a moment\n")
    expect(readdirSync(path.join(root, "store/v1/work"))).toEqual([])
  })

  it("starts programs only if it says so", async () => {
    const refused = await run("gentle", "spawn")
    expect(refused.code).toBe(1)
    expect(refused.failed?.reason).toContain("it started a program. Declare `spawns: true`")
    const { code, text } = await run("spawning", "spawn")
    expect(code).toBe(0)
    expect(text()).toBe("declared\nhello\n")
  })
})
