/**
 * The package as a user gets it: packed, installed in an empty folder elsewhere, run there; and a pipeline of the user's own,
 * checked by TypeScript against the package's types.
 */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const folder = temporaryFolder()
const elsewhere = path.join(folder, "elsewhere")

const call = async (command: string, args: ReadonlyArray<string>, cwd: string): Promise<string> => {
  // Without what npm sets for its own scripts, which would point npx at this checkout.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD)/i.test(name)))
  const own = path.join(repository, "node_modules/.bin")
  const searched = (process.env["PATH"] ?? "").split(path.delimiter).filter((each) => path.resolve(each) !== own)
  const options = { cwd, env: { ...env, PATH: searched.join(path.delimiter), NO_COLOR: "1" }, maxBuffer: 2 ** 26 }
  const { stdout } = await promisify(execFile)(command, [...args], options).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => {
      throw new Error(`${command} ${args.join(" ")}:\n${error.stdout}\n${error.stderr}`)
    }
  )
  return stdout
}

const nodeVersion = (
  JSON.parse(readFileSync(path.join(repository, "package.json"), "utf8")) as { devDependencies: { node: string } }
).devDependencies.node

beforeAll(async () => {
  writeFiles(elsewhere, { "package.json": `{"private":true,"type":"module"}` })
  await call("npm", ["pack", "--pack-destination", folder], repository)
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!
  await call(
    "npm",
    ["install", "--no-audit", "--no-fund", path.join(folder, tarball), `node@${nodeVersion}`],
    elsewhere
  )
}, 600_000)

describe("the package, installed elsewhere", () => {
  it("runs the study", async () => {
    const stdout = await call("npx", ["op-pipe", "run", "--profile", "tiny", "--json"], elsewhere)
    const last = JSON.parse(stdout.trim().split("\n").at(-1)!) as {
      type: string
      executed: ReadonlyArray<string>
      report: string
    }
    expect(last).toMatchObject({
      type: "RunFinished",
      executed: ["split", "augment", "train@bn", "train@nobn", "gradstats", "logits", "compare"]
    })
    // every place is filled: with the steps as the pipeline names them, and with a value for each
    const report = readFileSync(last.report, "utf8")
    expect(report).not.toContain("<!--op-pipe")
    expect(report).toMatch(/From <a href="#from-bn">train@bn<\/a> <code>[0-9a-f]{12}<\/code>/)
    const section = report.slice(report.indexOf('<section id="provenance"'))
    expect(section).toContain("Profile tiny, seed 17")
    expect(section.match(/>–</g)).toHaveLength(4)
    const again = await call("npx", ["op-pipe", "run", "--profile", "tiny", "--json"], elsewhere)
    expect(JSON.parse(again.trim().split("\n").at(-1)!)).toMatchObject({ executed: [] })
  }, 600_000)

  it("tells what the trained network says of single pictures, and of a file that is none", async () => {
    const folder = path.join(elsewhere, "data/emoji-12/birds")
    const picture = path.join(folder, readdirSync(folder)[0]!)
    const asked = ["op-pipe", "predict", "--activation", "sparsemax", "--json"]
    const said = JSON.parse(await call("npx", [...asked, picture], elsewhere)) as {
      top: ReadonlyArray<{ class: string; probability: number }>
    }
    expect(said.top.length).toBeGreaterThan(0)
    expect(said.top.every((each) => each.probability > 0 && each.probability <= 1)).toBe(true)
    await expect(call("npx", [...asked, path.join(elsewhere, "package.json"), picture], elsewhere)).rejects.toThrow(
      /cannot be looked at[\s\S]*"top"/
    )
    await call("npx", ["op-pipe", "predict", "--html", "said/answers.html", picture], elsewhere)
    const page = readFileSync(path.join(elsewhere, "said/answers.html"), "utf8")
    for (const part of [path.basename(picture), "softmax", "sparsemax", "best on validation"])
      expect(page).toContain(part)
    await expect(call("npx", ["op-pipe", "predict", "--html", picture, picture], elsewhere)).rejects.toThrow(/\.html/)
  }, 120_000)

  it("exports a trained network as a layers model", async () => {
    const said = JSON.parse(
      await call("npx", ["op-pipe", "export", "web", "--model", "nobn", "--json"], elsewhere)
    ) as {
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

  it("holds JavaScript and types, no TypeScript sources and no tests", () => {
    const files = readdirSync(path.join(elsewhere, "node_modules/op-pipe"), { recursive: true, encoding: "utf8" })
    expect(files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))).toEqual([])
    expect(files.filter((name) => /^(test|bench|data|outputs)/.test(name))).toEqual([])
    expect(files).toContain("dist/core/index.d.ts")
  })

  it("lets people write a pipeline of their own", async () => {
    writeFiles(elsewhere, {
      "texts/a.txt": "one two",
      "pipeline.ts": readFileSync(path.join(repository, "docs/example-pipeline.ts"), "utf8"),
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          module: "nodenext",
          target: "es2024",
          strict: true,
          noEmit: true,
          skipLibCheck: true,
          allowImportingTsExtensions: true,
          types: []
        },
        files: ["pipeline.ts"]
      })
    })
    await call(process.execPath, [path.join(repository, "node_modules/typescript/lib/tsc.js"), "-p", "."], elsewhere)
    const stdout = await call("npx", ["op-pipe", "run", "--data", "texts", "--json"], elsewhere)
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toMatchObject({ executed: ["words"] })
    expect(JSON.parse(readFileSync(path.join(elsewhere, "outputs/words/words.json"), "utf8"))).toEqual(["one", "two"])
  })
})
