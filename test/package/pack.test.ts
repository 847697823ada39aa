/**
 * The packages as a user gets them: packed, installed in empty folders elsewhere by npm and by pnpm, run there; and a
 * pipeline of the user's own, checked by TypeScript against the package's types.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { call, installed, installedBoth, type Packed, packed } from "../lib/packed.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

/** Where the framework alone is installed, and where both packages are. */
let [alone, elsewhere] = ["", ""]

let tarballs: Packed

const pnpm = path.join(repository, "node_modules/pnpm/bin/pnpm.cjs")
/** A folder in which pnpm has installed the packages. */
const pnpmAdd = async (packages: ReadonlyArray<string>): Promise<string> => {
  const at = temporaryFolder()
  writeFiles(at, { "package.json": `{"private":true,"type":"module"}` })
  await call(process.execPath, [pnpm, "add", ...packages], at)
  return at
}

const opPipe = (at: string, ...args: ReadonlyArray<string>): Promise<string> =>
  call(path.join(at, "node_modules/.bin/op-pipe"), args, at)

const lastEvent = (stdout: string): unknown => JSON.parse(stdout.trim().split("\n").at(-1)!)

const studySteps = ["split", "augment", "train@bn", "train@nobn", "gradstats", "logits", "compare"]

/** A pipeline of one stage in a module: its key holds what the module imports. */
const numbers = `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "op-pipe"
const Numbers = Artifact.json({ tag: "Numbers/v1", path: "numbers.json", schema: Schema.Array(Schema.Int) })
export const count = Stage.make({
  name: "count", source: import.meta.url, params: Schema.Struct({}), inputs: {}, output: { numbers: Numbers },
  run: ({ output }) => Effect.gen(function* () { yield* output.numbers.write([1, 2, 3]) })
})
export default Pipeline.make({ name: "numbers", steps: [Pipeline.step(count, { inputs: {} })] })
`

/** Packages in the keys of all results in the store. */
const packagesInKeys = (at: string): ReadonlyArray<string> => {
  const results = path.join(at, ".op-pipe/v1/results")
  const records = readdirSync(results, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".json"))
    .map((name) => readFileSync(path.join(results, name), "utf8"))
  return records.flatMap((record) =>
    Array.from(record.matchAll(/"packages":(\{[^}]*\})/gu), ([, packages]) => Object.keys(JSON.parse(packages!))).flat()
  )
}

beforeAll(async () => {
  tarballs = await packed()
  alone = await installed()
  elsewhere = await installedBoth()
  writeFiles(elsewhere, { "pipeline.ts": `export { default } from "op-pipe-study"\n` })
}, 600_000)

describe("op-pipe alone", () => {
  it("weighs at most 90 MB installed, and holds JavaScript and types, no sources and no tests", () => {
    const [size] = execFileSync("du", ["-sm", path.join(alone, "node_modules")], { encoding: "utf8" }).split("\t")
    expect(Number(size)).toBeLessThanOrEqual(90)
    const files = readdirSync(path.join(alone, "node_modules/op-pipe"), { recursive: true, encoding: "utf8" })
    expect(files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))).toEqual([])
    expect(
      files.filter((name) => /^(test|bench|data|outputs|stages|dist\/(stages|engine|schemas))/.test(name))
    ).toEqual([])
    expect(files).toContain("dist/core/index.d.ts")
  })

  it("without a pipeline, is bad usage and makes nothing", async () => {
    const empty = path.join(alone, "empty")
    mkdirSync(empty)
    await expect(call(path.join(alone, "node_modules/.bin/op-pipe"), ["status"], empty)).rejects.toThrow(/op-pipe init/)
    expect(readdirSync(empty)).toEqual([])
  })

  it("runs its first pipeline, and the second time has it cached", async () => {
    await opPipe(alone, "init")
    expect(await opPipe(alone, "run")).toContain("1 executed (count)")
    expect(await opPipe(alone, "run")).toContain("1 cached")
  })

  it("counts of packages what the stage imports, and nothing of the study", async () => {
    writeFiles(alone, { "pipeline.ts": numbers })
    expect(lastEvent(await opPipe(alone, "run", "--json"))).toMatchObject({ executed: ["count"] })
    expect(new Set(packagesInKeys(alone))).toEqual(new Set(["effect", "op-pipe"]))
  })

  it("lets people test a stage of their own, and run a pipeline from a program", async () => {
    writeFiles(alone, {
      "pipeline.ts": numbers,
      "count.test.ts": `import assert from "node:assert/strict"
import { test } from "node:test"
import * as Effect from "effect/Effect"
import { runStage } from "op-pipe/testing"
import { count } from "./pipeline.ts"
test("counts", async () => {
  const { output } = await Effect.runPromise(Effect.scoped(runStage(count, { inputs: {} })))
  assert.deepEqual(output.numbers, [1, 2, 3])
})
`,
      "program.ts": `import * as Effect from "effect/Effect"
import { run } from "op-pipe/run"
import pipeline from "./pipeline.ts"
const result = await Effect.runPromise(run(pipeline, { force: ["all"] }))
console.log(JSON.stringify(result.executed))
`
    })
    expect(await call(process.execPath, ["--test", "count.test.ts"], alone)).toMatch(/pass 1/)
    expect(await call(process.execPath, ["program.ts"], alone)).toBe('["count"]\n')
  })

  it("works as pnpm installs it, also where effect is in reach of op-pipe alone", async () => {
    const at = await pnpmAdd([tarballs.framework])
    expect(existsSync(path.join(at, "node_modules/effect"))).toBe(false)
    await opPipe(at, "init")
    expect(await opPipe(at, "run")).toContain("1 executed (count)")
    expect(await opPipe(at, "run")).toContain("1 cached")
    writeFiles(at, { "pipeline.ts": numbers })
    expect(lastEvent(await opPipe(at, "run", "--json"))).toMatchObject({ executed: ["count"] })
    expect(new Set(packagesInKeys(at))).toEqual(new Set(["effect", "op-pipe"]))
  }, 300_000)
})

