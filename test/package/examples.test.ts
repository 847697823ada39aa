/**
 * Examples in doc comments: each public function and class has one. All are compiled against the package's types and run with the
 * package as it is installed; one that exports a pipeline is run by `op-pipe run`. What a line prints stands behind it: `console.log(1 + 1) // 2`.
 */
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { call, installed } from "../lib/packed.ts"
import { exampleOf, modules, publicExports } from "../lib/publicFace.ts"
import { writeFiles } from "../lib/temporary.ts"

let folder = ""
const all = publicExports()
const examples = all.flatMap(({ name, module, doc }) => {
  const code = exampleOf(doc)
  return code === undefined ? [] : [{ name: `${module} ${name}`, at: `${module}-${name}`.replace("/", "-"), code }]
})

const compilerOptions = {
  module: "nodenext",
  target: "es2024",
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  typeRoots: [path.join(repository, "node_modules/@types")],
  types: ["node"]
}

beforeAll(async () => {
  folder = path.join(await installed(), "examples")
  writeFiles(folder, {
    "package.json": `{"private":true,"type":"module"}`,
    "tsconfig.json": JSON.stringify({ compilerOptions, files: examples.map(({ at }) => `${at}/example.ts`) }),
    ...Object.fromEntries(examples.map(({ at, code }) => [`${at}/example.ts`, code]))
  })
}, 300_000)

describe("the public face", () => {
  it("is found", () => {
    expect(new Set(all.map(({ module }) => module))).toEqual(new Set(Object.keys(modules)))
    expect(all.map(({ name }) => name)).toContain("Pipeline.make")
  })

  it("says of everything what it is", () => {
    expect(all.filter(({ doc }) => !/^[A-Z`].*[.:]/s.test(doc)).map(({ file, name }) => `${file} ${name}`)).toEqual([])
  })

  it("has an example of every function and class", () => {
    expect(all.filter(({ isType, doc }) => !isType && exampleOf(doc) === undefined).map(({ name }) => name)).toEqual([])
  })
})

describe("examples", () => {
  it("compile", async () => {
    const tsc = path.join(repository, "node_modules/typescript/lib/tsc.js")
    expect(await call(process.execPath, [tsc, "-p", "."], folder)).toBe("")
  })

  it.each(examples)("run: $name", async ({ at, code }) => {
    const root = path.join(folder, at)
    const expected = Array.from(code.matchAll(/(?:console\.log|printLine)\(.*\) \/\/ (.*)$/gm), (match) => match[1]!)
    const printed = await call(process.execPath, ["example.ts"], root)
    expect(printed.trimEnd().split("\n").filter(Boolean)).toEqual(expected)
    if (code.includes("export default"))
      await call(path.join(await installed(), "node_modules/.bin/op-pipe"), ["run", "--file", "example.ts"], root)
  })
})
