/**
 * The bundles that runs start from are made again when anything by which their modules were found is another: links, packages that
 * lie nearer or elsewhere, files that come before others. And what they compute is what the sources would.
 */
import { execFile } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { lastEvent, opPipe, repository } from "../../lib/cli.ts"
import { makeProject, stageModule, valueModule } from "../../lib/project.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const pipeline = (stage = "./stages/first.ts"): string => `import { Pipeline } from "./core/index.ts"
import { first } from "${stage}"
export default Pipeline.make({ name: "p", steps: [Pipeline.step(first, { inputs: {} })] })
`

/** A project whose one stage, in a folder of its own, gives `value` with `imports` in scope. */
const makeStage = (imports: string, value: string, files: Readonly<Record<string, string>>): string => {
  const root = path.join(temporaryFolder(), "project")
  makeProject(root, undefined, {
    "stages/value.ts": valueModule("Schema.Unknown").replace("./core", "../core"),
    "stages/first.ts": `${imports}\n${stageModule("first", "{}", `output.value.write(${value})`).replace("./core", "../core")}`,
    "pipeline.ts": pipeline()
  })
  // packages of its own beside those that everything needs
  unlinkSync(path.join(root, "node_modules"))
  mkdirSync(path.join(root, "node_modules"))
  for (const name of ["effect", "xxhash-wasm"]) {
    symlinkSync(path.join(repository, "node_modules", name), path.join(root, "node_modules", name))
  }
  writeFiles(root, files)
  return root
}

const run = async (root: string): Promise<unknown> => {
  const finished = await opPipe(["run", "--json"], { cwd: root })
  expect(finished.code, finished.stdout + finished.stderr).toBe(0)
  const { executed } = lastEvent(finished)
  return [executed.length, JSON.parse(readFileSync(path.join(root, "outputs/first/value.json"), "utf8"))]
}

/** A package `name` at `at` that gives `value`, from its file `main`. */
const packaged = (at: string, version: string, value: string, main = "index.js"): Readonly<Record<string, string>> => ({
  [`${at}/package.json`]: JSON.stringify({ name: "foo", version, type: "module", main }),
  [`${at}/${main}`]: `export const value = "${value}"\n`
})

const relink = (target: string, at: string): void => {
  rmSync(at, { force: true })
  symlinkSync(target, at)
}

it("one of many processes that begin at once makes a bundle, and the others take it", async () => {
  const root = makeStage("", "1", {})
  const cache = path.join(temporaryFolder(), "cache")
  const env = { OP_PIPE_CACHE_DIR: cache }
  // a file as young as a bundle is not trusted, so each process would make its own
  await new Promise((resolve) => setTimeout(resolve, 200))
  const runs = await Promise.all(Array.from({ length: 4 }, () => opPipe(["run"], { cwd: root, env })))
  expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, ""]))
  const bundles = path.join(cache, "start")
  const names = readdirSync(bundles).filter((name) => name !== ".swept")
  const made = names.map((name) => readdirSync(path.join(bundles, name)).filter((each) => /^made-/u.test(each)))
  // of the command line, and of the step
  expect(made.map(({ length }) => length)).toEqual([1, 1])
})

describe("what a step computes is of the code that is there", () => {
  it("after the link of a package is another, as in a store of packages", async () => {
    const root = makeStage(`import { value as foo } from "foo"`, "foo", {
      ...packaged("packages/node_modules/.foo-1/node_modules/foo", "1.0.0", "one"),
      ...packaged("packages/node_modules/.foo-2/node_modules/foo", "2.0.0", "two")
    })
    const link = path.join(root, "node_modules/foo")
    relink("../packages/node_modules/.foo-1/node_modules/foo", link)
    expect(await run(root)).toEqual([1, "one"])
    relink("../packages/node_modules/.foo-2/node_modules/foo", link)
    expect(await run(root)).toEqual([1, "two"])
  })

  it("after a folder's link is another", async () => {
    const root = makeStage(`import { value as u } from "../lib/u.ts"`, "u", {
      "v1/u.ts": `export const value = "one"\n`,
      "v2/u.ts": `export const value = "two"\n`
    })
    relink("v1", path.join(root, "lib"))
    expect(await run(root)).toEqual([1, "one"])
    relink("v2", path.join(root, "lib"))
    expect(await run(root)).toEqual([1, "two"])
  })

  it("after a module came before another, by its ending or as the nearer package", async () => {
    const root = makeStage(`import { value as x } from "./x"\nimport { value as foo } from "foo"`, "x + foo", {
      "stages/x.js": `export const value = "x.js "\n`,
      ...packaged("node_modules/foo", "1.0.0", "outer")
    })
    expect(await run(root)).toEqual([1, "x.js outer"])
    writeFiles(root, { "stages/x.ts": `export const value = "x.ts "\n` })
    expect(await run(root)).toEqual([1, "x.ts outer"])
    writeFiles(root, packaged("stages/node_modules/foo", "3.0.0", "nearer"))
    expect(await run(root)).toEqual([1, "x.ts nearer"])
    renameSync(path.join(root, "stages/x.ts"), path.join(root, "stages/y.ts"))
    expect(await run(root)).toEqual([1, "x.js nearer"])
  })

  it("after a package has another main file, and the earlier one is gone", async () => {
    const root = makeStage(
      `import { value as foo } from "foo"`,
      "foo",
      packaged("node_modules/foo", "1.0.0", "one", "a.js")
    )
    expect(await run(root)).toEqual([1, "one"])
    rmSync(path.join(root, "node_modules/foo"), { recursive: true })
    writeFiles(root, packaged("node_modules/foo", "2.0.0", "two", "b.js"))
    expect(await run(root)).toEqual([1, "two"])
  })

  it("after the pipeline's own link is another, or that of what it imports", async () => {
    const root = makeStage("", `"one"`, {
      "stages/second.ts": stageModule("first", "{}", `output.value.write("two")`).replace("./core", "../core"),
      "other.ts": pipeline("./stages/second.ts")
    })
    const file = path.join(root, "pipeline.ts")
    renameSync(file, path.join(root, "some.ts"))
    relink("some.ts", file)
    expect(await run(root)).toEqual([1, "one"])
    relink("other.ts", file)
    expect(await run(root)).toEqual([1, "two"])
    writeFileSync(path.join(root, "other.ts"), pipeline("./chosen.ts"))
    relink("stages/second.ts", path.join(root, "chosen.ts"))
    expect(await run(root)).toEqual([0, "two"])
    relink("stages/first.ts", path.join(root, "chosen.ts"))
    expect(await run(root)).toEqual([0, "one"])
  })
})

it.each([
  ["a script", ""],
  ["modules, where one waits", "await Promise.resolve()"]
])("a step computes what its sources say, from %s: names, texts, fields", async (_, waits) => {
  const module = `export function relu() {}