describe("each package", () => {
  /** The packages that a module imports. */
  const bare = (text: string): ReadonlyArray<string> =>
    Array.from(
      text
        .replace(/\/\*[\s\S]*?\*\//gu, "")
        .matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\(|\bresolve\()"([@a-z][^":]*)"/gu),
      ([, name]) => name!
    ).map((name) =>
      name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/")
    )

  it.each(["op-pipe", "op-pipe-study"])("%s names what it imports, and no more", (name) => {
    const root = path.join(elsewhere, "node_modules", name)
    const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Record<string, object>
    const named = [manifest["dependencies"], manifest["peerDependencies"], manifest["optionalDependencies"]]
    const declared = new Set(named.flatMap((each) => Object.keys(each ?? {})))
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => /\.[mc]?js$/.test(file))
    const sources = files.map((file) => readFileSync(path.join(root, file), "utf8"))
    const imported = new Set(sources.flatMap(bare).filter((each) => !isBuiltin(each)))
    imported.delete(name)
    // the user installs these where a script needs them; the error names the package
    const optionalFonts = /^@expo-google-fonts\/noto-sans-/u
    expect(Array.from(imported).filter((each) => !declared.has(each) && !optionalFonts.test(each))).toEqual([])
    // some are looked up by name
    const isNamed = (each: string): boolean => sources.some((text) => text.includes(`"${each}`))
    expect(Array.from(declared).filter((each) => !isNamed(each))).toEqual([])
  })
})

describe("op-pipe-study beside it", () => {
  it("runs the study", async () => {
    const stdout = await opPipe(elsewhere, "run", "--profile", "tiny", "--json")
    const last = JSON.parse(stdout.trim().split("\n").at(-1)!) as {
      type: string
      executed: ReadonlyArray<string>
      report: string
    }
    expect(last).toMatchObject({
      type: "RunFinished",
      executed: studySteps
    })
    // every place is filled: with the steps as the pipeline names them, and with a value for each
    const report = readFileSync(last.report, "utf8")
    expect(report).not.toContain("<!--op-pipe")
    expect(report).toMatch(/From <a href="#from-bn">train@bn<\/a> <code>[0-9a-f]{12}<\/code>/)
    const section = report.slice(report.indexOf('<section id="provenance"'))
    expect(section).toContain("Profile tiny, seed 17")
    expect(section.match(/>–</g)).toHaveLength(4)
    const again = await opPipe(elsewhere, "run", "--profile", "tiny", "--json")
    expect(JSON.parse(again.trim().split("\n").at(-1)!)).toMatchObject({ executed: [] })
  }, 600_000)

  it("tells what the trained network says of single pictures, and of a file that is none", async () => {
    const folder = path.join(elsewhere, "data/emoji-12/birds")
    const picture = path.join(folder, readdirSync(folder)[0]!)
    const asked = ["predict", "--activation", "sparsemax", "--json"]
    const said = JSON.parse(await opPipe(elsewhere, ...asked, picture)) as {
      top: ReadonlyArray<{ class: string; probability: number }>
    }
    expect(said.top.length).toBeGreaterThan(0)
    expect(said.top.every((each) => each.probability > 0 && each.probability <= 1)).toBe(true)
    await expect(opPipe(elsewhere, ...asked, path.join(elsewhere, "package.json"), picture)).rejects.toThrow(
      /cannot be read[\s\S]*"top"/
    )
    await opPipe(elsewhere, "predict", "--html", "said/answers.html", picture)
    const page = readFileSync(path.join(elsewhere, "said/answers.html"), "utf8")
    for (const part of [path.basename(picture), "softmax", "sparsemax", "best on validation"])
      expect(page).toContain(part)
    await expect(opPipe(elsewhere, "predict", "--html", picture, picture)).rejects.toThrow(/\.html/)
  }, 120_000)

  it("exports a trained network as a layers model", async () => {
    const said = JSON.parse(await opPipe(elsewhere, "export", "web", "--model", "nobn", "--json")) as {
      step: string
      sizeBytes: number
    }
    const { weightsManifest } = JSON.parse(readFileSync(path.join(elsewhere, "web/model.json"), "utf8")) as {
      weightsManifest: ReadonlyArray<{ weights: ReadonlyArray<{ name: string; shape: ReadonlyArray<number> }> }>
    }
    const values = weightsManifest[0]!.weights.map(({ shape }) => shape.reduce((n, d) => n * d, 1))
    expect(said).toMatchObject({ step: "train@nobn", sizeBytes: 4 * values.reduce((a, b) => a + b, 0) })
    expect(readFileSync(path.join(elsewhere, "web/weights.bin"))).toHaveLength(said.sizeBytes)
  }, 120_000)

  it("works as pnpm installs it", async () => {
    const { framework, study } = tarballs
    const at = await pnpmAdd([framework, study])
    writeFiles(at, { "pipeline.ts": `export { default } from "op-pipe-study"\n` })
    const data = ["--data", path.join(elsewhere, "data/emoji-12")]
    const until = ["run", "--profile", "tiny", "--json", "--until", "train(bn)", ...data]
    expect(lastEvent(await opPipe(at, ...until))).toMatchObject({ executed: ["split", "augment", "train@bn"] })
    expect(lastEvent(await opPipe(at, ...until))).toMatchObject({ executed: [] })
  }, 300_000)
})
