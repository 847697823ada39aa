/**
 * The README and the guide, as their reader would follow them: the package is packed and installed in a folder elsewhere, each page's files
 * are made there, its commands run, and what they print is compared; then TypeScript checks the files against the package's types.
 *
 * `OP_PIPE_DOCS=write npx vitest run test/package/guide.test.ts` writes into the pages what commands print now.
 */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { agrees, blocksOf, edited, normalize, play } from "./pages.ts"

const folder = temporaryFolder()
const exec = promisify(execFile)
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD)/i.test(name))),
  PATH: [path.join(folder, "node_modules/.bin"), path.dirname(process.execPath), process.env["PATH"]].join(":"),
  NO_COLOR: "1"
}
const pages = ["README.md", ...readdirSync(path.join(repository, "docs/guide")).map((name) => `docs/guide/${name}`)]

beforeAll(async () => {
  writeFiles(folder, { "package.json": `{"private":true,"type":"module"}` })
  await exec("npm", ["pack", "--pack-destination", folder], { cwd: repository, maxBuffer: 2 ** 26 })
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!
  const { devDependencies, dependencies } = JSON.parse(
    readFileSync(path.join(repository, "package.json"), "utf8")
  ) as Record<"devDependencies" | "dependencies", Record<string, string>>
  const effect = `effect@${devDependencies["effect"] ?? dependencies["effect"]}`
  await exec("npm", ["install", "--no-audit", "--no-fund", path.join(folder, tarball), effect], { cwd: folder, env })
}, 300_000)

describe.each(pages)("%s", (name) => {
  const file = path.join(repository, name)
  const root = path.join(folder, path.basename(name, ".md"))

  it("prints what it says", async () => {
    writeFiles(root, { "package.json": `{"private":true,"type":"module"}` })
    const page = readFileSync(file, "utf8")
    const { calls, corrected } = await play(page, root, env)
    if (process.env["OP_PIPE_DOCS"] === "write") writeFileSync(file, corrected)
    else
      for (const { command, expected, actual } of calls)
        if (!agrees(expected, actual))
          expect(`$ ${command}\n${normalize(actual)}`).toBe(`$ ${command}\n${normalize(expected)}`)
  })

  it("compiles", async () => {
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
      (each) => each.endsWith(".ts") && !/^(outputs|\.op-pipe|node_modules)\//.test(each)
    )
    if (files.length === 0) return
    const compilerOptions = {
      module: "nodenext",
      target: "es2024",
      lib: ["es2024"],
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      typeRoots: [path.join(repository, "node_modules/@types")],
      types: ["node"]
    }
    writeFiles(root, { "tsconfig.json": JSON.stringify({ compilerOptions, files }) })
    const { stdout } = await exec(
      process.execPath,
      [path.join(repository, "node_modules/typescript/lib/tsc.js"), "-p", "."],
      { cwd: root }
    ).catch((error: { readonly stdout: string }) => error)
    expect(stdout).toBe("")
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
