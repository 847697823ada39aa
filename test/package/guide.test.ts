/**
 * The README and the guide, as their reader would follow them: the package is packed and installed in a folder elsewhere, each page's files
 * are made there, its commands run, and what they print is compared; then TypeScript checks the files against the package's types.
 *
 * `OP_PIPE_DOCS=write npx vitest run test/package/guide.test.ts` writes into the pages what commands print now.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { call, environment, packed } from "../lib/packed.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { agrees, blocksOf, edited, normalize, play } from "./pages.ts"

const folder = temporaryFolder()
const env: NodeJS.ProcessEnv = environment()
env["PATH"] = [path.join(folder, "node_modules/.bin"), env["PATH"]].join(path.delimiter)
const pages = ["README.md", ...readdirSync(path.join(repository, "docs/guide")).map((name) => `docs/guide/${name}`)]

beforeAll(async () => {
  // nothing is there yet, as the README says
  await call("npm", ["install", "--no-audit", "--no-fund", (await packed()).framework], folder)
  await call("npx", ["op-pipe", "init"], folder)
}, 300_000)

describe.each(pages)("%s", (name) => {
  const file = path.join(repository, name)
  // npx looks for the package in the folder itself, as in that of the README's reader
  const root = name === "README.md" ? folder : path.join(folder, path.basename(name, ".md"))

  it("prints what it says", async () => {
    if (root !== folder) writeFiles(root, { "package.json": `{"private":true,"type":"module"}` })
    const page = readFileSync(file, "utf8")
    const { calls, corrected } = await play(page, root, env)
    if (process.env["OP_PIPE_DOCS"] === "write") writeFileSync(file, corrected)
    else
      for (const { command, expected, actual } of calls)
        if (!agrees(expected, actual))
          expect(`$ ${command}\n${normalize(actual)}`).toBe(`$ ${command}\n${normalize(expected)}`)
  })

  it("compiles", async () => {
    const named = blocksOf(readFileSync(file, "utf8")).map((block) => block.file)
    const files = Array.from(new Set(named)).filter((each) => each?.endsWith(".ts"))
    if (files.length === 0) return
    const compilerOptions = {
      module: "nodenext",
      target: "es2024",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      typeRoots: [path.join(repository, "node_modules/@types")],
      types: ["node"]
    }
    writeFiles(root, { "tsconfig.json": JSON.stringify({ compilerOptions, files }) })
    const tsc = path.join(repository, "node_modules/typescript/lib/tsc.js")
    expect(await call(process.execPath, [tsc, "-p", "."], root)).toBe("")
  })
})

describe("the README", () => {
  it("shows the pipeline that init writes", () => {
    const shown = blocksOf(readFileSync(path.join(repository, "README.md"), "utf8"))
    const init = path.join(folder, "first")
    mkdirSync(init)
    execFileSync(path.join(folder, "node_modules/.bin/op-pipe"), ["init"], { cwd: init, env })
    expect(readFileSync(path.join(init, "pipeline.ts"), "utf8")).toBe(
      shown.find(({ file }) => file === "pipeline.ts")!.text
    )
  })
})

describe("pages that are programs", () => {
  it("are read block by block", () => {
    const page = "a\n```ts pipeline.ts\ncode\n```\n```\nno language\n```\n```console\n$ ls\nx\n```\n"
    expect(blocksOf(page).map(({ language, file, text }) => [language, file, text])).toEqual([
      ["ts", "pipeline.ts", "code\n"],
      ["console", undefined, "$ ls\nx\n"]
    ])
  })

  it("are edited where the lines are, and only once", () => {
    expect(edited("a\nb\nc\n", " a\n-b\n+d\n c\n")).toBe("a\nd\nc\n")
    expect(() => edited("a\na\n", "-a\n+b\n")).toThrow("2 times")
  })

  it("disagree in all but times and ids", () => {
    const said = "1 step (run 20261128-180855-4d8f)\nDone in 0.3 s\n"
    expect(agrees(said, "1 step (run 20261129-180855-aaaa)\nDone in 1 min 12.0 s\n")).toBe(true)
    expect(agrees(said, "2 steps (run 20261129-180855-aaaa)\nDone in 0.1 s\n")).toBe(false)
    expect(agrees("...\nDone in 0.3 s\n", said)).toBe(true)
    expect(agrees("...\nFailed\n", said)).toBe(false)
  })
})
