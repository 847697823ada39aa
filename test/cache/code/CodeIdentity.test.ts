import { existsSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { CodeIdentity } from "../../../cache/code/CodeIdentity.ts"
import type { Code } from "../../../cache/identity/CacheKey.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import { repository } from "../../lib/cli.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const project = (): string => {
  const root = temporaryFolder()
  writeFiles(root, {
    "package.json": "{}",
    "stage.ts": `import { near } from "./lib/index.ts"\nimport "plain"\nimport { fileURLToPath } from "node:url"\nexport const run = () => near()`,
    "lib/index.ts": `export { near } from "./near.ts"\nexport * as Far from "./far.ts"\nexport { other } from "./other.ts"`,
    "lib/near.ts": `import { limit } from "./limit.ts"\nexport const near = () => limit`,
    "lib/limit.ts": "export const limit = 1\nexport const spare = 2",
    "lib/far.ts": "export const far = 1",
    "lib/other.ts": "export const other = 1",
    "node_modules/plain/package.json": `{"name":"plain","version":"1.0.0","dependencies":{"deep":"*"},"peerDependencies":{"absent":"*"}}`,
    "node_modules/deep/package.json": `{"name":"deep","version":"2.0.0"}`,
    "node_modules/unused/package.json": `{"name":"unused","version":"3.0.0"}`,
    "node_modules/.package-lock.json": `{"packages":{"node_modules/deep":{"integrity":"sha512-abc"}}}`
  })
  return root
}

const identify = (root: string) =>
  Effect.gen(function* () {
    const identity = yield* CodeIdentity
    const { code } = yield* identity.of(pathToFileURL(path.join(root, "stage.ts")).href)
    yield* identity.flush
    return code
  }).pipe(Effect.provide(CodeIdentity.layerIn(path.join(root, ".store")).pipe(Layer.provideMerge(Disk.layer))))

describe("the identity of a stage's code", () => {
  it.effect("holds the modules it reaches, and of a re-exporting module only what is asked for", () =>
    Effect.gen(function* () {
      const code: Code = yield* identify(project())
      expect(Object.keys(code.modules)).toEqual(["lib/index.ts", "lib/limit.ts", "lib/near.ts", "stage.ts"])
      expect(Object.keys(code.modules["lib/index.ts"]!)).toEqual([`export of near from "./near.ts"`])
    })
  )

  it.effect("holds op-pipe as the format by which it runs a stage, and nothing that op-pipe itself depends on", () =>
    Effect.gen(function* () {
      const root = project()
      const core = path.join(repository, "core/index.ts")
      symlinkSync(path.dirname(core), path.join(root, "core"))
      writeFiles(root, {
        "stage.ts": `import { Stage } from "op-pipe"\nimport { Artifact } from "./core/index.ts"\nimport "stages"`,
        "node_modules/op-pipe/package.json": `{"name":"op-pipe","version":"9.0.0","dependencies":{"deep":"*"}}`,
        "node_modules/stages/package.json": `{"name":"stages","version":"1.0.0","peerDependencies":{"op-pipe":"*"}}`
      })
      const code: Code = yield* identify(root)
      expect(code.packages).toEqual({ "op-pipe": "Stage/v1", stages: expect.stringMatching(/^1\.0\.0 content /) })
      expect(Object.keys(code.modules)).toEqual(["stage.ts"])
    })
  )

  it.effect("holds packages with what they depend on, by version and integrity", () =>
    Effect.gen(function* () {
      const code: Code = yield* identify(project())
      expect(code.packages).toEqual({ plain: expect.stringMatching(/^1\.0\.0 content /), deep: "2.0.0 sha512-abc" })
    })
  )

  it.effect.each([
    ["lib/limit.ts", "export const limit = 7\nexport const spare = 2", true],
    ["lib/limit.ts", "// one\nexport const limit: number = 1\nexport const spare = 2", false],
    ["lib/far.ts", "export const far = 2", false],
    ["lib/other.ts", "export const other = 2", false],
    ["lib/index.ts", `export { near } from "./near.ts"`, false],
    ["node_modules/deep/package.json", `{"name":"deep","version":"2.0.1"}`, true],
    ["node_modules/unused/package.json", `{"name":"unused","version":"3.0.1"}`, false]
  ] as const)("after an edit of %s changes as it should", ([file, content, changes]) =>
    Effect.gen(function* () {
      const root = project()
      const before: Code = yield* identify(root)
      writeFileSync(path.join(root, file), content)
      const after: Code = yield* identify(root)
      expect(JSON.stringify(after) !== JSON.stringify(before)).toBe(changes)
    })
  )

  it.effect.each([
    ["a missing module", `import "./missing.ts"`, "./missing.ts"],
    ["a subpath import", `import "#hidden"`, "#hidden"],
    ["a computed import", "export const f = (name: string) => import(name)", "computed import()"]
  ] as const)("cannot be told of %s", ([_what, source, named]) =>
    Effect.gen(function* () {
      const root = project()
      writeFileSync(path.join(root, "lib/near.ts"), `${source}\nexport const near = () => 1`)
      const error = yield* Effect.flip(identify(root))
      expect(error._tag).toBe("CodeUnknown")
      expect(error.message).toContain(named)
    })
  )

  it.effect("holds modules that a link leads to, by what they are, wherever they lie", () =>
    Effect.gen(function* () {
      const codes: Array<Code> = []
      for (const place of ["here", "there"]) {
        const root = project()
        const linked = path.join(temporaryFolder(), place)
        writeFiles(linked, {
          "package.json": `{"name":"linked"}`,
          "near.ts": `import { limit } from "./limit.ts"\nexport const near = () => limit`,
          "limit.ts": "export const limit = 5"
        })
        rmSync(path.join(root, "lib/near.ts"))
        symlinkSync(path.join(linked, "near.ts"), path.join(root, "lib/near.ts"))
        codes.push(yield* identify(root))
      }
      expect(Object.keys(codes[0]!.modules)).toEqual(["lib/index.ts", "linked:limit.ts", "linked:near.ts", "stage.ts"])
      expect(codes[1]).toEqual(codes[0])
    })
  )
})

const older = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 80)))

