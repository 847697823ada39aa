/**
 * What a stage's code reaches, by whatever name: each edit here changes what an import means, or what a file holds that a stage may
 * read, so that the identity must differ; and by what is remembered as well.
 */
import { rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { CodeIdentity } from "../../../cache/code/CodeIdentity.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

type Files = Readonly<Record<string, string>>

const identify = (root: string, stage = "stage.ts") =>
  Effect.gen(function* () {
    const identity = yield* CodeIdentity
    const found = yield* identity.of(pathToFileURL(path.join(root, stage)).href)
    yield* identity.flush
    return found
  }).pipe(Effect.provide(CodeIdentity.layerIn(path.join(root, ".store")).pipe(Layer.provideMerge(Disk.layer))))

const project = (files: Files): string => {
  const root = temporaryFolder()
  writeFiles(root, { "package.json": "{}", ...files })
  return root
}

const older = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 80)))

/** Fingerprints before and after `edit`, which removes files that are empty. */
const around = Effect.fnUntraced(function* (files: Files, edit: Files) {
  const root = project(files)
  yield* older
  const before = yield* identify(root)
  yield* older
  for (const [name, text] of Object.entries(edit)) if (text === "") rmSync(path.join(root, name))
  writeFiles(root, Object.fromEntries(Object.entries(edit).filter(([, text]) => text !== "")))
  const after = yield* identify(root)
  rmSync(path.join(root, ".store"), { recursive: true })
  expect(after.code).toEqual((yield* identify(root)).code)
  return { root, before, after }
})

const value = (n: number): string => `export const value = ${n}`
const from = (specifier: string): string => `import { value } from "${specifier}"\nexport const run = () => value`
const config = (compilerOptions: object, more: object = {}): string => JSON.stringify({ compilerOptions, ...more })
const two = { "a/m.ts": value(1), "b/m.ts": value(2) }
const pathsTo = (folder: string): string => config({ paths: { "@/*": [`./${folder}/*`] } })

describe("an import", () => {
  const found: ReadonlyArray<readonly [what: string, files: Files, modules: ReadonlyArray<string>]> = [
    ["pipelines 23: of a compiled name", { "stage.ts": from("./m.js"), "m.ts": value(1) }, ["m.ts"]],
    ["of a compiled name with a file", { "stage.ts": from("./m.js"), "m.ts": value(1), "m.js": value(2) }, ["m.js"]],
    ["of a compiled module's name", { "stage.ts": from("./m.mjs"), "m.mts": value(1) }, ["m.mts"]],
    ["pipelines 35: of markup", { "stage.ts": from("./m"), "m.tsx": value(1) }, ["m.tsx"]],
    ["of an index", { "stage.ts": from("./lib"), "lib/index.js": value(1) }, ["lib/index.js"]],
    ["of a folder beside a file", { "stage.ts": from("./m"), "m.ts": value(1), "m/index.ts": value(2) }, ["m.ts"]],
    ["pipelines 24: by paths", { "stage.ts": from("@/m.ts"), "tsconfig.json": pathsTo("a"), ...two }, ["a/m.ts"]],
    [
      "by paths with comments, of which the longest counts",
      {
        "stage.ts": from("@/b/m"),
        "tsconfig.json": `{ // as written\n "compilerOptions": { "paths": { "@/*": ["./a/*"], "@/b/*": ["./none/*", "./b/*"], } } }`,
        ...two
      },
      ["b/m.ts"]
    ],
    ["by baseUrl", { "stage.ts": from("a/m"), "tsconfig.json": config({ baseUrl: "." }), ...two }, ["a/m.ts"]],
    [
      "by what a tsconfig extends, from where that lies",
      {
        "stage.ts": from("@/m.js"),
        "tsconfig.json": config({}, { extends: ["./none.json", "./config/base"] }),
        "config/base.json": config({ paths: { "@/*": ["../b/*"] } }),
        ...two
      },
      ["b/m.ts"]
    ],
    [
      "by the package's own names",
      {
        "stage.ts": from("#lib/m.js"),
        "package.json": JSON.stringify({ imports: { "#lib/*": { browser: "./a/*", default: "./b/*" } } }),
        ...two
      },
      ["b/m.ts"]
    ]
  ]
  it.effect.each(found)("%s", ([_what, files, modules]) =>
    Effect.gen(function* () {
      const { code } = yield* identify(project(files))
      expect(Object.keys(code.modules)).toEqual([...modules, "stage.ts"])
    })
  )

  it.effect("by paths is of a package where there is no such file, and of types alone never", () =>
    Effect.gen(function* () {
      const { code } = yield* identify(
        project({
          "stage.ts": `import "lib"\nimport "other"`,
          "tsconfig.json": config({ paths: { "*": ["./none/*"], other: ["./types/other.d.ts"] } }),
          "types/other.d.ts": "export const x: number",
          "node_modules/lib/package.json": `{"name":"lib","version":"1.0.0"}`
        })
      )
      expect(code.packages).toEqual({ lib: expect.stringMatching(/^1\.0\.0 content /), other: "not installed" })
    })
  )

  const edits: ReadonlyArray<readonly [what: string, files: Files, edit: Files]> = [
    ["paths", { "stage.ts": from("@/m"), "tsconfig.json": pathsTo("a"), ...two }, { "tsconfig.json": pathsTo("b") }],
    [
      "paths of what is extended",
      {
        "stage.ts": from("@/m"),
        "tsconfig.json": config({}, { extends: "./base.json" }),
        "base.json": pathsTo("a"),
        ...two
      },
      { "base.json": pathsTo("b") }
    ],
    [
      "a nearer tsconfig",
      {
        "x/stage.ts": from("@/m"),
        "stage.ts": `import "./x/stage.ts"`,
        "tsconfig.json": pathsTo("a"),
        ...two,
        "x/b/m.ts": value(3)
      },
      { "x/tsconfig.json": pathsTo("b") }
    ],
    ["a file that comes before", { "stage.ts": from("./m.js"), "m.ts": value(1) }, { "m.js": value(1) }],
    [
      "names of its own",
      { "stage.ts": from("#m"), "package.json": `{"imports":{"#m":"./a/m.ts"}}`, ...two },
      { "package.json": `{"imports":{"#m":"./b/m.ts"}}` }
    ]
  ]
  it.live.each(edits)("counts anew after an edit of %s, which leads elsewhere", ([_what, files, edit]) =>
    Effect.gen(function* () {
      const { before, after } = yield* around(files, edit)
      expect(after.text).not.toBe(before.text)
    })
  )

  it.effect("that is missing is named with its place", () =>
    Effect.gen(function* () {
      const root = project({ "stage.ts": `// "./none.js"\nimport "./none.js"` })
      const error = yield* Effect.flip(identify(root))
      expect(error.message).toContain(
        `${root}/stage.ts:2:8: expected a module behind "./none.js", but there is no file`
      )
    })
  )
})

