/**
 * Complaints of what is kept and what is laid out: garbage that is kept, hits without files, files that are not what was made,
 * entries that cannot be overridden, stores without bounds. Each test is named by the row of the table of complaints and the
 * issues that it answers.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Digest from "../../cache/identity/Digest.ts"
import * as Gc from "../../cache/store/Gc.ts"
import * as Layout from "../../cache/store/Layout.ts"
import { Executor, StepError } from "../../core/executor/Executor.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import * as RunLog from "../../core/run/RunLog.ts"
import letters from "../fixtures/letters/pipeline.ts"
import { events, opPipe, repository } from "../lib/cli.ts"
import * as FaultyDisk from "../lib/FaultyDisk.ts"
import * as InProcessExecutor from "../lib/InProcessExecutor.ts"
import { letterSteps, newPlace, type Place, placeIn } from "../lib/place.ts"
import { contents, inStore } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { type Content, describeTree, type Folder, folders, write } from "../lib/trees.ts"
import {
  around,
  blobsNamedIn,
  blobsOf,
  doing,
  filesBelow,
  planned,
  ran,
  recordsOf,
  resultIn,
  succeeded
} from "./support.ts"

const page = "print/pages/page.txt"

describe("what is kept", () => {
  it.each([
    ["missing", (file: string) => rmSync(file)],
    [
      "a folder instead",
      (file: string) => {
        rmSync(file)
        mkdirSync(file)
      }
    ],
    ["empty", (file: string) => truncateSync(file)],
    ["garbage", (file: string) => writeFileSync(file, "[")],
    ["not what its schema says", (file: string) => writeFileSync(file, "[1]")]
  ])(
    "8 (bazel#14543, bazel#6126, smk#3808): of a stage that ended well and whose output is %s, nothing is kept",
    async (_what, spoil) => {
      const place = newPlace()
      let spoiled = false
      const executor = around({
        after: (task) => {
          if (spoiled || task.step !== "words") return
          spoiled = true
          spoil(path.join(task.outputDir, "words.json"))
        }
      })
      const first = await ran(letters, place, { executor })
      expect(first).toMatchObject({ executed: [], cached: [] })
      expect(first.failures).toEqual([expect.stringMatching(/^words: output words: expected .*, but found /s)])
      expect(existsSync(path.join(place.store, "v1/results"))).toBe(false)
      expect(existsSync(path.join(place.outputs, "words"))).toBe(false)
      expect(await ran(letters, place, { executor })).toMatchObject({ executed: letterSteps, failures: [] })
      expect(contents(place.outputs)[page]).toBe("HELLO 4 18 0 UNTIMED!\n")
    }
  )

  it("8 (smk#3808): outputs that a stage had finished before it failed are not taken for its result", async () => {
    const place = newPlace()
    let left = 1
    const reason = "after the last byte was written"
    const executor = Layer.effect(
      Executor,
      Effect.map(Executor, (real) => ({
        execute: (task, onProgress) =>
          Effect.flatMap(real.execute(task, onProgress), (done) =>
            left-- > 0
              ? Effect.fail(new StepError({ step: task.step, fault: "stage", reason, log: null }))
              : Effect.succeed(done)
          )
      }))
    ).pipe(Layer.provide(InProcessExecutor.layer))
    expect((await ran(letters, place, { executor })).failures).toEqual([`words: ${reason}`])
    expect(existsSync(path.join(place.store, "v1/results"))).toBe(false)
    expect(await ran(letters, place, { executor })).toMatchObject({ executed: letterSteps })
  })

  it("17 (turbo#3127, bazel#4276): a result that a sick machine made is overwritten by force, and says who made it", async () => {
    const place = newPlace()
    const sick = around({
      after: (task) => {
        if (task.step === "words") writeFileSync(path.join(task.outputDir, "words.json"), `["mould"]`)
      }
    })
    const poisoned = await ran(letters, place, { executor: sick })
    expect(contents(place.outputs)[page]).toContain("MOULD")
    // well-formed, so that nothing can tell: it is served
    expect((await ran(letters, place)).executed).toEqual([])
    const healed = await ran(letters, place, { forced: ["words"] })
    expect(healed).toMatchObject({ executed: letterSteps, failures: [] })
    expect(healed.reasons["words"]).toEqual(["forced"])
    expect(healed.keys["words"]).toBe(poisoned.keys["words"])
    expect(await ran(letters, place)).toMatchObject({ executed: [], cached: letterSteps })
    expect(contents(place.outputs)[page]).toBe("HELLO 4 18 0 UNTIMED!\n")
    const { provenance } = resultIn(Layout.make(place.store).result(healed.keys["words"] as Digest.Digest))
    const { runId } = healed.events[0] as { readonly runId: string }
    expect(provenance).toMatchObject({ runId, host: hostname(), node: process.versions.node })
    expect(Date.parse(provenance.startedAt)).toBeGreaterThan(Date.now() - 60_000)
  })
})

describe("a hit", () => {
  it("13 (nx#36932, nx#36898, turbo#4137, wireit#280, flyte#4672): is none while any blob of it is missing, and has all its files otherwise", async () => {
    const place = newPlace()
    await ran(letters, place)
    const expected = contents(place.outputs)
    for (const step of letterSteps) {
      const record = recordsOf(place).find((each) => resultIn(each).step === step)!
      const [blob] = blobsNamedIn(place, record)
      rmSync(blob!)
      rmSync(place.outputs, { recursive: true })
      expect(await planned(letters, place)).toMatchObject({ [step]: "stale" })
      expect(await ran(letters, place)).toMatchObject({ executed: [step], failures: [] })
      for (const each of recordsOf(place).flatMap((found) => blobsNamedIn(place, found))) {
        expect(existsSync(each)).toBe(true)
      }
      expect(contents(place.outputs)).toEqual(expected)
    }
  })

  it("13 (turbo#4137, wireit#280): needs no index: without memos, last results and runs it is one still", async () => {
    const place = newPlace()
    const { keys } = await ran(letters, place)
    const expected = contents(place.outputs)
    for (const each of ["memo", "last", "runs"]) rmSync(path.join(place.store, "v1", each), { recursive: true })
    rmSync(place.outputs, { recursive: true })
    expect(await ran(letters, place)).toMatchObject({ executed: [], cached: letterSteps, keys })
    expect(contents(place.outputs)).toEqual(expected)
  })

  it("18 (bazel#18696, bazel PR#23561, buchgr/bazel-remote#870, dvc#4634): a record whose blobs are gone is a miss, and no error", async () => {
    const place = newPlace()
    const { keys } = await ran(letters, place)
    const expected = contents(place.outputs)
    rmSync(path.join(place.store, "v1/blobs"), { recursive: true })
    rmSync(place.outputs, { recursive: true })
    const again = await ran(letters, place)
    expect(again).toMatchObject({ executed: letterSteps, failures: [], keys })
    expect(again.reasons["words"]).toEqual(["a stored file of the result is missing or damaged"])
    expect(contents(place.outputs)).toEqual(expected)
    expect((await ran(letters, place)).executed).toEqual([])
  })
})

/** A pipeline of one stage, whose output is a folder; its parameter only tells one result from another. */
const folderPipeline = (root: string): Pipeline.Pipeline => {
  writeFiles(root, { "package.json": "{}", "make.ts": "export const run = 1" })
  mkdirSync(path.join(root, "texts"), { recursive: true })
  const stage = Stage.make({
    name: "make",
    source: pathToFileURL(path.join(root, "make.ts")).href,
    params: Schema.Struct({ number: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))) }),
    inputs: {},
    output: { made: Artifact.folder({ tag: "Made/v1", path: "made" }) },
    run: () => Effect.void
  })
  return Pipeline.make({ name: "folders", steps: [Pipeline.step(stage, { inputs: {} })] })
}

