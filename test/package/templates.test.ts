/** Each template of `op-pipe init`, from the packed package in a folder elsewhere: it runs, is cached, and compiles. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, expect, it } from "vitest"
import { names } from "../../cli/templates/Templates.ts"
import { repository } from "../lib/cli.ts"
import { call, installed } from "../lib/packed.ts"
import { writeFiles } from "../lib/temporary.ts"

let folder = ""

beforeAll(async () => {
  folder = path.join(await installed(), "templates")
}, 300_000)

it.each(names)("the template %s runs, is cached, says what changed, and compiles", async (name) => {
  const root = path.join(folder, name)
  const program = path.join(folder, "../node_modules/.bin/op-pipe")
  const opPipe = (...args: ReadonlyArray<string>) => call(program, args, root)
  writeFiles(folder, { [`${name}/.keep`]: "" })
  await opPipe("init", "--template", name)
  expect(await opPipe("run")).toContain("1 executed (count)")
  const [output] = readdirSync(path.join(root, "outputs/count"))
  expect(readFileSync(path.join(root, "outputs/count", output!), "utf8")).toMatch(/the"?: 3|3 the/u)
  expect(await opPipe("run")).toContain("1 cached")
  writeFileSync(path.join(root, "text.txt"), "the end\n")
  expect(await opPipe("status")).toContain("input text: 1 changed (text.txt)")
  const compilerOptions = {
    ...{ module: "nodenext", target: "es2024", strict: true, noEmit: true, skipLibCheck: true },
    ...{ allowImportingTsExtensions: true, typeRoots: [path.join(repository, "node_modules/@types")], types: ["node"] }
  }
  writeFiles(root, { "tsconfig.json": JSON.stringify({ compilerOptions, files: ["pipeline.ts"] }) })
  const tsc = path.join(repository, "node_modules/typescript/lib/tsc.js")
  expect(await call(process.execPath, [tsc, "-p", "."], root)).toBe("")
})