describe("a file that a stage may read or load past its imports", () => {
  const reads = (specifier: string): string => `export const file = new URL("${specifier}", import.meta.url)`
  const made = `import { createRequire } from "node:module"\nconst load = createRequire(import.meta.url)\n`
  const edits: ReadonlyArray<readonly [what: string, files: Files, edit: Files, counts: boolean]> = [
    ["hermetic 04: its manifest", { "stage.ts": reads("package.json") }, { "package.json": `{"bins":2}` }, true],
    ["a table", { "stage.ts": reads("./lut.bin"), "lut.bin": "1" }, { "lut.bin": "2" }, true],
    ["a table that was not there", { "stage.ts": reads("./lut.bin") }, { "lut.bin": "2" }, true],
    [
      "a comment of a module that is found so",
      { "stage.ts": reads("./m.ts"), "m.ts": value(1) },
      { "m.ts": `${value(1)} // 2` },
      true
    ],
    [
      "hermetic 01: a worker",
      { "stage.ts": `new Worker(${reads("./w.ts").split(" = ")[1]})`, "w.ts": `import "./m.ts"`, "m.ts": value(1) },
      { "m.ts": value(2) },
      true
    ],
    [
      "a comment in a worker",
      { "stage.ts": `new Worker(${reads("./w.ts").split(" = ")[1]})`, "w.ts": value(1) },
      { "w.ts": `// 2\n${value(1)}` },
      false
    ],
    ["hermetic 03: an addon", { "stage.ts": `${made}load("./a.node")`, "a.node": "1" }, { "a.node": "2" }, true],
    ["a required document", { "stage.ts": `${made}load("./a")`, "a.json": "[1]" }, { "a.json": "[2]" }, true],
    [
      "a required module",
      { "stage.ts": `${made}load("./a")`, "a.js": "exports.a = 1" },
      { "a.js": "exports.a = 2" },
      true
    ],
    ["a resolved file", { "stage.ts": `${made}load.resolve("./a.bin")`, "a.bin": "1" }, { "a.bin": "2" }, true],
    [
      "pipelines 21: a document",
      { "stage.ts": `import a from "./a.json"`, "a.json": `{"a":1}` },
      { "a.json": `{"a":2}` },
      true
    ],
    [
      "how a document is laid out",
      { "stage.ts": `import a from "./a.json"`, "a.json": `{"a":1}` },
      { "a.json": `{\n"a": 1 }` },
      false
    ],
    [
      "hermetic 04: its own text",
      { "stage.ts": "f(import.meta.filename)" },
      { "stage.ts": "f(import.meta.filename) // 2" },
      true
    ]
  ]
  it.live.each(edits)("%s", ([_what, files, edit, counts]) =>
    Effect.gen(function* () {
      const { before, after } = yield* around(files, edit)
      expect(after.text !== before.text).toBe(counts)
    })
  )

  it.effect("may be read, and is checked after the step", () =>
    Effect.gen(function* () {
      const root = project({
        "stage.ts": `${reads("./lut.bin")}\nnew URL("./w.ts", import.meta.url)`,
        "lut.bin": "1",
        "w.ts": "1"
      })
      const { files, loaded } = yield* identify(root)
      const all = ["stage.ts", "w.ts", "lut.bin"].map((each) => path.join(root, each))
      expect(Array.from(files.keys()).sort()).toEqual(all.toSorted())
      expect(loaded.toSorted()).toEqual(all.toSorted())
    })
  )

  it.effect.each([
    `import.meta.resolve("lut")`,
    `${made}load("lut")`,
    `${made}load.resolve("lut/l.json")`,
    `${made}load("./n/m.js")`
  ])("hermetic 03: a package by %s", (source) =>
    Effect.gen(function* () {
      const of = (version: string) =>
        identify(
          project({
            "stage.ts": source,
            "n/m.js": `require("lut")`,
            "node_modules/lut/package.json": JSON.stringify({ name: "lut", version })
          })
        )
      expect((yield* of("1.0.0")).code.packages).toEqual({ lut: expect.stringMatching(/^1\.0\.0 content /) })
    })
  )

  it.effect("is looked for as Node does where Node loads it: no tsconfig leads there", () =>
    Effect.gen(function* () {
      const files = { "tsconfig.json": config({ paths: { lut: ["./a/m.ts"] } }), ...two }
      const { code } = yield* identify(project({ "stage.ts": `${made}load("lut")`, ...files }))
      expect(code.packages).toEqual({ lut: "not installed" })
      const error = yield* Effect.flip(
        identify(project({ "stage.ts": `new Worker(new URL("./w.js", import.meta.url))`, "w.ts": value(1) }))
      )
      expect(error.message).toContain("w.js")
    })
  )
})

