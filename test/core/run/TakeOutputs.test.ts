import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as CacheKey from "../../../cache/identity/CacheKey.ts"
import * as Digest from "../../../cache/identity/Digest.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import type { Output, StepResult } from "../../../cache/store/ResultStore.ts"
import { Store } from "../../../cache/store/Store.ts"
import * as Artifact from "../../../core/pipeline/Artifact.ts"
import { asStored } from "../../../core/plan/OutputFolder.ts"
import { materialize } from "../../../core/run/Materialize.ts"
import { takeOutputs } from "../../../core/run/TakeOutputs.ts"
import { temporaryFolder } from "../../lib/temporary.ts"
import { describeTree, folders, write } from "../../lib/trees.ts"

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

const silent = { waits: () => undefined, kept: () => undefined }
const root = temporaryFolder()
const layer = Store.layer(path.join(root, "store")).pipe(Layer.provideMerge(Disk.layer))
const Pages = Artifact.folder({ tag: "Pages/v1", path: "pages" })
const Earlier = Artifact.file({ tag: "Earlier/v1", path: "earlier.txt" })

describe("outputs", () => {
  it("come back as they were made: bytes, modes, links, empty folders, nothing more", async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(folders, async (made) => {
        const outputDir = path.join(root, "work", String(count++))
        const laidOut = path.join(root, "outputs", "step")
        write(made, path.join(outputDir, "pages"))
        writeFileSync(path.join(outputDir, "earlier.txt"), "of an earlier run")
        const expected = describeTree(path.join(outputDir, "pages"))
        const program = Effect.gen(function* () {
          const outputs = yield* takeOutputs({ pages: Pages }, outputDir, [])
          const result = resultOf(outputs)
          yield* materialize(
            resultOf(yield* takeOutputs({ earlier: Earlier }, outputDir, [])),
            laidOut,
            asStored,
            silent
          )
          writeFileSync(path.join(laidOut, "stray"), "a user's own")
          expect(yield* materialize(result, laidOut, asStored, silent)).toBe(true)
          expect(describeTree(path.join(laidOut, "pages"))).toEqual(expected)
          expect(readdirSync(laidOut)).toEqual(["pages"])
          expect(yield* materialize(result, laidOut, asStored, silent)).toBe(false)
          // what was taken is a record that is believed when it is read again
          const { results } = yield* Store
          yield* results.write(result)
          expect(yield* results.usable(result.key)).toMatchObject({ key: result.key })
        })
        await Effect.runPromise(Effect.provide(program, layer))
        rmSync(laidOut, { recursive: true })
      }),
      { numRuns: 60 }
    )
  })

  it.each(["../pages/x", "sub/../../pages/x"])("refuse a link out of the folder and in again (%s)", async (target) => {
    const outputDir = path.join(root, "again")
    rmSync(outputDir, { recursive: true, force: true })
    mkdirSync(path.join(outputDir, "pages/sub"), { recursive: true })
    writeFileSync(path.join(outputDir, "pages/x"), "x")
    symlinkSync(target, path.join(outputDir, "pages/r"))
    const taken = takeOutputs({ pages: Pages }, outputDir, []).pipe(Effect.provide(layer))
    expect(await Effect.runPromise(Effect.flip(taken))).toMatchObject({
      message: expect.stringContaining("It leads out of the output, and in again by its name")
    })
  })

  it.each([
    ["a pipe", (at: string) => execFileSync("mkfifo", [path.join(at, "p")]), "a pipe, a socket or a device at pages/p"],
    [
      "a name in Latin-1",
      (at: string) => writeFileSync(Buffer.from(`${at}/caf\xe9`, "latin1"), ""),
      "another name in pages"
    ]
  ])("with %s in a folder are the stage's fault, and not the user's", async (what, make, says) => {
    const outputDir = path.join(root, what)
    mkdirSync(path.join(outputDir, "pages"), { recursive: true })
    make(path.join(outputDir, "pages"))
    const taken = takeOutputs({ pages: Pages }, outputDir, []).pipe(Effect.provide(layer))
    expect(await Effect.runPromise(Effect.flip(taken))).toMatchObject({
      _tag: "OutputMissing",
      fault: "stage",
      message: `output pages: expected files, folders and links with names in UTF-8, but found ${says}`
    })
  })

  it("that their owner may not read can be read by him", async () => {
    const outputDir = path.join(root, "locked")
    mkdirSync(path.join(outputDir, "pages/sub"), { recursive: true })
    for (const file of ["earlier.txt", "pages/sub/x"]) {
      writeFileSync(path.join(outputDir, file), "x")
      chmodSync(path.join(outputDir, file), file === "earlier.txt" ? 0 : 0o111)
    }
    const taken = takeOutputs({ pages: Pages, earlier: Earlier }, outputDir, []).pipe(Effect.provide(layer))
    const { pages, earlier } = await Effect.runPromise(taken)
    expect(earlier?.entries).toMatchObject([{ path: "earlier.txt", mode: 0o400 }])
    expect(pages?.entries.at(-1)).toMatchObject({ path: "pages/sub/x", mode: 0o511 })
  })

  it("may hold a link to nowhere before anything is in the store", async () => {
    const outputDir = path.join(root, "first")
    write({ kind: "folder", items: { a: { kind: "link", target: "/nowhere/at/all" } } }, path.join(outputDir, "pages"))
    const empty = Store.layer(path.join(root, "empty store")).pipe(Layer.provideMerge(Disk.layer))
    const taken = takeOutputs({ pages: Pages }, outputDir, []).pipe(Effect.provide(empty))
    const entries = (await Effect.runPromise(taken))["pages"]?.entries
    expect(entries?.[1]).toMatchObject({ kind: "link", path: "pages/a", target: "/nowhere/at/all" })
  })

  it("are refused when missing, of another kind, or not what their schema says", async () => {
    const Count = Artifact.json({ tag: "Count/v1", path: "count.json", schema: Schema.Struct({ count: Schema.Int }) })
    const attempt = (prepare: (dir: string) => void) => {
      const dir = path.join(root, "refused", Math.random().toString(36))
      mkdirSync(dir, { recursive: true })
      prepare(dir)
      return Effect.runPromise(Effect.provide(Effect.flip(takeOutputs({ count: Count }, dir, [])), layer)).then(
        (error) => error.message
      )
    }
    expect(await attempt(() => undefined)).toContain("found nothing")
    expect(await attempt((dir) => mkdirSync(path.join(dir, "count.json")))).toContain("a folder")
    expect(await attempt((dir) => writeFileSync(path.join(dir, "count.json"), "{"))).toContain("JSON")
    expect(await attempt((dir) => writeFileSync(path.join(dir, "count.json"), `{"count":"1"}`))).toContain("count")
  })
})
