/** A report that says where it comes from: right after a run, a cached run, an upstream change without effect, and a restore. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")

const stages = `
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "./core/index.ts"

export const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
const Count = Artifact.json({ tag: "Count/v1", path: "count.json", schema: Schema.Struct({ files: Schema.Int }) })
const Report = Artifact.file({ tag: "Report/v1", path: "report.html" })

export const count = Stage.make({
  name: "count",
  source: import.meta.url,
  params: Schema.Struct({ seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))) }),
  inputs: { texts: Texts },
  output: { count: Count },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const names = yield* Effect.orDie(fs.readDirectory(inputs.texts.path))
      yield* output.count.write({ files: names.length })
    })
})
`
const reporting = `
export const report = Stage.make({
  name: "report",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { counted: Count },
  output: { report: Report },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { files } = yield* inputs.counted.read
      const places = ["run profile", "run seed", "counted step", "counted key", "counted params.seed", "self key"]
      const said = places.map((place) => "<!--op-pipe " + place + "-->").join(" ")
      yield* Effect.orDie(fs.writeFileString(output.report.path, files + " files; " + said))
    })
})
`
const pipeline = `
import { Pipeline } from "./core/index.ts"
import { Texts } from "./stages.ts"
import { count } from "./stages.ts"
import { report } from "./report.ts"
const texts = Pipeline.source({ name: "texts", artifact: Texts })
const counted = Pipeline.step(count, { variant: "all", inputs: { texts: texts.port } })
const reported = Pipeline.step(report, { inputs: { counted: counted.out.count } })
export default Pipeline.make({ name: "p", steps: [reported], seed: 5, profiles: { a: {}, b: {} }, defaultProfile: "a", report: reported.out.report })
`

beforeEach(() => {
  const heading = stages.slice(0, stages.indexOf("export const count"))
  makeProject(root, undefined, {
    "stages.ts": stages,
    "report.ts": heading.replace("export const Texts", "const Texts") + reporting,
    "pipeline.ts": pipeline,
    "texts/a.txt": "a"
  })
})

const call = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })
const run = async (...args: ReadonlyArray<string>) => lastEvent(await call("run", "--data", "texts", "--json", ...args))
const page = (): string => readFileSync(path.join(root, "outputs/report/report.html"), "utf8")
const keys = async (): Promise<Record<string, string>> => {
  const { keys } = JSON.parse((await call("show", "last", "--json")).stdout) as { keys: Record<string, string> }
  return Object.fromEntries(Object.entries(keys).map(([step, key]) => [step, key.slice(0, 12)]))
}
const expected = async (profile: string, seed: string): Promise<string> => {
  const known = await keys()
  return `1 files; ${profile} ${seed} count@all ${known["count@all"]} ${seed} ${known["report"]}`
}

describe("the laid-out report", () => {
  it("names the results that it was made from, and stays as it is on a cached run", async () => {
    expect(await run()).toMatchObject({ executed: ["count@all", "report"] })
    expect(page()).toBe(await expected("a", "5"))
    const before = await call("run", "--data", "texts")
    expect(before.stdout + before.stderr).not.toContain("put back")
    expect(page()).toBe(await expected("a", "5"))
  })

  it("follows an upstream result that was made again and came out the same, and the profile, without running", async () => {
    await run()
    const first = await keys()
    expect(await run("--seed", "9", "--profile", "b")).toMatchObject({ executed: ["count@all"], cached: ["report"] })
    expect((await keys())["count@all"]).not.toBe(first["count@all"])
    expect((await keys())["report"]).toBe(first["report"])
    expect(page()).toBe(await expected("b", "9"))
  })

  it("is put back when somebody edits it, and comes back as it was with restore", async () => {
    await run()
    const first = page()
    writeFileSync(path.join(root, "outputs/report/report.html"), "scribble")
    await run()
    expect(page()).toBe(first)
    await run("--seed", "9", "--profile", "b")
    expect(page()).not.toBe(first)
    expect((await call("restore", "last~1")).code).toBe(0)
    expect(page()).toBe(first)
  })

  it("leaves the store's copy alone", async () => {
    await run()
    expect((await call("cache", "verify")).code).toBe(0)
    const blobs = path.join(root, ".op-pipe/v1/blobs")
    const stored = readdirSync(blobs, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), "utf8"))
    expect(stored.filter((text) => text.includes("<!--op-pipe counted key-->"))).toHaveLength(1)
    expect(stored).not.toContain(page())
  })
})