describe("a remembered identity", () => {
  const edits: ReadonlyArray<readonly [what: string, edit: (root: string) => void]> = [
    ["nothing", () => undefined],
    ["a module edited", (root) => writeFileSync(path.join(root, "lib/limit.ts"), "export const limit = 7")],
    [
      "a module edited, size and mtime kept",
      (root) => {
        const file = path.join(root, "lib/limit.ts")
        const { atimeMs, mtimeMs } = statSync(file)
        writeFileSync(file, readFileSync(file, "utf8").replace("1", "7"))
        utimesSync(file, atimeMs / 1000, mtimeMs / 1000)
      }
    ],
    [
      "a package upgraded",
      (root) => writeFileSync(path.join(root, "node_modules/deep/package.json"), `{"name":"deep","version":"2.0.1"}`)
    ],
    [
      "a package that another one finds first",
      (root) =>
        writeFiles(root, { "node_modules/plain/node_modules/deep/package.json": `{"name":"deep","version":"9.0.0"}` })
    ],
    [
      "a package that was not there",
      (root) => writeFiles(root, { "node_modules/absent/package.json": `{"name":"absent","version":"1.0.0"}` })
    ],
    ["the lockfile edited", (root) => writeFileSync(path.join(root, "node_modules/.package-lock.json"), "{}")],
    [
      "a link to a module led elsewhere",
      (root) => {
        rmSync(path.join(root, "lib/limit.ts"))
        symlinkSync("far.ts", path.join(root, "lib/limit.ts"))
      }
    ],
    [
      "the target of a link edited",
      (root) => writeFileSync(path.join(root, "lib/linked.ts"), "export const linked = 2")
    ],
    [
      "a link to a folder led elsewhere",
      (root) => {
        rmSync(path.join(root, "way"))
        symlinkSync("b", path.join(root, "way"))
      }
    ]
  ]
  it.live.each(edits)("is what a look at everything gives: %s", ([, edit]) =>
    Effect.gen(function* () {
      const root = project()
      writeFiles(root, {
        "lib/linked.ts": "export const linked = 1",
        "a/m.ts": "export const m = 1",
        "b/m.ts": "export const m = 2",
        "stage.ts": `import { near } from "./lib/index.ts"\nimport "./lib/link.ts"\nimport "./way/m.ts"\nimport "plain"\nexport const run = () => near()`
      })
      symlinkSync("linked.ts", path.join(root, "lib/link.ts"))
      symlinkSync("a", path.join(root, "way"))
      yield* older
      yield* identify(root)
      expect(existsSync(path.join(root, ".store/v1/memo/code-v10.json"))).toBe(true)
      edit(root)
      const found: Code = yield* identify(root)
      rmSync(path.join(root, ".store"), { recursive: true })
      expect(found).toEqual(yield* identify(root))
    })
  )
})
