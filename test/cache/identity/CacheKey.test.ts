import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as CacheKey from "../../../cache/identity/CacheKey.ts"
import * as Digest from "../../../cache/identity/Digest.ts"
import * as Tree from "../../../cache/store/Tree.ts"

const ingredients: CacheKey.Ingredients = {
  stage: "train",
  code: { modules: { "stages/train.ts": { run: "a".repeat(64) } }, packages: { effect: "4.1.0 sha512-x" } },
  params: { epochs: 24, optimizer: "adam" },
  inputs: { index: Digest.ofText("index") },
  toolchain: { engine: { name: "native", threads: 2 } },
  runtime: { node: "22", v8: "12.4", unicode: "17.0", icu: "78.3", timeZones: "2026c", platform: "linux-x64" }
}

describe("formats, frozen: a change of one needs a new tag and a line in the changelog", () => {
  it.effect("CacheKey/v2", () =>
    Effect.gen(function* () {
      expect(yield* CacheKey.of("train@bn", ingredients)).toBe(
        "f405c73408204f2bf9547146ec46b700294eafb20be93c0238b0975c65aec82b"
      )
    })
  )

  it("Tree/v1", () => {
    const tree: Tree.Tree = [
      { kind: "file", path: "a.txt", digest: Digest.ofText("a"), sizeBytes: 1, mode: 0o644 },
      { kind: "folder", path: "b" },
      { kind: "link", path: "c", target: "a.txt", digest: null }
    ]
    expect(Tree.digest(tree)).toBe("661365d2f508fb03b6942d62e464318b1415a102611bf4ad9c7d4cf957e69ae6")
  })
})

describe("a key", () => {
  it.effect("that cannot be written down is an error and no key", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(CacheKey.of("s", { ...ingredients, params: { rate: Number.NaN } }))
      expect(error._tag).toBe("KeyUnknown")
      expect(error.message).toContain("NaN")
    })
  )

  it("tells what differs, old -> new", () => {
    const after = {
      ...ingredients,
      params: { epochs: 3, optimizer: "adam" },
      code: { modules: { "stages/train.ts": { run: "b".repeat(64) } }, packages: { effect: "4.2.0" } },
      toolchain: { engine: { name: "native", threads: 1 } }
    }
    expect(CacheKey.diff(ingredients, after)).toEqual([
      "parameter epochs: 24 -> 3",
      "code: run in stages/train.ts changed",
      'package effect: "4.1.0" -> "4.2.0"',
      "toolchain engine.threads: 2 -> 1"
    ])
    expect(CacheKey.diff(ingredients, ingredients)).toEqual([])
  })

  it("holds the tables that Node was built with (hermetic/15)", () => {
    const newer = { ...process.versions, node: "22.23.3", unicode: "17.0", icu: "78.3", tz: "2026c" }
    const older = { ...newer, node: "22.19.0", unicode: "16.0", icu: "77.1", tz: "2025b" }
    const made = { ...ingredients, runtime: CacheKey.runtimeOf(older) }
    expect(CacheKey.diff(made, { ...ingredients, runtime: CacheKey.runtimeOf(newer) })).toEqual([
      'runtime unicode: "16.0" -> "17.0"',
      'runtime icu: "77.1" -> "78.3"',
      'runtime timeZones: "2025b" -> "2026c"'
    ])
    expect(CacheKey.runtimeOf({ ...newer, node: "22.24.0" })).toEqual(CacheKey.runtimeOf(newer))
  })

  it("tells of a package its versions, or else all that is known of it", () => {
    const withPackages = (packages: Record<string, string>) => ({ ...ingredients, code: { modules: {}, packages } })
    const before = {
      upgraded: "1.0.0 sha512-a",
      replaced: "1.0.0 sha512-a",
      several: "1.0.0 a, 2.0.0 b",
      gone: "1.0.0"
    }
    const after = { upgraded: "1.0.1 sha512-b", replaced: "1.0.0 sha512-b", several: "2.0.0 b" }
    expect(CacheKey.diff(withPackages(before), withPackages(after))).toEqual([
      'package upgraded: "1.0.0" -> "1.0.1"',
      'package replaced: "1.0.0 sha512-a" -> "1.0.0 sha512-b"',
      'package several: "1.0.0 a, 2.0.0 b" -> "2.0.0"',
      'package gone: "1.0.0" -> absent'
    ])
  })

  it("tells of the order of statements where nothing else in a module differs", () => {
    const of = (statements: Readonly<Record<string, string>>): CacheKey.Ingredients => ({
      ...ingredients,
      code: { modules: { "a.ts": statements }, packages: {} }
    })
    const before = of({ one: "1", two: "2", [CacheKey.orderOfStatements]: "one, two" })
    expect(CacheKey.diff(before, of({ one: "1", two: "2", [CacheKey.orderOfStatements]: "two, one" }))).toEqual([
      "code: the order of statements in a.ts changed"
    ])
    expect(CacheKey.diff(before, of({ one: "1" }))).toEqual(["code: two in a.ts changed"])
  })
})
