/** What is removed of what processes left, on this machine and on others. */
import { existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import * as Layout from "../../../cache/store/Layout.ts"
import * as Sweep from "../../../cache/store/Sweep.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

const dayMs = 24 * 3_600_000
const nowMs = Date.now()

/** A store with the folder of a step called `name`, whose last sign of life was so many days ago. */
const storeWith = (name: string, days: { readonly made: number; readonly alive?: number }) => {
  const layout = Layout.make(temporaryFolder())
  const work = path.join(layout.work, name)
  const secondsOf = (ago: number): number => (nowMs - ago * dayMs) / 1000
  mkdirSync(work, { recursive: true })
  writeFileSync(path.join(work, Sweep.processFile), "1")
  const alive = secondsOf(days.alive ?? days.made)
  utimesSync(path.join(work, Sweep.processFile), alive, alive)
  utimesSync(work, secondsOf(days.made), secondsOf(days.made))
  return { layout, isThere: () => existsSync(work) }
}

const swept = (name: string, days: { readonly made: number; readonly alive?: number }) =>
  Effect.gen(function* () {
    const { layout, isThere } = storeWith(name, days)
    yield* Sweep.sweep(layout, nowMs)
    return !isThere()
  }).pipe(Effect.provide(Disk.layer))

describe("scratch", () => {
  it.effect("of this machine goes with its process", () =>
    Effect.gen(function* () {
      expect(yield* swept(`${Sweep.ownHost}+4194999+run+step`, { made: 0 })).toBe(true)
      expect(yield* swept(`${Sweep.ownPrefix}run+step`, { made: 30 })).toBe(false)
    })
  )

  it.effect("of another one, or of a container that is gone, stays as long as it may be in use, and no longer", () =>
    Effect.gen(function* () {
      expect(yield* swept("elsewhere.4026+7+run+step", { made: 6 })).toBe(false)
      expect(yield* swept("elsewhere.4026+7+run+step", { made: 8 })).toBe(true)
      expect(yield* swept("elsewhere.4026+7+run+step", { made: 30, alive: 1 })).toBe(false)
      // it may wait for weeks until it is its turn
      expect(yield* swept(Sweep.jobWork("0011223344556677"), { made: 30 })).toBe(false)
      expect(yield* swept(Sweep.jobWork("0011223344556677"), { made: 61 })).toBe(true)
    })
  )

  it.live("is kept by signs of life while a step goes on", () =>
    Effect.gen(function* () {
      const { layout, isThere } = storeWith("elsewhere+7+run+step", { made: 30 })
      const work = path.join(layout.work, "elsewhere+7+run+step")
      yield* Effect.scoped(Effect.andThen(Sweep.beat(work, 5), Effect.sleep(100)))
      expect((yield* Sweep.timesOf(work))?.madeMs).toBeLessThan(nowMs - 29 * dayMs)
      yield* Sweep.sweep(layout, nowMs)
      expect(isThere()).toBe(true)
    }).pipe(Effect.provide(Disk.layer))
  )
})
