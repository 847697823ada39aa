/**
 * What once was two and passed for one: orders, modules and packages of one name, links, what was edited in between. Each
 * two projects here compute different things, so that their identities must differ.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { describe, expect } from "vitest"
import { CodeIdentity } from "../../../cache/code/CodeIdentity.ts"
import type { Code } from "../../../cache/identity/CacheKey.ts"
import * as Digest from "../../../cache/identity/Digest.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

/** What a cache key takes in of it. */
const inKey = (code: Code): string => Result.getOrThrow(Digest.ofValue("Code", code))

type Files = Readonly<Record<string, string>>

/** The identity of `stage` in `root`, with all that is remembered there. */
const identified = (root: string, stage: string, disk: Layer.Layer<Disk> = Disk.layer) =>
  Effect.gen(function* () {
    const identity = yield* CodeIdentity
    const found = yield* identity.of(pathToFileURL(path.join(root, stage)).href)
    yield* identity.flush
    return found
  }).pipe(Effect.provide(CodeIdentity.layerIn(path.join(root, ".store")).pipe(Layer.provideMerge(disk))))

const identify = (root: string, stage = "stage.ts", disk?: Layer.Layer<Disk>) =>
  Effect.map(identified(root, stage, disk), ({ code }) => code)

const identifyFiles = (files: Files, stage = "stage.ts") => {
  const root = temporaryFolder()
  writeFiles(root, { "package.json": "{}", ...files })
  return identify(root, stage)
}

const older = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 80)))

/** Identities before and after an edit: by what is remembered, and by a look at everything. */
const around = Effect.fnUntraced(function* (root: string, edit: () => void, stage = "stage.ts") {
  yield* older
  const before = yield* identify(root, stage)
  yield* older
  edit()
  const after = yield* identify(root, stage)
  rmSync(path.join(root, ".store"), { recursive: true })
  expect(after).toEqual(yield* identify(root, stage))
  return { before, after }
})

const near = {
  "x.ts": "globalThis.x = 1",
  "y.ts": "globalThis.x = 2",
  "pure.ts": "export const a = 1\nexport const b = 2"
}

describe("the order of statements", () => {
  it.effect.each([
    ["of values", "let n = 0\nconst a = n++\nconst b = n++", "let n = 0\nconst b = n++\nconst a = n++", true],
    ["of imports", `import "./x.ts"\nimport "./y.ts"`, `import "./y.ts"\nimport "./x.ts"`, true],
    [
      "of an import among re-exports",
      `export { a } from "./pure.ts"\nimport "./x.ts"\nexport * from "./y.ts"`,
      `export * from "./y.ts"\nimport "./x.ts"\nexport { a } from "./pure.ts"`,
      true
    ],
    [
      "of statements that declare nothing",
      "const f = []\nf.push(1)\nf.push(2)",
      "const f = []\nf.push(2)\nf.push(1)",
      true
    ],
    ["of functions", "function a() {}\nexport function b() {}", "export function b() {}\nfunction a() {}", false],
    [
      "of a function among values",
      "const a = 1\nfunction f() {}\nconst b = 2",
      "const a = 1\nconst b = 2\nfunction f() {}",
      false
    ],
    [
      "of types",
      "const a = 1\ntype T = 1\ninterface I {}\nconst b = 2",
      "interface I {}\ntype T = 1\nconst a = 1\nconst b = 2",
      false
    ]
  ] as const)("%s", ([_what, one, other, counts]) =>
    Effect.gen(function* () {
      const before = yield* identifyFiles({ ...near, "stage.ts": one })
      const after = yield* identifyFiles({ ...near, "stage.ts": other })
      expect(inKey(before) !== inKey(after)).toBe(counts)
    })
  )

  it.effect("of a re-exporting module is not changed by what else is re-exported from the same module", () =>
    Effect.gen(function* () {
      const of = (more: string) =>
        identifyFiles({
          "stage.ts": `import { a } from "./index.ts"`,
          "index.ts": `${more}export { a } from "./pure.ts"`,
          ...near
        })
      expect(yield* of(`export { b } from "./pure.ts"\n`)).toEqual(yield* of(""))
    })
  )

  it.effect("counts in a re-exporting module as far as it is asked for", () =>
    Effect.gen(function* () {
      const lines = ["x", "y", "z"].map((each) => `export { ${each} } from "./${each}.ts"`)
      const of = (order: ReadonlyArray<number>) =>
        identifyFiles({
          "stage.ts": `import { x, y } from "./index.ts"`,
          "index.ts": order.map((each) => lines[each]!).join("\n"),
          ...Object.fromEntries(["x", "y", "z"].map((each) => [`${each}.ts`, `export const ${each} = 1`]))
        })
      const base = yield* of([0, 1, 2])
      expect(yield* of([2, 0, 1])).toEqual(base)
      expect(yield* of([0, 2, 1])).toEqual(base)
      expect(yield* of([1, 0, 2])).not.toEqual(base)
    })
  )
})