export class Net { given; declare readonly told: number }
export const text = \`const here = import.meta.url\`
export const here = import.meta.filename
${waits}
export const folded = ["Zoë", "Ａ"].map((each) => each.replace(/[ëＡ]/u, "e"))
`
  const root = makeStage(
    `import * as A from "./a.ts"\nimport * as B from "./b.ts"`,
    "[A.relu.name, B.relu.name, A.Net.name, B.Net.name, A.text, A.here, B.here, Object.keys(new B.Net()), A.folded]",
    {
      "stages/a.ts": module,
      "stages/b.ts": module,
      "tsconfig.json": JSON.stringify({ compilerOptions: { useDefineForClassFields: false } })
    }
  )
  const [a, b] = ["a", "b"].map((name) => path.join(root, `stages/${name}.ts`))
  const text = "const here = import.meta.url"
  expect(await run(root)).toEqual([1, ["relu", "relu", "Net", "Net", text, a, b, ["given"], ["Zoe", "e"]]])
})

it("of packages outside of the bundle a step sees what Node imports, also where they are imported later", async () => {
  const esm = "export default function named() {}\nexport let count = 1\nexport const raise = () => { count += 1 }\n"
  const cjs = 'module.exports = class Base { static kind = "class" }\nmodule.exports.extra = "extra"\n'
  const later = `import named, * as all from "esm"
import Base, { extra } from "cjs"
export * from "esm"
export const seen = [named.name, typeof all.default, Base.kind, extra, Object.keys(all).sort()]
`
  const root = makeStage(
    `import named, { count, raise } from "esm"\nimport Base from "cjs"\nimport * as path from "node:path"\nimport old from "./old.cjs"`,
    `[named.name, (raise(), count), new (class extends Base {})() instanceof Base, typeof path.default.join, old,
      ...(yield* Effect.promise(() => import("./later.ts").then((each) => [each.seen, each.count]))),
      yield* Effect.promise(() => import("esm").then((each) => each.default.name)),
      yield* Effect.promise(() => import("node:path").then((each) => typeof each.join))]`,
    {
      "node_modules/esm/package.json": JSON.stringify({
        name: "esm",
        version: "1.0.0",
        type: "module",
        main: "index.js"
      }),
      "node_modules/esm/index.js": esm,
      "node_modules/cjs/package.json": JSON.stringify({ name: "cjs", version: "1.0.0", main: "index.js" }),
      "node_modules/cjs/index.js": cjs,
      "stages/later.ts": later,
      "stages/old.cjs": `const Base = require("cjs")
let missing
try {
  require("not-there")
} catch ({ code }) {
  missing = code
}
module.exports = [missing, new Base() instanceof Base, require("node:path").posix.sep, require("./older.cjs")]
`,
      "stages/older.cjs": `module.exports = "older"\n`
    }
  )
  const first = path.join(root, "stages/first.ts")
  const text = readFileSync(first, "utf8")
  // the work waits, so it is a generator
  const work = /output\.value\.write\(([\s\S]*)\),?\n\}\)/u.exec(text)
  expect(work, text).not.toBeNull()
  writeFileSync(
    first,
    text.replace(work![0], `Effect.gen(function* () { yield* output.value.write(${work![1]}) })\n})`)
  )
  const all = ["count", "default", "raise"]
  const seen = ["named", "function", "class", "extra", all]
  expect(await run(root)).toEqual([
    1,
    ["named", 2, true, "function", ["MODULE_NOT_FOUND", true, "/", "older"], seen, 2, "named", "function"]
  ])
})