describe("what is laid out", () => {
  it("14 (turbo#10951, turbo#4566): is all there is: what an earlier result or anyone else left is gone", async () => {
    const root = temporaryFolder()
    const [pipeline, place] = [folderPipeline(root), placeIn(root)]
    const laidOut = path.join(place.outputs, "make/made")
    const forms: ReadonlyArray<Folder["items"]> = [1, 2, 3].map((number) => {
      const file: Content = { kind: "file", bytes: new TextEncoder().encode(`of ${number}`), mode: 0o644 }
      return number === 1
        ? { a: file, "a.b": file, c: { kind: "folder", items: { d: file } } }
        : number === 2
          ? { a: { kind: "folder", items: { e: file } } }
          : { c: { kind: "link", target: "a" }, a: file }
    })
    const kept: Array<ReadonlyArray<string>> = []
    const executor = doing((task) => {
      const { number } = (task.work as { readonly params?: unknown }).params as { readonly number: number }
      write({ kind: "folder", items: forms[number]! }, path.join(task.outputDir, "made"))
      kept[number] = describeTree(path.join(task.outputDir, "made"))
    })
    // each after each other, executed at first and restored later
    for (const number of [0, 1, 2, 0, 2, 1, 0]) {
      const again = kept[number] !== undefined
      const { executed } = await ran(pipeline, place, { executor, set: [`make.number=${number}`] })
      expect(executed).toEqual(again ? [] : ["make"])
      expect(describeTree(laidOut)).toEqual(kept[number])
      writeFiles(laidOut, { stray: "", "c-folder/stray": "" })
      writeFileSync(path.join(place.outputs, "make/stray"), "")
    }
    await ran(pipeline, place, { executor })
    expect(describeTree(laidOut)).toEqual(kept[0])
    expect(readdirSync(place.outputs)).toEqual([".kept", ".laid-out", "make"])
    expect(readdirSync(path.join(place.outputs, "make"))).toEqual(["made"])
  })

  it("15 (chrismatix/grog#155, SCons#1362, attunehq/hurry#24, kunobi-ninja/kache#971, turbo#7410): a restored folder is the one that was made: bytes, modes, links, empty folders, and no more", async () => {
    const root = temporaryFolder()
    const [pipeline, place] = [folderPipeline(root), placeIn(root)]
    let number = 0
    await fc.assert(
      fc.asyncProperty(folders, async (tree) => {
        let made: ReadonlyArray<string> = []
        const options = {
          set: [`make.number=${++number}`],
          executor: doing((task) => {
            write(tree, path.join(task.outputDir, "made"))
            made = describeTree(path.join(task.outputDir, "made"))
          })
        }
        const laidOut = path.join(place.outputs, "make/made")
        expect((await ran(pipeline, place, options)).executed).toEqual(["make"])
        expect(describeTree(laidOut)).toEqual(made)
        rmSync(place.outputs, { recursive: true })
        expect((await ran(pipeline, place, options)).executed).toEqual([])
        expect(describeTree(laidOut)).toEqual(made)
      }),
      // without shrinking: each try is two runs
      { numRuns: 30, endOnFailure: true }
    )
  })

  it("16 (dvc#1599, dvc#9641): whatever is done to an output never reaches the store", async () => {
    const place = newPlace()
    await ran(letters, place)
    const expected = contents(place.outputs)
    const blobs = blobsOf(place)
    const inodes = new Set(blobs.map((blob) => statSync(blob).ino))
    for (const blob of blobs) expect(statSync(blob).mode & 0o777).toBe(0o444)
    for (const harm of [
      (file: string) => writeFileSync(file, "edited"),
      (file: string) => writeFileSync(file, "appended", { flag: "a" }),
      (file: string) => truncateSync(file),
      (file: string) => chmodSync(file, 0o600),
      (file: string) => rmSync(file)
    ]) {
      for (const file of filesBelow(place.outputs)) {
        // neither a link to a blob nor a second name of one
        expect(lstatSync(file).isFile() && lstatSync(file).nlink).toBe(1)
        expect(inodes.has(lstatSync(file).ino)).toBe(false)
        harm(file)
      }
      expect(blobsOf(place)).toEqual(blobs)
      for (const blob of blobs) expect(Digest.ofBytes(readFileSync(blob))).toBe(path.basename(blob))
      expect(await ran(letters, place)).toMatchObject({ executed: [], cached: letterSteps })
      expect(contents(place.outputs)).toEqual(expected)
    }
  })

  it("16 (dvc#1599, dvc#9641): a blob that was written to all the same is found, made again and not served", async () => {
    const place = newPlace()
    await ran(letters, place)
    const expected = contents(place.outputs)
    for (const blob of blobsOf(place)) {
      chmodSync(blob, 0o644)
      writeFileSync(blob, "corrupted")
    }
    const { failures } = await ran(letters, place)
    expect(failures).toEqual([])
    expect(contents(place.outputs)).toEqual(expected)
    for (const record of recordsOf(place)) {
      for (const blob of blobsNamedIn(place, record)) {
        expect(Digest.ofBytes(readFileSync(blob))).toBe(path.basename(blob))
      }
    }
  })
})