/** A disk on which `edit` is done after the file that ends so was hashed, once. */
const editing = (ending: string, edit: (file: string) => void): Layer.Layer<Disk> => {
  let done = false
  return Layer.effect(
    Disk,
    Effect.map(Disk, (disk) =>
      Disk.of({
        ...disk,
        hash: (file) =>
          Effect.tap(disk.hash(file), () =>
            Effect.sync(() => {
              if (done || !file.endsWith(ending)) return
              done = true
              edit(file)
            })
          )
      })
    )
  ).pipe(Layer.provide(Disk.layer))
}

describe("a module that is edited between being hashed and being read", () => {
  it.live("leaves nothing behind that would be taken for what it was", () =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      const [old, now] = ["export const a = 1", "export const a = 2"]
      writeFiles(root, { "package.json": "{}", "stage.ts": old })
      yield* older
      const disk = editing("stage.ts", (file) => writeFileSync(file, now))
      const between = yield* identified(root, "stage.ts", disk)
      expect(Array.from(between.files.values())).toEqual([Digest.ofText(now)])
      expect(between.code).toEqual(yield* identifyFiles({ "stage.ts": now }))
      writeFileSync(path.join(root, "stage.ts"), old)
      yield* older
      expect(yield* identify(root)).toEqual(yield* identifyFiles({ "stage.ts": old }))
    })
  )
})

describe("what would be loaded unseen", () => {
  it.effect.each([
    ["an absolute path", `import { x } from "/tmp/u.ts"`, `"/tmp/u.ts" are not followed`],
    ["an import that is assigned", `import u = require("./x.ts")`, "import name = require(...)"],
    ["an exported one", `export import u = require("./x.ts")`, "import name = require(...)"],
    ["a text", `import d from "./d.txt"`, "d.txt: expected a module, whose name ends in .ts"],
    ["its own package by name", `import d from "mine/x.ts"`, `"mine/x.ts" is its own package`],
    ["its own package by a link", `import d from "self/x.ts"`, `"self/x.ts" leads to a folder that the stage lies in`]
  ] as const)("is refused: %s", ([_what, source, problem]) =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      writeFiles(root, {
        "package.json": `{"name":"mine"}`,
        "stage.ts": source,
        "x.ts": "export default 1",
        "d.txt": "one"
      })
      mkdirSync(path.join(root, "node_modules"))
      symlinkSync("..", path.join(root, "node_modules/self"))
      const error = yield* Effect.flip(identify(root))
      expect(error._tag).toBe("CodeUnknown")
      expect(error.message).toContain(problem)
    })
  )
})

