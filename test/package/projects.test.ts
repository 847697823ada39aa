/**
 * `examples/`: each project as its reader would try it: a copy beside the packed packages, the commands of its README run there and what
 * they print compared, its files compiled against the packages' types. It is written anew as the guide is (guide.test.ts).
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { call, environment, installedBoth } from "../lib/packed.ts"
import { writeFiles } from "../lib/temporary.ts"
import { agrees, normalize, play } from "./pages.ts"

let folder = ""
const env: NodeJS.ProcessEnv = environment()
const examples = path.join(repository, "examples")
const names = readdirSync(examples, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

beforeAll(async () => {
  const at = await installedBoth()
  folder = path.join(at, "examples")
  env["PATH"] = [path.join(at, "node_modules/.bin"), env["PATH"]].join(path.delimiter)
}, 300_000)

describe.each(names)("the example %s", (name) => {
  const rootOf = (): string => path.join(folder, name)
  const readme = path.join(examples, name, "README.md")

  it("prints what its README says", async () => {
    const root = rootOf()
    cpSync(path.join(examples, name), root, { recursive: true })
    const { calls, corrected } = await play(readFileSync(readme, "utf8"), root, env)
    expect(calls.length).toBeGreaterThan(0)
    if (process.env["OP_PIPE_DOCS"] === "write") writeFileSync(readme, corrected)
    else
      for (const { command, expected, actual } of calls)
        if (!agrees(expected, actual))
          expect(`$ ${command}\n${normalize(actual)}`).toBe(`$ ${command}\n${normalize(expected)}`)
  })

  it("compiles", async () => {
    const compilerOptions = {
      ...{ module: "nodenext", target: "es2024", strict: true, noEmit: true, skipLibCheck: true },
      ...{
        allowImportingTsExtensions: true,
        typeRoots: [path.join(repository, "node_modules/@types")],
        types: ["node"]
      }
    }
    const files = readdirSync(path.join(examples, name)).filter((each) => each.endsWith(".ts"))
    const root = rootOf()
    writeFiles(root, { "tsconfig.json": JSON.stringify({ compilerOptions, files }) })
    const tsc = path.join(repository, "node_modules/typescript/lib/tsc.js")
    expect(await call(process.execPath, [tsc, "-p", "."], root)).toBe("")
  })
})

describe("the table of lines", () => {
  const linesIn = (file: string): number =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line.trim() !== "" && !/^(\/\/|\/\*\*|\*)/u.test(line.trim())).length
  const index = readFileSync(path.join(examples, "README.md"), "utf8")
  const rows = Array.from(index.matchAll(/^\| \[([\w-]+)\]\([^)]+\) \| op-pipe \| (\d+) \| (.+) \|$/gmu))

  it("says how many there are", () => {
    expect(rows).toHaveLength(3)
    for (const [, name, lines, files] of rows) {
      const counted = Array.from(files!.matchAll(/`([^`]+)`/gu), ([, file]) =>
        linesIn(path.join(examples, name!, file!))
      )
      expect([name, counted.reduce((sum, each) => sum + each, 0)]).toEqual([name, Number(lines)])
    }
    const work = ["clean.ts", "fit.ts", "draw.ts"].map((file) => linesIn(path.join(examples, "csv-to-chart", file)))
    expect(index).toContain(`${work.reduce((sum, each) => sum + each, 0)} of TypeScript`)
  })

  it("is about every example", () => {
    for (const name of names) expect(index).toContain(`[${name}](${name}/README.md)`)
  })
})