// hermetic 06: what a re-exporting module loads unasked may matter
describe("a re-exporting module", () => {
  const index = {
    "stage.ts": `import { a } from "./index.ts"\nexport const run = () => a`,
    "index.ts": `export { a } from "./a.ts"\nexport { b } from "./b.ts"`
  }
  const edits: ReadonlyArray<readonly [what: string, files: Files, edit: Files, counts: boolean]> = [
    ["what only declares", { "b.ts": "export const b = 1" }, { "b.ts": "export const b = 2" }, false],
    [
      "what does something",
      { "b.ts": "globalThis.x = 1\nexport const b = 1" },
      { "b.ts": "globalThis.x = 2\nexport const b = 1" },
      true
    ],
    ["what comes to do something", { "b.ts": "export const b = 1" }, { "b.ts": "export const b = f()" }, true],
    [
      "what loads what does something",
      { "b.ts": `import "./c.ts"\nexport const b = 1`, "c.ts": "f(1)" },
      { "c.ts": "f(2)" },
      true
    ],
    [
      "what re-exports what does something",
      { "b.ts": `export { b } from "./c.ts"\nexport * from "./d.ts"`, "c.ts": "export const b = 1", "d.ts": "f(1)" },
      { "d.ts": "f(2)" },
      true
    ],
    [
      "what loads what only declares",
      { "b.ts": `import "./c.ts"\nexport const b = 1`, "c.ts": `import "./b.ts"` },
      { "c.ts": `import "./b.ts"\nconst c = 1` },
      false
    ],
    [
      "what loads what does something by modules that import each other",
      {
        "index.ts": `${index["index.ts"]}\nexport { r } from "./r.ts"`,
        "b.ts": `import "./c.ts"\nimport "./e.ts"\nexport const b = 1`,
        "c.ts": `import "./b.ts"`,
        "e.ts": "f(1)",
        "r.ts": `import "./c.ts"\nexport const r = 1`
      },
      { "r.ts": `import "./c.ts"\nexport const r = 2` },
      true
    ],
    [
      "which package is loaded for what that does",
      { "b.ts": `export const b = 1` },
      { "b.ts": `import "lib"\nexport const b = 1` },
      true
    ]
  ]
  it.live.each(edits)("counts also %s", ([_what, files, edit, counts]) =>
    Effect.gen(function* () {
      const { before, after } = yield* around({ ...index, "a.ts": "export const a = 1", ...files }, edit)
      expect(after.text !== before.text).toBe(counts)
    })
  )

  it.effect("is loaded with all of its targets", () =>
    Effect.gen(function* () {
      const root = project({ ...index, "a.ts": "export const a = 1", "b.ts": "export const b = 1" })
      writeFileSync(path.join(root, "other.ts"), "")
      const { files, loaded } = yield* identify(root)
      expect(Array.from(files.keys(), (file) => path.basename(file)).sort()).toEqual(["a.ts", "index.ts", "stage.ts"])
      expect(loaded.map((file) => path.basename(file)).sort()).toEqual(["a.ts", "b.ts", "index.ts", "stage.ts"])
    })
  )
})