describe("modules", () => {
  it.live("of one path in two packages without a name are two", () =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      const manifests = Object.fromEntries(["a", "b", "c"].map((each) => [`${each}/package.json`, `{"type":"module"}`]))
      writeFiles(root, {
        ...manifests,
        "a/stage.ts": `import { f } from "../b/util.ts"\nimport { f as g } from "../c/util.ts"\nexport const run = [f, g]`,
        "b/util.ts": "export const f = 1",
        "c/util.ts": "export const f = 1"
      })
      for (const each of ["b/util.ts", "c/util.ts"]) {
        const { before, after } = yield* around(
          root,
          () => writeFileSync(path.join(root, each), "export const f = 7"),
          "a/stage.ts"
        )
        expect(after, each).not.toEqual(before)
        expect(JSON.stringify(after)).not.toContain(root)
      }
    })
  )

  it.live("that two links lead to are told apart when the links are swapped", () =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      writeFiles(root, {
        "package.json": "{}",
        "stage.ts": `import { f } from "./p.ts"\nimport { f as g } from "./q.ts"\nexport const run = [f, g]`,
        "one.ts": "export const f = 1",
        "two.ts": "export const f = 2"
      })
      symlinkSync("one.ts", path.join(root, "p.ts"))
      symlinkSync("two.ts", path.join(root, "q.ts"))
      const { before, after } = yield* around(root, () => {
        for (const each of ["p.ts", "q.ts"]) unlinkSync(path.join(root, each))
        symlinkSync("two.ts", path.join(root, "p.ts"))
        symlinkSync("one.ts", path.join(root, "q.ts"))
      })
      expect(after).not.toEqual(before)
    })
  )

  it.effect("that import each other are two stages", () =>
    Effect.gen(function* () {
      const files = { "a.ts": `import "./b.ts"\nexport const a = 1`, "b.ts": `import "./a.ts"\nexport const b = 1` }
      expect(yield* identifyFiles(files, "a.ts")).not.toEqual(yield* identifyFiles(files, "b.ts"))
    })
  )
})

const manifest = (name: string, version: string, dependencies: Files = {}): string =>
  JSON.stringify({ name, version, dependencies })

/** A project with `lib` in its `node_modules`, a link to `packages/lib`. */
const workspace = (): string => {
  const root = temporaryFolder()
  writeFiles(root, {
    "package.json": "{}",
    "stage.ts": `import { f } from "lib"\nexport const run = f`,
    "packages/lib/package.json": manifest("lib", "1.0.0", { deep: "*" }),
    "packages/lib/src/i.ts": `export { f } from "deep"`,
    "packages/lib/.cache/x": "1",
    "packages/lib/node_modules/deep/package.json": manifest("deep", "2.0.0"),
    "packages/lib/node_modules/deep/index.js": "export const f = 1"
  })
  mkdirSync(path.join(root, "node_modules"))
  symlinkSync("../packages/lib", path.join(root, "node_modules/lib"))
  return root
}

