import { writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as CodeIdentity from "../../../cache/code/CodeIdentity.ts"
import type { Code } from "../../../cache/identity/CacheKey.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import * as Layout from "../../../cache/store/Layout.ts"
import * as StatMemo from "../../../cache/store/StatMemo.ts"
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
    const layout = Layout.make(path.join(root, ".store"))
    const memo = yield* StatMemo.load(layout, "stat")
    const identity = yield* CodeIdentity.make(layout, memo)
    const { code } = yield* identity.of(pathToFileURL(path.join(root, "stage.ts")).href)
    yield* identity.flush
    return code
  }).pipe(Effect.provide(Disk.layer))

describe("the identity of a stage's code", () => {
  it.effect("holds the modules it reaches, and of a re-exporting module only what is asked for", () =>
    Effect.gen(function* () {
      const code: Code = yield* identify(project())
      expect(Object.keys(code.modules)).toEqual(["lib/index.ts", "lib/limit.ts", "lib/near.ts", "stage.ts"])
      expect(Object.keys(code.modules["lib/index.ts"]!)).toEqual([`export from "./near.ts"`])
    })
  )

  it.effect("holds packages with what they depend on, by version and integrity", () =>
    Effect.gen(function* () {
      const code: Code = yield* identify(project())
      expect(code.packages).toEqual({ plain: "1.0.0", deep: "2.0.0 sha512-abc" })
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
})