describe("a step computes what its sources say", () => {
  // evanw/esbuild heeds such comments; hermetic 06
  it("whatever a comment says of calls, and sees no name of the bundle's", async () => {
    const effects = (comment: string) => `let total = 0
export const add = (n: number) => (total += n)
add(1)
${comment} add(10)
const unused = ${comment} add(100)
export const seen = () => [total, typeof module, typeof exports, typeof __dirname]
export { text } from "./text.ts"
`
    const root = makeStage(`import { seen, text } from "./effects.ts"`, "[...seen(), text]", {
      "stages/effects.ts": effects(""),
      "stages/text.ts": `export const text = "/* @__PURE__ */"\n`
    })
    const nothing = ["undefined", "undefined", "undefined"]
    expect(await run(root)).toEqual([1, [111, ...nothing, "/* @__PURE__ */"]])
    writeFileSync(path.join(root, "stages/effects.ts"), effects("/* @__PURE__ */"))
    expect(await run(root)).toEqual([0, [111, ...nothing, "/* @__PURE__ */"]])
    const forced = await opPipe(["run", "--json", "--force", "first"], { cwd: root })
    expect(lastEvent(forced).executed).toEqual(["first"])
    expect(JSON.parse(readFileSync(path.join(root, "outputs/first/value.json"), "utf8"))[0]).toBe(111)
  })

  it("of Node's own modules, by each way to import them, from several modules and CommonJS", async () => {
    const found = "[fs.readFileSync === readFileSync, all.default === fs, all.readFileSync === readFileSync]"
    const root = makeStage(
      `import fs, { readFileSync } from "node:fs"
import * as all from "node:fs"
import { other } from "./other.ts"
import old from "./old.cjs"`,
      `[...${found}, Object.keys(all).includes("readFileSync"), Object.keys(all).includes("default"), other(fs, all), old(fs)]`,
      {
        "stages/other.ts": `import fs from "fs"
import * as all from "fs"
export const other = (theirs: unknown, seen: unknown) => [theirs === fs, seen === all]
`,
        "stages/old.cjs": `module.exports = (fs) => [fs === require("node:fs"), "default" in fs]
`
      }
    )
    expect(await run(root)).toEqual([1, [true, true, true, true, true, [true, true], [true, false]]])
  })

  it("of CommonJS its own place too", async () => {
    const root = makeStage(`import old from "./old.cjs"`, "old", {
      "stages/old.cjs": "module.exports = [__filename, __dirname]\n"
    })
    const file = path.join(root, "stages/old.cjs")
    expect(await run(root)).toEqual([1, [file, path.dirname(file)]])
  })

  /** Modules by every name that leads to one: pipelines 21, 23, 24, 35. */
  const names = {
    "stages/compiled.ts": `export const value = "ts"\n`,
    "stages/card.tsx": `const h = (name: string) => name\n/** @jsx h */\nexport const value = <b>1</b>\n`,
    "stages/table.json": `{ "b": 1, "a": 2 }`,
    "lib/alias.ts": `export const value = "alias"\n`,
    "lib/own.ts": `export const value = "own"\n`,
    "lib/index.ts": `export const value = "index"\n`,
    "tsconfig.json": JSON.stringify({ compilerOptions: { paths: { "@/*": ["./lib/*"] } } }),
    "package.json": JSON.stringify({ type: "module", imports: { "#own": "./lib/own.js" } })
  }
  const imports = `import { value as compiled } from "./compiled.js"
import { value as card } from "./card.tsx"
import table from "./table.json" with { type: "json" }
import { value as alias } from "@/alias"
import { value as own } from "#own"
import { value as index } from "../lib/index"
`

  it("by every name that leads to a module", async () => {
    const root = makeStage(imports, "[compiled, card, Object.keys(table), alias, own, index]", names)
    expect(await run(root)).toEqual([1, ["ts", "b", ["b", "a"], "alias", "own", "index"]])
  })

  it("of a package's documents, at once and later", async () => {
    const root = makeStage(
      `import table from "data/table" with { type: "json" }`,
      `[table.b, (yield* Effect.promise(() => import("data/package.json", { with: { type: "json" } }))).default.name]`,
      {
        "node_modules/data/package.json": JSON.stringify({
          name: "data",
          version: "1.0.0",
          exports: { "./table": "./table.json", "./package.json": "./package.json" }
        }),
        "node_modules/data/table.json": `{ "b": 1 }`
      }
    )
    const first = path.join(root, "stages/first.ts")
    // the work waits, so it is a generator
    const [work, value] = /output\.value\.write\((.*)\)/u.exec(readFileSync(first, "utf8"))!
    const written = readFileSync(first, "utf8").replace(
      work!,
      `Effect.gen(function* () { yield* output.value.write(${value!}) })`
    )
    writeFileSync(first, written)
    expect(await run(root)).toEqual([1, [1, "data"]])
  })

  it("by every such name without a bundle too", async () => {
    const root = makeStage("", `"one"`, names)
    const here = imports.replaceAll("./", "./stages/").replace("../stages/lib/index", "./lib")
    const found = "JSON.stringify([compiled, card, Object.keys(table), alias, own, index])"
    const file = path.join(root, "pipeline.ts")
    writeFileSync(file, `${here}\nif (true) throw new Error(${found})\n${readFileSync(file, "utf8")}`)
    const { stderr } = await opPipe(["status"], { cwd: root, env: { OP_PIPE_BUNDLE: "off" } })
    expect(stderr).toContain(JSON.stringify(["ts", "b", ["b", "a"], "alias", "own", "index"]))
    expect(stderr).toMatch(/pipeline\.ts:\d+:\d+$/mu)
  })
})