const day = 86_400_000
const age = (files: ReadonlyArray<string>, days: number): void => {
  const then = new Date(Date.now() - days * day)
  for (const file of files) utimesSync(file, then, then)
}
const bytesOf = (place: Place): number =>
  [...blobsOf(place), ...recordsOf(place)].reduce((sum, file) => sum + statSync(file).size, 0)

describe("the store's bounds", () => {
  it("18 (dvc#4634, bazel#18696): a collection that is cut off anywhere leaves no record without its blobs", async () => {
    const root = temporaryFolder()
    const at = (name: string): Place => placeIn(path.join(root, name), path.join(root, "texts"))
    writeFiles(root, { "texts/a.txt": "hello big world\n" })
    await ran(letters, at("whole"), { set: ["words.minimum=4"] })
    await ran(letters, at("whole"))
    const expected = contents(at("whole").outputs)
    age([...blobsOf(at("whole")), ...recordsOf(at("whole"))], 1)
    const limits = { maximumBytes: Math.floor(bytesOf(at("whole")) / 2), maximumAgeMs: 99 * day }
    const collect = Effect.flatMap(Gc.plan(limits, new Set(), Date.now()), Gc.collect)
    let crashed = true
    let point = 0
    for (; crashed && point < 60; point++) {
      const place = at("cut")
      rmSync(path.join(root, "cut"), { recursive: true, force: true })
      cpSync(path.join(root, "whole"), path.join(root, "cut"), { recursive: true, preserveTimestamps: true })
      const disk = FaultyDisk.make(path.join(root, "scratch"), { crashAt: point + 1 })
      crashed = Exit.isFailure(await inStore(place, collect, { disk: disk.layer }))
      const records = recordsOf(place)
      for (const record of records) {
        for (const blob of blobsNamedIn(place, record)) {
          expect(existsSync(blob), `cut at ${disk.log.at(-1)}`).toBe(true)
        }
      }
      const { failures } = await ran(letters, place)
      expect(failures).toEqual([])
      expect(contents(place.outputs)).toEqual(expected)
    }
    expect(crashed).toBe(false)
    expect(point).toBeGreaterThan(4)
  })

  it("19 (turbo#863, turbo#7029, simstudioai/sim PR#7214, nf#452): what a dry collection says is what goes, to the byte, and no pinned run", async () => {
    const place = newPlace()
    await ran(letters, place, { set: ["words.minimum=4"] })
    const [pinned] = succeeded(await inStore(place, RunLog.list))
    succeeded(await inStore(place, RunLog.setPinned(pinned!, true)))
    await ran(letters, place, { set: ["words.minimum=5"] })
    await ran(letters, place)
    writeFiles(place.store, { [`v1/checkpoints/${"ab".repeat(32)}/a`]: "nobody came back for it" })
    const checkpoints = filesBelow(path.join(place.store, "v1/checkpoints"))
    age([...blobsOf(place), ...recordsOf(place), ...checkpoints.map((file) => path.dirname(file))], 61)
    // as if the steps had other results since: their last ones would stay
    rmSync(path.join(place.store, "v1/last"), { recursive: true })
    const plan = Effect.flatMap(RunLog.pinnedResults, (keys) => Gc.plan(Gc.defaultLimits, keys, Date.now()))
    const before = bytesOf(place) + statSync(checkpoints[0]!).size
    const dry = succeeded(await inStore(place, plan))
    expect(bytesOf(place) + statSync(checkpoints[0]!).size).toBe(before)
    expect(dry.results.length).toBeGreaterThan(4)
    succeeded(await inStore(place, Effect.flatMap(plan, Gc.collect)))
    expect(before - bytesOf(place)).toBe(dry.freedBytes)
    expect(await ran(letters, place, { set: ["words.minimum=4"] })).toMatchObject({ executed: [] })
  })

  it("20 (turbo#4494, nx#18754, bazel#3026): a collection does not take what it needs to say which file changed", async () => {
    const place = newPlace()
    await ran(letters, place)
    age([...blobsOf(place), ...recordsOf(place)], 1)
    succeeded(await inStore(place, Effect.flatMap(Gc.plan(Gc.defaultLimits, new Set(), Date.now()), Gc.collect)))
    writeFileSync(path.join(place.data, "b.txt"), "another\n")
    expect((await ran(letters, place)).reasons["words"]).toEqual(["input texts: 1 changed (b.txt)"])
  })

  it("19 (turbo#863, turbo#7029, wireit#71, riboviz/riboviz#218): a plain run keeps the store bounded, with nothing to set", async () => {
    expect(Gc.defaultLimits).toEqual({ maximumBytes: 20 * 2 ** 30, maximumAgeMs: 60 * day })
    const place = newPlace()
    await ran(letters, place, { set: ["words.minimum=5"] })
    const old = [...blobsOf(place), ...recordsOf(place)]
    age(old, 61)
    // as if the steps had other results since: their last ones would stay
    rmSync(path.join(place.store, "v1/last"), { recursive: true })
    const file = path.join(repository, "test/fixtures/letters/pipeline.ts")
    const places = ["--file", file, "--data", place.data, "--store", place.store, "--outputs", place.outputs]
    const finished = await opPipe(["run", "--json", ...places], { cwd: place.data })
    expect(finished.code, finished.stderr).toBe(0)
    const notice = expect.stringContaining("the store was over its limits: removed 4 old results")
    expect(events(finished)).toContainEqual({ type: "Notice", text: notice })
    const left = recordsOf(place)
    expect(left.length).toBe(4)
    expect(left.filter((record) => old.includes(record))).toEqual([])
  })
})