describe("a package that is linked", () => {
  const lib = "packages/lib"
  const edits: ReadonlyArray<readonly [what: string, edit: Files, counts: boolean]> = [
    ["a module edited", { [`${lib}/src/i.ts`]: "export const f = 7" }, true],
    ["a file added", { [`${lib}/src/more/j.ts`]: "export const j = 1" }, true],
    ["its manifest edited", { [`${lib}/package.json`]: `${manifest("lib", "1.0.0", { deep: "*" })} ` }, true],
    ["what it depends on upgraded", { [`${lib}/node_modules/deep/package.json`]: manifest("deep", "2.1.0") }, true],
    ["a hidden module edited", { [`${lib}/.generated/client.ts`]: "export const f = 7" }, true],
    ["what a tool keeps in it", { [`${lib}/.cache/x`]: "2", [`${lib}/.cache/y`]: "" }, false],
    ["a package in it copied into its place", { [`${lib}/node_modules/deep/index.js`]: "export const f = 7" }, true]
  ]
  it.live.each(edits)("counts by its content: %s", ([_what, edit, counts]) =>
    Effect.gen(function* () {
      const root = workspace()
      const { before, after } = yield* around(root, () => writeFiles(root, edit))
      expect(before.packages).toEqual({
        deep: expect.stringMatching(/^2\.0\.0 content [0-9a-f]{64}$/),
        lib: expect.stringMatching(/^1\.0\.0 content [0-9a-f]{64}$/)
      })
      expect(inKey(before) !== inKey(after)).toBe(counts)
    })
  )

  it.live("counts also where the link of its scope leads elsewhere, and links in it lead on, if in a circle", () =>
    Effect.gen(function* () {
      const root = workspace()
      writeFiles(root, { "stage.ts": `import "@ours/lib"`, "shared/s.ts": "export const s = 1" })
      symlinkSync("../packages", path.join(root, "node_modules/@ours"))
      symlinkSync("../../shared", path.join(root, "packages/lib/shared"))
      symlinkSync("..", path.join(root, "packages/lib/src/up"))
      symlinkSync("nowhere", path.join(root, "packages/lib/src/broken"))
      const { before, after } = yield* around(root, () => writeFiles(root, { "shared/s.ts": "export const s = 2" }))
      expect(after).not.toEqual(before)
    })
  )

  it.effect("has its files among those that are told of, and is not taken for modules", () =>
    Effect.gen(function* () {
      const root = workspace()
      writeFileSync(path.join(root, "packages/lib/src/i.ts"), "export const f = await import(name)")
      writeFileSync(path.join(root, "packages/lib/README.md"), "read me")
      const { files, loaded } = yield* identified(root, "stage.ts")
      const stage = path.join(root, "stage.ts")
      const below = ["README.md", "package.json", "src/i.ts"].map((each) => path.join(root, "packages/lib", each))
      const deep = ["index.js", "package.json"].map((each) => path.join(root, "packages/lib/node_modules/deep", each))
      expect(Array.from(files.keys()).sort()).toEqual([stage, ...below, ...deep].sort())
      expect(loaded).toEqual([stage, ...below.slice(1)])
    })
  )

  it.effect("counts by its version where the link leads to what was installed", () =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      const store = (commit: string) => `node_modules/.pnpm/lib@${commit}/node_modules`
      const files = (commit: string) => ({
        [`${store(commit)}/lib/package.json`]: manifest("lib", "1.0.0", { deep: "*" }),
        [`${store(commit)}/lib/index.js`]: "export const f = 1",
        [`${store(commit)}/deep/package.json`]: manifest("deep", "2.0.0")
      })
      writeFiles(root, { "package.json": "{}", "stage.ts": `import "lib"`, ...files("aaaa"), ...files("bbbb") })
      const link = path.join(root, "node_modules/lib")
      symlinkSync(".pnpm/lib@aaaa/node_modules/lib", link)
      const { packages } = yield* identify(root)
      expect(packages).toEqual({ lib: "1.0.0 lib@aaaa", deep: "2.0.0 lib@aaaa" })
      unlinkSync(link)
      symlinkSync(".pnpm/lib@bbbb/node_modules/lib", link)
      expect((yield* identify(root)).packages).not.toEqual(packages)
    })
  )
})

/** Without the content by which packages count that no lockfile vouches for. */
const short = (packages: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(packages).map(([name, text]) => [name, text.replaceAll(/ content [0-9a-f]{64}/g, "")])
  )

const installed = (at: string, name: string, version: string, dependencies: Files = {}): Files => ({
  [`node_modules/${at}/package.json`]: manifest(name, version, dependencies)
})