describe("what cannot be found is said in one sentence, with its place", () => {
  const problems: ReadonlyArray<readonly [what: string, line: string, said: string]> = [
    [
      "use 21: a package",
      `import "lodash"`,
      `:1:8: expected a module behind the import "lodash", but no package lodash is installed`
    ],
    [
      "a module",
      `import { x } from './none.js'`,
      `:1:19: expected a module behind the import "./none.js", but there is no file`
    ],
    [
      "use 07: what a package does not export",
      `import "op-pipe/stages/train"`,
      `behind the import "op-pipe/stages/train", but`
    ],
    [
      "pipelines 22: a template",
      "export const f = (n: string) => import(`./stages/${n}.ts`)",
      ":1:33: a computed import() cannot be followed"
    ],
    ["a computed import", "export const f = (n: string) => import(n)", ":1:33: a computed import() cannot be followed"],
    ["a module that cannot be read", "const = 3", ":1:7: expected a module that can be read, but: Expected identifier"],
    [
      "what a module does not export",
      'import { none } from "./stages/value.ts"; none()',
      "stages/value.ts to export none, but it does not. Correct the name; a type is imported by `import type`"
    ],
    [
      "what a package does not export",
      'import { none } from "effect"; none()',
      ":1:10: expected effect to export none, but it does not."
    ],
    ["use 21: what a module throws", `JSON.parse("{bad")`, "could not be loaded: SyntaxError: "]
  ]
  it.each(problems)("%s", async (_what, line, said) => {
    const root = makeStage("", `"one"`, {})
    const file = path.join(root, "pipeline.ts")
    writeFileSync(file, `${line}\n${readFileSync(file, "utf8")}`)
    const { code, stderr } = await opPipe(["status"], { cwd: root })
    expect(code, stderr).toBe(2)
    expect(stderr).toContain(said)
    expect(stderr).toContain(`${file}:1:`)
    expect(stderr).not.toMatch(/made-|program\.js|node:internal/u)
  })
})

