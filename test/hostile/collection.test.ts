/**
 * The collection under what may befall it: it crashes at any call, and it runs beside runs. A run afterwards, or beside it, ends
 * well with the outputs of an undisturbed one.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, utimesSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { describe, expect, it, vi } from "vitest"
import { Disk } from "../../cache/store/Disk.ts"
import * as Gc from "../../cache/store/Gc.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Random from "../../stages/lib/Random.ts"
import pipeline from "../fixtures/letters/pipeline.ts"
import * as FaultyDisk from "../lib/FaultyDisk.ts"
import { letterTexts, type Place, placeIn } from "../lib/place.ts"
import { contents, run } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"

if (full) vi.setConfig({ testTimeout: timeoutMs })
const root = temporaryFolder()
writeFiles(root, letterTexts)
const data = path.join(root, "texts")
const scratch = path.join(root, "scratch")
const place = (name: string): Place => placeIn(path.join(root, name), data)

const well = async (where: Place, point: string, set: ReadonlyArray<string> = []) => {
  const exit = await run(pipeline, where, { set })
  if (Exit.isFailure(exit)) throw new Error(`${point}: ${JSON.stringify(exit.cause)}`)
  expect(exit.value.summary.failures, point).toEqual([])
  return exit.value.summary.finished.executed
}

/** Results, blobs and checkpoints are as if nobody had used them for 90 days, and the steps had other results since. */
const age = (where: Place): void => {
  rmSync(path.join(where.store, "v1/last"), { recursive: true, force: true })
  const then = new Date(Date.now() - 90 * 86_400_000)
  for (const folder of ["results", "blobs"]) {
    const top = path.join(where.store, "v1", folder)
    if (!existsSync(top)) continue
    for (const name of readdirSync(top, { recursive: true, encoding: "utf8" }))
      if (name.includes("/")) utimesSync(path.join(top, name), then, then)
  }
}

const collect = (where: Place, disk: Layer.Layer<Disk> = Disk.layer) =>
  Effect.gen(function* () {
    const planned = yield* Gc.plan(Gc.defaultLimits, new Set(), Date.now())
    yield* Gc.collect(planned)
    return planned.results.length + planned.blobs.length
  }).pipe(Effect.provide(Store.layer(where.store).pipe(Layer.provideMerge(disk))), Effect.runPromiseExit)

/** A store with an old run and an older one, and what a run of its own gives. */
const oldStore = async (name: string) => {
  const where = place(name)
  await well(where, name, ["words.minimum=5"])
  await well(where, name)
  age(where)
  const aside = path.join(root, `${name}-pristine`)
  cpSync(path.join(root, name), aside, { recursive: true, preserveTimestamps: true })
  const again = (): void => {
    rmSync(path.join(root, name), { recursive: true, force: true })
    cpSync(aside, path.join(root, name), { recursive: true, preserveTimestamps: true })
  }
  return { where, again, expected: contents(where.outputs) }
}

describe.each(["killed", "unsynced lost"] as const)("a collection that crashes (%s) at any call", (model) => {
  it("leaves a store that serves nothing wrong, and the next one finishes", async () => {
    const { where, again, expected } = await oldStore(`crash-${model.replace(" ", "-")}`)
    const probe = FaultyDisk.make(scratch, {})
    expect(Exit.isSuccess(await collect(where, probe.layer))).toBe(true)
    const points = probe.calls()
    expect(points).toBeGreaterThan(10)
    const stride = full ? 1 : 3
    for (const index of series(`crash points of the collection, ${model}`, Math.ceil(points / stride))) {
      again()
      const crashAt = 1 + index * stride
      const disk = FaultyDisk.make(scratch, { crashAt, model })
      const point = `${model}, call ${crashAt}`
      expect(Exit.isFailure(await collect(where, disk.layer)), point).toBe(true)
      await well(where, point)
      expect(contents(where.outputs), point).toEqual(expected)
      expect(Exit.isSuccess(await collect(where)), point).toBe(true)
      expect(await well(where, point), point).toEqual([])
      FaultyDisk.cleanUp(scratch)
    }
  })
})

describe("a collection beside a run", () => {
  const rounds = full ? 500 : 15
  it(`takes nothing from it that it cannot do without (${rounds} rounds)`, async () => {
    const { where, again, expected } = await oldStore("beside")
    const random = Random.make(7, "collections")
    let taken = 0
    let served = 0
    for (const round of series("collections beside runs", rounds)) {
      again()
      const beforeMs = random.float() * 12
      const [executed, collected] = await Promise.all([
        well(where, `round ${round}`),
        setTimeout(beforeMs).then(() => collect(where))
      ])
      if (Exit.isFailure(collected)) throw new Error(`round ${round}: ${JSON.stringify(collected.cause)}`)
      taken += collected.value
      served += 4 - executed.length
      expect(contents(where.outputs), `round ${round}`).toEqual(expected)
      expect(await well(where, `round ${round}`), `round ${round}`).toEqual([])
    }
    // both had something to do
    expect(taken).toBeGreaterThan(rounds)
    expect(served).toBeGreaterThan(0)
  })

  it("keeps a result that the run has used, however old it was", async () => {
    const { where, again } = await oldStore("used")
    again()
    expect(await well(where, "used")).toEqual([])
    expect(Exit.isSuccess(await collect(where))).toBe(true)
    const page = readFileSync(path.join(where.outputs, "print/pages/page.txt"), "utf8")
    rmSync(where.outputs, { recursive: true })
    expect(await well(where, "used")).toEqual([])
    expect(readFileSync(path.join(where.outputs, "print/pages/page.txt"), "utf8")).toBe(page)
  })
})
