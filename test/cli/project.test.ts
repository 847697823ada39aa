/** The project that a command is about: none in reach, a first one, and what a pipeline adds to the command line. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { opPipe, repository } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const core = path.join(repository, "core/index.ts")

describe("without a pipeline in reach", () => {
  it.each([["run"], ["status"], ["why", "x"], ["dag"], ["history"], ["cache", "stats"]])(
    "%s is bad usage, and makes nothing",
    async (...args) => {
      const cwd = temporaryFolder()
      const { code, stderr } = await opPipe(args, { cwd })
      expect(code).toBe(2)
      expect(stderr).toMatch(/expected a pipeline\.ts .*op-pipe init/)
      expect(readdirSync(cwd)).toEqual([])
    }
  )

  it("doctor tells of the machine", async () => {
    const env = { CUDA_VISIBLE_DEVICES: "0,2" }
    const { code, stdout } = await opPipe(["doctor", "--json"], { cwd: temporaryFolder(), env })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      machine: { node: process.versions.node, gpus: ["0", "2"] },
      toolchains: {}
    })
  })
})

describe("init", () => {
  it("writes a pipeline that runs, and is cached the second time", async () => {
    const cwd = temporaryFolder()
    expect(await opPipe(["init"], { cwd })).toMatchObject({ code: 0 })
    // a checkout has no package of that name to import
    const file = path.join(cwd, "pipeline.ts")
    writeFiles(cwd, { "pipeline.ts": readFileSync(file, "utf8").replace('"op-pipe"', JSON.stringify(core)) })
    expect((await opPipe(["run"], { cwd })).stdout).toContain("1 executed (count)")
    expect(readFileSync(path.join(cwd, "outputs/count/counts.txt"), "utf8")).toMatch(/3 the\n/)
    expect((await opPipe(["run"], { cwd })).stdout).toContain("1 cached")
  })

  it("makes a folder of modules of one in which npm has just installed, and of no other", async () => {
    const manifests = { installed: { dependencies: { "op-pipe": "^0.1.0" } }, mine: { name: "mine", dependencies: {} } }
    const after = await Promise.all(
      Object.values(manifests).map(async (manifest) => {
        const cwd = temporaryFolder()
        writeFiles(cwd, { "package.json": JSON.stringify(manifest) })
        expect(await opPipe(["init"], { cwd })).toMatchObject({ code: 0 })
        return JSON.parse(readFileSync(path.join(cwd, "package.json"), "utf8")) as unknown
      })
    )
    expect(after).toEqual([{ private: true, type: "module", ...manifests.installed }, manifests.mine])
  })

  it("leaves what is there", async () => {
    const cwd = temporaryFolder()
    writeFiles(cwd, { "pipeline.ts": "// mine" })
    const { code, stderr } = await opPipe(["init"], { cwd })
    expect(code).toBe(2)
    expect(stderr).toContain("Nothing was written")
    expect(readFileSync(path.join(cwd, "pipeline.ts"), "utf8")).toBe("// mine")
    expect(existsSync(path.join(cwd, "package.json"))).toBe(false)
  })
})

describe("a pipeline adds to the command line", () => {
  const cwd = path.join(temporaryFolder(), "cutting")
  makeProject(cwd, undefined, {
    "pipeline.ts": `
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage, Toolchain } from "./core/index.ts"
const tool = Toolchain.make({
  name: "tool",
  params: Schema.Struct({ edge: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("blunt"))) }),
  identity: Schema.Struct({ edge: Schema.String }),
  identify: ({ edge }) => Effect.succeed({ edge }),
  cores: () => 1
})
export const cut = Stage.make({
  name: "cut", source: import.meta.url, params: Schema.Struct({}), inputs: {}, toolchain: { tool },
  output: { edge: Artifact.json({ tag: "Edge/v1", path: "edge.json", schema: Schema.String }) },
  run: ({ toolchain, output }) => output.edge.write(toolchain.tool.edge)
})
const step = Pipeline.step(cut, { inputs: {} })
export default Pipeline.make({
  name: "cutting", steps: [step],
  flags: { edge: { sets: "tool.edge", description: "How sharp" } },
  checks: async () => ({
    tool: () => Effect.succeed([{ name: "edge", available: false, versions: {}, detail: "no whetstone", howToGet: "Buy one" }])
  }),
  commands: () => import("./commands.ts").then(({ commands }) => commands)
})
`,
    "commands.ts": `
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { lastResult, printLine, projectFlags, UsageError, withStore } from "./cli/index.ts"
const tell = Command.make("tell", projectFlags, (flags) =>
  withStore(flags, () =>
    Effect.gen(function* () {
      const result = yield* lastResult("cut")
      yield* printLine("it is " + (yield* result.read("edge", Schema.String)))
    })
  )
)
const refuse = Command.make("refuse", {}, () => Effect.fail(new UsageError({ message: "refused" })))
// a verb of op-pipe's own stays its own
const run = Command.make("run", {}, () => printLine("hidden"))
export const commands = [tell, refuse, run]
`
  })

  it("a flag for one parameter", async () => {
    const { code, stderr } = await opPipe(["run", "--edge", "keen"], { cwd })
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(JSON.parse(readFileSync(path.join(cwd, "outputs/cut/edge.json"), "utf8"))).toBe("keen")
    expect((await opPipe(["run", "--help"], { cwd })).stdout).toMatch(/--edge VALUE\s+How sharp/)
    expect((await opPipe(["why", "cut", "--edge", "blunt"], { cwd })).stdout).toContain("toolchain tool.edge")
  })

  it("verbs, which read results", async () => {
    expect((await opPipe(["tell"], { cwd })).stdout).toBe("it is keen\n")
    expect((await opPipe(["--help"], { cwd })).stdout).toMatch(/\btell\b/)
    expect(await opPipe(["refuse"], { cwd })).toMatchObject({ code: 2, stderr: "op-pipe: refused\n" })
    expect(await opPipe(["tell", "--store", "elsewhere"], { cwd })).toMatchObject({ code: 2 })
  })

  it("rows of doctor", async () => {
    const { stdout } = await opPipe(["doctor"], { cwd })
    expect(stdout).toContain("- tool edge  no whetstone\n    Buy one\n")
  })
})
