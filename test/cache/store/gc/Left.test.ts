/** What killed runs left of jobs and leases is collected, and nothing that may be of use. */
import { existsSync, readdirSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import * as Digest from "../../../../cache/identity/Digest.ts"
import { Disk } from "../../../../cache/store/Disk.ts"
import * as Gc from "../../../../cache/store/Gc.ts"
import * as Left from "../../../../cache/store/gc/Left.ts"
import { Store } from "../../../../cache/store/Store.ts"
import { jobWork } from "../../../../cache/store/Sweep.ts"
import { temporaryFolder, writeFiles } from "../../../lib/temporary.ts"

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const token = "00112233445566aa"
const keyOf = (name: string) => Digest.ofText(name)

/** A store with a job of each kind, by name. */
const newStore = () => {
  const store = temporaryFolder()
  const root = path.join(store, "v1")
  const job = (name: string, files: ReadonlyArray<string>, isWorked = true): void => {
    const own = `${Digest.ofText(name).slice(0, 14)}aa`
    const named = files.map((file) => [`jobs/${keyOf(name)}/${file.replace(token, own)}`, "{}"] as const)
    writeFiles(root, Object.fromEntries(named))
    if (isWorked) writeFiles(root, { [`work/${jobWork(own)}/process`]: "7" })
  }
  job("going on", [`task-${token}.json`, `id-${token}`])
  job("over", [`task-${token}.json`, `outcome-${token}.json`])
  job("recorded", [`task-${token}.json`, `outcome-${token}.json`])
  job("nowhere", [`task-${token}.json`], false)
  job("half removed", [`printed-${token}.txt`], false)
  return { root, layer: Store.layer(store).pipe(Layer.provideMerge(Disk.layer)) }
}
const known = new Set<string>([keyOf("recorded")])
const placesOf = (name: string) => [`jobs/${keyOf(name)}`, `work/${jobWork(`${keyOf(name).slice(0, 14)}aa`)}`]
const planned = (inUseMs: number, oldestMs: number) =>
  Effect.map(Left.plan(known, { inUseMs, oldestMs }), (left) => [...left].sort())

describe("jobs", () => {
  it.live("whose outcome nobody will take are collected, and none that a run may take or wait for", () =>
    Effect.gen(function* () {
      const { root, layer } = newStore()
      yield* Effect.provide(
        Effect.gen(function* () {
          const nowMs = Date.now()
          expect(yield* planned(nowMs - hourMs, 0)).toEqual([])
          const useless = [...placesOf("recorded"), placesOf("nowhere")[0]!, placesOf("half removed")[0]!]
          expect(yield* planned(nowMs + hourMs, 0)).toEqual(useless.sort())
          expect(yield* planned(nowMs + hourMs, nowMs + hourMs)).toEqual([...useless, ...placesOf("over")].sort())
          yield* Left.collect(useless, nowMs + hourMs)
          for (const place of useless) expect(existsSync(path.join(root, place)), place).toBe(false)
          expect(readdirSync(path.join(root, "jobs")).sort()).toEqual([keyOf("going on"), keyOf("over")].sort())
        }),
        layer
      )
    })
  )
})

describe("a collection", () => {
  it.live("says what is left and removes it, leases too", () =>
    Effect.gen(function* () {
      const { root, layer } = newStore()
      const lease = `leases/${Digest.ofText("key")}`
      writeFiles(root, { [lease]: "elsewhere.1+7+\nits-id\n1\n" })
      yield* Effect.provide(
        Effect.gen(function* () {
          const collection = yield* Gc.plan(Gc.defaultLimits, new Set(), Date.now() + 2 * dayMs)
          expect(collection.left).toContain(lease)
          expect(collection.left).toContain(placesOf("nowhere")[0])
          yield* Gc.collect(collection)
          expect(readdirSync(path.join(root, "leases"))).toEqual([])
          expect(readdirSync(path.join(root, "jobs"))).toHaveLength(3)
        }),
        layer
      )
    })
  )
})