describe("a package", () => {
  it.effect("from git counts by the commit it was resolved to", () =>
    Effect.gen(function* () {
      const of = (commit: string) =>
        identifyFiles({
          "stage.ts": `import "lib"`,
          ...installed("lib", "lib", "1.0.0"),
          "node_modules/.package-lock.json": JSON.stringify({
            packages: { "node_modules/lib": { version: "1.0.0", resolved: `git+ssh://git@host/lib.git#${commit}` } }
          })
        })
      expect(yield* of("a".repeat(40))).not.toEqual(yield* of("b".repeat(40)))
      expect((yield* of("a".repeat(40))).packages["lib"]).not.toContain("content")
      expect((yield* of("main")).packages["lib"]).toContain("content")
    })
  )

  it.live("counts by its content where nothing vouches for it: copied, from a file, in a lockfile without it", () =>
    Effect.gen(function* () {
      const lock = (entry: unknown) => JSON.stringify({ packages: { "node_modules/lib": entry } })
      const locks = [undefined, lock({ version: "1.0.0", resolved: "file:../lib" }), lock({ version: "1.0.0" }), "{}"]
      for (const text of locks) {
        const root = temporaryFolder()
        writeFiles(root, {
          "package.json": "{}",
          "stage.ts": `import "lib"`,
          ...installed("lib", "lib", "1.0.0"),
          "node_modules/lib/index.js": "export const f = 1",
          ...(text === undefined ? {} : { "node_modules/.package-lock.json": text })
        })
        const edit = { "node_modules/lib/index.js": "export const f = 2" }
        const { before, after } = yield* around(root, () => writeFiles(root, edit))
        expect(after.packages, text).not.toEqual(before.packages)
      }
      const inStore = "node_modules/.pnpm/lib@file+..+lib/node_modules/lib"
      const root = temporaryFolder()
      const files = { [`${inStore}/package.json`]: manifest("lib", "1.0.0"), [`${inStore}/index.js`]: "" }
      writeFiles(root, { "package.json": "{}", "stage.ts": `import "lib"`, ...files })
      symlinkSync(".pnpm/lib@file+..+lib/node_modules/lib", path.join(root, "node_modules/lib"))
      expect((yield* identify(root)).packages["lib"]).toContain("content")
    })
  )

  it.effect("that is imported by another name counts as that name", () =>
    Effect.gen(function* () {
      const of = (a: string, b: string) =>
        identifyFiles({
          "stage.ts": `import "x-a"\nimport "x-b"`,
          ...installed("x-a", "x", a),
          ...installed("x-b", "x", b)
        })
      const { packages } = yield* of("1.0.0", "2.0.0")
      expect(short(packages)).toEqual({
        x: "1.0.0, 2.0.0",
        "x-a (in stage.ts)": "x 1.0.0",
        "x-b (in stage.ts)": "x 2.0.0"
      })
      expect((yield* of("2.0.0", "1.0.0")).packages).not.toEqual(packages)
    })
  )

  it.effect("of which two versions are there counts for who imports which", () =>
    Effect.gen(function* () {
      const of = (versions: readonly [outer: string, ofY: string, ofZ: string]) =>
        identifyFiles({
          "stage.ts": `import "x"\nimport "y"\nimport "z"`,
          ...installed("x", "x", versions[0]),
          ...installed("y", "y", "1.0.0", { x: "*" }),
          ...installed("z", "z", "1.0.0", { x: "*" }),
          ...installed("y/node_modules/x", "x", versions[1]),
          ...installed("z/node_modules/x", "x", versions[2])
        })
      const all = yield* Effect.all([of(["1", "1", "2"]), of(["1", "2", "1"]), of(["2", "1", "1"])])
      expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(3)
      expect(short((yield* of(["1", "1", "1"])).packages)).toEqual({ x: "1", y: "1.0.0", z: "1.0.0" })
    })
  )

  it.effect("of which two versions are there counts for which module imports which", () =>
    Effect.gen(function* () {
      const of = (outer: string, nearer: string) =>
        identifyFiles({
          "stage.ts": `import "x"\nimport "./lib/h.ts"`,
          "lib/h.ts": `import "x"`,
          ...installed("x", "x", outer),
          "lib/node_modules/x/package.json": manifest("x", nearer)
        })
      const { packages } = yield* of("1", "2")
      expect(short(packages)).toEqual({ x: "1, 2", "x (in stage.ts)": "x 1", "x (in lib/h.ts)": "x 2" })
      expect((yield* of("2", "1")).packages).not.toEqual(packages)
      expect(short((yield* of("1", "1")).packages)).toEqual({ x: "1" })
    })
  )

  it.effect("that is there twice counts for what each of the two depends on", () =>
    Effect.gen(function* () {
      const of = (outer: string, nearer: string) =>
        identifyFiles({
          "stage.ts": `import "x"\nimport "./lib/h.ts"`,
          "lib/h.ts": `import "x"`,
          ...installed("x", "x", "1", { y: "*" }),
          ...installed("y", "y", "1", { z: "*" }),
          ...installed("z", "z", outer),
          "lib/node_modules/x/package.json": manifest("x", "1", { y: "*" }),
          "lib/node_modules/y/package.json": manifest("y", "1", { z: "*" }),
          "lib/node_modules/z/package.json": manifest("z", nearer)
        })
      const { packages } = yield* of("1", "2")
      expect(short(packages)).toMatchObject({
        x: "1",
        y: "1",
        z: "1, 2",
        "x (in lib/h.ts)": expect.stringMatching(/^x 1 #/)
      })
      expect((yield* of("2", "1")).packages).not.toEqual(packages)
      expect(short((yield* of("1", "1")).packages)).toEqual({ x: "1", y: "1", z: "1" })
    })
  )

  it.effect("that only one of two modules finds counts for which of them", () =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      const files = ["a", "b"].map((each) => ({ [`${each}/h.ts`]: `await import("x").catch(() => 0)` }))
      const stage = { "package.json": "{}", "stage.ts": `import "./a/h.ts"\nimport "./b/h.ts"` }
      writeFiles(root, Object.assign(stage, ...files, { "a/node_modules/x/package.json": manifest("x", "1") }))
      const { packages } = yield* identify(root)
      expect(short(packages)).toEqual({ x: "1", "x (in a/h.ts)": "x 1", "x (in b/h.ts)": "not installed" })
      renameSync(path.join(root, "a/node_modules"), path.join(root, "b/node_modules"))
      expect((yield* identify(root)).packages).not.toEqual(packages)
    })
  )

  it.effect("that only one of two packages finds counts for which of them", () =>
    Effect.gen(function* () {
      const of = (place: string) =>
        identifyFiles({
          "stage.ts": `import "y"\nimport "z"`,
          ...installed("y", "y", "1", { x: "*" }),
          ...installed("z", "z", "1", { x: "*" }),
          ...installed(`${place}/node_modules/x`, "x", "1")
        })
      const { packages } = yield* of("y")
      expect(short(packages)).toMatchObject({ x: "1", "x (of y 1)": "x 1", "x (of z 1)": "not installed" })
      expect((yield* of("z")).packages).not.toEqual(packages)
    })
  )

  it.live("without a package.json is the one that is found first, and counts by its content", () =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      writeFiles(root, {
        "package.json": "{}",
        "stages/stage.ts": `import "foo"`,
        "stages/node_modules/foo/index.js": "export const f = 1",
        ...installed("foo", "foo", "1.0.0")
      })
      const file = path.join(root, "stages/node_modules/foo/index.js")
      const { before, after } = yield* around(root, () => writeFileSync(file, "export const f = 7"), "stages/stage.ts")
      expect(before.packages["foo"]).toMatch(/^no version content /)
      expect(after).not.toEqual(before)
      const gone = yield* around(root, () => unlinkSync(file), "stages/stage.ts")
      expect(short(gone.after.packages)).toEqual({ foo: "1.0.0" })
    })
  )

  it.live("that is no folder, or a link to nothing, is not installed", () =>
    Effect.gen(function* () {
      const root = temporaryFolder()
      writeFiles(root, { "package.json": "{}", "stage.ts": `import "foo"\nimport "bar"`, "node_modules/foo": "text" })
      symlinkSync("../packages/bar", path.join(root, "node_modules/bar"))
      const { before, after } = yield* around(root, () => {
        renameSync(path.join(root, "node_modules/foo"), path.join(root, "foo"))
        writeFiles(root, { "packages/bar/index.js": "export const f = 1" })
      })
      expect(before.packages).toEqual({ foo: "not installed", bar: "not installed" })
      expect(after.packages).toEqual({ foo: "not installed", bar: expect.stringContaining("content") })
    })
  )
})