it.skipIf(!existsSync("/proc/self/task"))("esbuild's process ends with the last bundle that is made", async () => {
  const cwd = temporaryFolder()
  writeFiles(cwd, { "a.ts": "export const a = 1", "b.ts": "export const b: number = 2" })
  const program = `
    const { readFileSync } = require("node:fs")
    const { bundled } = require(${JSON.stringify(path.join(repository, "core/start/start.cjs"))})
    const processes = () => readFileSync("/proc/self/task/" + process.pid + "/children", "utf8")
    const end = (tries) => processes() === "" || tries === 0 ? console.log("left:", processes()) : setTimeout(end, 20, tries - 1)
    const made = ["a", "b"].map((name) => bundled('export * from "./' + name + '.ts"', ${JSON.stringify(cwd)}))
    Promise.all(made).then((all) => console.log(all.map(({ main }) => Object.keys(require(main)).join()).join())).then(() => end(100))`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--eval", program], {
    env: { ...process.env, OP_PIPE_CACHE_DIR: path.join(cwd, "cache") }
  })
  expect([stdout, stderr]).toEqual(["a,b\nleft: \n", ""])
})

it("earlier bundles are kept for a while, and no more than there is use for", async () => {
  const root = makeStage("", "1", {})
  const cache = path.join(temporaryFolder(), "cache")
  const start = path.join(cache, "start")
  const daysAgo = (at: string, days: number): string => {
    mkdirSync(path.join(start, at), { recursive: true })
    const then = new Date(Date.now() - days * 86_400_000)
    utimesSync(path.join(start, at), then, then)
    return at
  }
  const others = Array.from({ length: 110 }, (_, index) =>
    daysAgo(`name-${index}`, index < 50 ? 0.5 : 2 + index / 1000)
  )
  const old = daysAgo("name-old", 61)
  const run = async (...args: ReadonlyArray<string>) => {
    const finished = await opPipe(args, { cwd: root, env: { OP_PIPE_CACHE_DIR: cache } })
    expect(finished.code, finished.stdout + finished.stderr).toBe(0)
    const left = readdirSync(start).filter((name) => name !== ".swept")
    const own = left.filter((name) => !name.startsWith("name-"))
    expect(left).not.toContain(old)
    return { own: own.length, others: others.filter((name) => left.includes(name)) }
  }
  // it was looked through when the first was made, and not again within the hour
  expect(await run("run")).toEqual({ own: 2, others: others.slice(0, 99) })
  const hoursAgo = new Date(Date.now() - 2 * 3_600_000)
  utimesSync(path.join(start, ".swept"), hoursAgo, hoursAgo)
  writeFileSync(path.join(root, "other.ts"), readFileSync(path.join(root, "pipeline.ts")))
  expect(await run("status", "--file", "other.ts")).toEqual({ own: 3, others: others.slice(0, 97) })
})
