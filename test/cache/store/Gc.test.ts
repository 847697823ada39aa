import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import * as Gc from "../../../cache/store/Gc.ts"
import { Store } from "../../../cache/store/Store.ts"
import { ownHost } from "../../../cache/store/Sweep.ts"
import * as RunLog from "../../../core/run/RunLog.ts"
import pipeline from "../../fixtures/letters/pipeline.ts"
import { contents, run } from "../../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const day = 86_400_000

/** A store with two runs, the first of them 40 days and the second 2 days ago. */
const setUp = Effect.promise(async () => {
  const root = temporaryFolder()
  writeFiles(root, { "texts/a.txt": "hello big world\n" })
  const place = { store: path.join(root, "store"), outputs: path.join(root, "outputs"), data: path.join(root, "texts") }
  const files = (folder: string): ReadonlyArray<string> =>
    readdirSync(path.join(place.store, "v1", folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.includes("/"))
      .map((name) => path.join(place.store, "v1", folder, name))
  const age = (list: ReadonlyArray<string>, days: number): void => {
    const then = new Date(Date.now() - days * day)
    for (const file of list) utimesSync(file, then, then)
  }
  const ran = async (set: ReadonlyArray<string>): Promise<void> => {
    const exit = await run(pipeline, place, { set })
    if (Exit.isFailure(exit)) throw new Error(JSON.stringify(exit.cause))
  }
  await ran(["words.minimum=4"])
  const first = [...files("results"), ...files("blobs")]
  await ran([])
  const second = [...files("results"), ...files("blobs")].filter((file) => !first.includes(file))
  age(first, 40)
  age(second, 2)
  return { place, first, second, ran, files }
})

const inStore = <A, E>(folder: string, effect: Effect.Effect<A, E, Store | Disk>) =>
  Effect.provide(effect, Store.layer(folder).pipe(Layer.provideMerge(Disk.layer)))

describe("the collection", () => {
  it.live("takes what is too old, exactly as it said, and a run afterwards is well", () =>
    Effect.gen(function* () {
      const { place, ran, files, second } = yield* setUp
      const before = [...files("results"), ...files("blobs")].length
      const limits = { ...Gc.defaultLimits, maximumAgeMs: 30 * day }
      const planned = yield* inStore(place.store, Gc.plan(limits, new Set(), Date.now()))
      expect(planned.results.length).toBeGreaterThan(2)
      expect([...files("results"), ...files("blobs")].length).toBe(before)
      yield* inStore(place.store, Gc.collect(planned))
      const left = [...files("results"), ...files("blobs")]
      expect(before - left.length).toBe(planned.results.length + planned.blobs.length)
      for (const file of second) expect(existsSync(file)).toBe(true)
      const exit = yield* Effect.promise(() => run(pipeline, place))
      expect(Exit.isSuccess(exit) && exit.value.summary.finished.executed).toEqual([])
      yield* Effect.promise(() => ran(["words.minimum=4"]))
    })
  )

  it.live("leaves every step's last result, however old, unless the store is too large", () =>
    Effect.gen(function* () {
      const { place, files, second } = yield* setUp
      const then = new Date(Date.now() - 300 * day)
      for (const file of [...files("results"), ...files("blobs")]) utimesSync(file, then, then)
      const planned = yield* inStore(place.store, Gc.plan(Gc.defaultLimits, new Set(), Date.now()))
      expect(planned.results.length).toBeGreaterThan(2)
      yield* inStore(place.store, Gc.collect(planned))
      for (const file of second) expect(existsSync(file)).toBe(true)
      const exit = yield* Effect.promise(() => run(pipeline, place))
      expect(Exit.isSuccess(exit) && exit.value.summary.finished.executed).toEqual([])
    })
  )

  it.live("leaves the list of a source's files, so that `why` can still name them", () =>
    Effect.gen(function* () {
      const { place } = yield* setUp
      // the lists themselves are as old as can be; only a result that was made from them keeps them
      const blobs = path.join(place.store, "v1/blobs")
      const then = new Date(Date.now() - 300 * day)
      for (const name of readdirSync(blobs, { recursive: true, encoding: "utf8" }))
        if (name.includes("/")) utimesSync(path.join(blobs, name), then, then)
      yield* inStore(place.store, Effect.flatMap(Gc.plan(Gc.defaultLimits, new Set(), Date.now()), Gc.collect))
      writeFileSync(path.join(place.data, "a.txt"), "hello new world\n")
      const exit = yield* Effect.promise(() => run(pipeline, place))
      const started = Exit.isSuccess(exit) ? exit.value.events.find((event) => event.type === "StepStarted") : undefined
      expect(started).toMatchObject({ step: "words", reasons: ["input texts: 1 changed (a.txt)"] })
    })
  )

  it.live("drops the least recently used first to stay below the size limit", () =>
    Effect.gen(function* () {
      const { place, second } = yield* setUp
      const all = yield* inStore(
        place.store,
        Gc.plan({ maximumBytes: 0, maximumAgeMs: day * 999 }, new Set(), Date.now())
      )
      expect(all.freedBytes).toBe(all.before.bytes)
      const limits = { maximumBytes: Math.floor(all.before.bytes * 0.7), maximumAgeMs: day * 999 }
      const some = yield* inStore(place.store, Gc.plan(limits, new Set(), Date.now()))
      expect(some.before.bytes - some.freedBytes).toBeLessThanOrEqual(limits.maximumBytes)
      expect(some.results.length).toBeGreaterThan(0)
      expect(some.results.some((key) => second.some((file) => file.includes(key)))).toBe(false)
    })
  )

  it.live("leaves pinned runs and what was used within the hour alone", () =>
    Effect.gen(function* () {
      const { place, ran } = yield* setUp
      const runs = yield* inStore(place.store, RunLog.list)
      yield* inStore(place.store, RunLog.setPinned(runs[0]!, true))
      yield* Effect.promise(() => ran([]))
      const pinned = yield* inStore(place.store, RunLog.pinnedResults)
      // each by its key, and by the name it gets when another replaces it
      expect(pinned.size).toBe(8)
      const planned = yield* inStore(place.store, Gc.plan({ maximumBytes: 0, maximumAgeMs: 0 }, pinned, Date.now()))
      expect(planned.results).toEqual([])
      yield* inStore(place.store, Gc.collect(planned))
      const exit = yield* Effect.promise(() => run(pipeline, place, { set: ["words.minimum=4"] }))
      expect(Exit.isSuccess(exit) && exit.value.summary.finished.executed).toEqual([])
    })
  )

  it.live("leaves what was used since shortly before a step that is being executed began", () =>
    Effect.gen(function* () {
      const { place } = yield* setUp
      const taken = (owner: string, days: number) =>
        Effect.gen(function* () {
          const work = path.join(place.store, "v1/work", `${owner}+20260101-000000-0000+train`)
          mkdirSync(work, { recursive: true })
          const then = new Date(Date.now() - days * day)
          utimesSync(work, then, then)
          const { results } = yield* inStore(
            place.store,
            Gc.plan({ maximumBytes: 0, maximumAgeMs: 0 }, new Set(), Date.now())
          )
          rmSync(work, { recursive: true })
          return results.length
        })
      const { pid } = spawnSync(process.execPath, ["--eval", "0"])
      const all = yield* taken(`${ownHost}+${pid}`, 50)
      expect(all).toBeGreaterThan(4)
      expect(yield* taken(`${ownHost}+${process.pid}`, 50)).toBe(0)
      expect(yield* taken(`${ownHost}+${process.pid}`, 3)).toBe(all - 4)
      // of another machine's process nothing is known: it is believed for a week
      expect(yield* taken("elsewhere+7", 3)).toBe(all - 4)
      expect(yield* taken("elsewhere+7", 50)).toBe(all)
    })
  )

  it.live("takes checkpoints whose step has a result, and leaves those that may be in use", () =>
    Effect.gen(function* () {
      const { place, files } = yield* setUp
      const key = path.basename(files("results")[0]!, ".json")
      const unfinished = "ab".repeat(32)
      writeFiles(place.store, { [`v1/checkpoints/${key}/a`]: "done", [`v1/checkpoints/${unfinished}/a`]: "not done" })
      const planned = () => inStore(place.store, Gc.plan(Gc.defaultLimits, new Set(), Date.now()))
      expect((yield* planned()).checkpoints).toEqual([])
      const then = new Date(Date.now() - 2 * 3_600_000)
      for (const each of [key, unfinished]) utimesSync(path.join(place.store, "v1/checkpoints", each), then, then)
      const collection = yield* planned()
      expect(collection.checkpoints).toEqual([key])
      expect(collection.freedBytes).toBe("done".length)
      yield* inStore(place.store, Gc.collect(collection))
      expect(readdirSync(path.join(place.store, "v1/checkpoints"))).toEqual([unfinished])
    })
  )

  it.live("verify finds a byte changed behind an unchanged stat", () =>
    Effect.gen(function* () {
      const { place, files } = yield* setUp
      const clean = yield* inStore(place.store, Gc.verify)
      expect(clean.damaged).toEqual([])
      const [blob] = files("blobs")
      writeFileSync(blob!, "something else")
      const found = yield* inStore(place.store, Gc.verify)
      expect(found.damaged).toEqual([path.basename(blob!)])
      const exit = yield* Effect.promise(() => run(pipeline, place))
      expect(Exit.isSuccess(exit) && exit.value.summary.failures).toEqual([])
      expect(Object.keys(contents(place.outputs)).length).toBe(4)
    })
  )
})
