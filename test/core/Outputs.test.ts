import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Artifact from "../../core/Artifact.ts"
import * as Outputs from "../../core/Outputs.ts"
import { temporaryFolder } from "../lib/temporary.ts"

type Item =
  | { readonly kind: "file"; readonly content: string; readonly mode: number }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "folder"; readonly items: Readonly<Record<string, Item>> }

const name = fc.constantFrom("a", "b.txt", "ü", "with space", ".hidden", "C")
const { folder: folders } = fc.letrec<{ item: Item; folder: Item }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 3 },
    fc.record({
      kind: fc.constant("file" as const),
      content: fc.string({ maxLength: 20 }),
      mode: fc.constantFrom(0o644, 0o755, 0o600, 0o444)
    }),
    fc.record({ kind: fc.constant("link" as const), target: fc.constantFrom("a", "../b.txt", "/nowhere/at/all") }),
    tie("folder")
  ),
  folder: fc.record({ kind: fc.constant("folder" as const), items: fc.dictionary(name, tie("item"), { maxKeys: 4 }) })
}))

const write = (item: Item, at: string): void => {
  if (item.kind === "file") {
    writeFileSync(at, item.content)
    chmodSync(at, item.mode)
  } else if (item.kind === "link") symlinkSync(item.target, at)
  else {
    mkdirSync(at, { recursive: true })
    for (const [each, below] of Object.entries(item.items)) write(below, path.join(at, each))
  }
}

const read = (at: string): Item => {
  const stat = lstatSync(at)
  if (stat.isSymbolicLink()) return { kind: "link", target: readlinkSync(at) }
  if (stat.isFile()) return { kind: "file", content: readFileSync(at, "utf8"), mode: stat.mode & 0o777 }
  return {
    kind: "folder",
    items: Object.fromEntries(
      readdirSync(at)
        .sort()
        .map((each) => [each, read(path.join(at, each))])
    )
  }
}

const sorted = (item: Item): Item =>
  item.kind === "folder"
    ? {
        kind: "folder",
        items: Object.fromEntries(
          Object.entries(item.items)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([each, below]) => [each, sorted(below)])
        )
      }
    : item

const resultOf = (outputs: Readonly<Record<string, Output>>): StepResult => ({
  format: "Result/v1",
  key: Digest.ofText("key"),
  step: "step",
  ingredients: {
    stage: "s",
    code: { modules: {}, packages: {} },
    params: {},
    inputs: {},
    toolchain: {},
    runtime: CacheKey.runtime
  },
  outputs,
  provenance: { runId: "r", startedAt: "", durationMs: 0, host: "", opPipe: "", node: "", commit: null, dirty: null }
})

const root = temporaryFolder()
const layer = Store.layer(path.join(root, "store")).pipe(Layer.provideMerge(Disk.layer))
const Pages = Artifact.folder({ tag: "Pages/v1", path: "pages" })

describe("outputs", () => {
  it("come back as they were made: bytes, modes, links, empty folders, nothing more", async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(folders, async (made) => {
        const outputDir = path.join(root, "work", String(count++))
        const laidOut = path.join(root, "outputs", "step")
        mkdirSync(laidOut, { recursive: true })
        writeFileSync(path.join(laidOut, "stray"), "of an earlier run")
        write(made, path.join(outputDir, "pages"))
        const program = Effect.gen(function* () {
          const outputs = yield* Outputs.take({ pages: Pages }, outputDir)
          const result = resultOf(outputs)
          expect(yield* Outputs.layOut(result, laidOut)).toBe(true)
          expect(sorted(read(path.join(laidOut, "pages")))).toEqual(sorted(made))
          expect(readdirSync(laidOut)).toEqual(["pages"])
          expect(yield* Outputs.layOut(result, laidOut)).toBe(false)
        })
        await Effect.runPromise(Effect.provide(program, layer))
        rmSync(laidOut, { recursive: true })
      }),
      { numRuns: 60 }
    )
  })

  it("are refused when missing, of another kind, or not what their schema says", async () => {
    const Count = Artifact.json({ tag: "Count/v1", path: "count.json", schema: Schema.Struct({ count: Schema.Int }) })
    const attempt = (prepare: (dir: string) => void) => {
      const dir = path.join(root, "refused", Math.random().toString(36))
      mkdirSync(dir, { recursive: true })
      prepare(dir)
      return Effect.runPromise(Effect.provide(Effect.flip(Outputs.take({ count: Count }, dir)), layer)).then(
        (error) => error.message
      )
    }
    expect(await attempt(() => undefined)).toContain("found nothing")
    expect(await attempt((dir) => mkdirSync(path.join(dir, "count.json")))).toContain("a folder")
    expect(await attempt((dir) => writeFileSync(path.join(dir, "count.json"), "{"))).toContain("JSON")
    expect(await attempt((dir) => writeFileSync(path.join(dir, "count.json"), `{"count":"1"}`))).toContain("count")
  })
})
