/** Pulling: downloads out of a shared cache: how far that of one step is, and those of a whole pipeline without a run. */
import * as Effect from "effect/Effect"
import * as CacheKey from "../../../cache/identity/CacheKey.ts"
import type * as Digest from "../../../cache/identity/Digest.ts"
import type { OnBytes } from "../../../cache/remote/RemoteCache.ts"
import type { StepResult } from "../../../cache/store/ResultStore.ts"
import { type AnyStep, displayName } from "../../pipeline/Step.ts"
import * as Ingredients from "../../plan/Ingredients.ts"
import * as Branches from "../../plan/many/Branches.ts"
import type { Prepared } from "../../plan/Prepared.ts"
import * as StoredResult from "../../plan/StoredResult.ts"
import type { RunEvents } from "../RunEvents.ts"

/** Downloads that take less long are not told. */
const quietMs = 1000
const everyMs = 200
const megabyte = 1_000_000

/** Publishes the progress of the download for `step`. */
export const progressOf = (step: string, events: RunEvents["Service"]): OnBytes => {
  let nextMs = performance.now() + quietMs
  return (doneBytes, totalBytes) => {
    const nowMs = performance.now()
    if (nowMs < nextMs) return
    nextMs = nowMs + everyMs
    const [done, total] = [doneBytes / megabyte, totalBytes / megabyte]
    const label = "from the shared cache"
    events.publish({ type: "StepProgress", step, label, done, total, unit: "MB", figures: {} })
  }
}

/** So many steps at a time. */
const atOnce = 16

/**
 * Has each of `steps` that has no result pull it, and executes nothing. A step whose input is unknown, since an upstream step has
 * no result, has no key to ask for, and none for each of many is placed.
 */
export const all = Effect.fn("Pulling.all")(function* <E, R>(
  prepared: Prepared,
  steps: ReadonlyArray<AnyStep>,
  pull: (key: Digest.Digest) => Effect.Effect<boolean, E, R>
) {
  const results = new Map<string, StepResult>()
  const branches = new Map<string, ReadonlyArray<AnyStep>>()
  const asked: Array<string> = []
  const pulled = new Set<string>()
  const one = Effect.fnUntraced(function* (step: AnyStep, parts: CacheKey.KeyParts) {
    const key = yield* CacheKey.of(displayName(step.id), parts)
    const stored = yield* StoredResult.find(step, key)
    if (typeof stored !== "string") return results.set(step.id, stored)
    const found = (yield* pull(key)) ? yield* StoredResult.find(step, key) : "absent"
    if (typeof found === "string") return
    results.set(step.id, found)
    pulled.add(step.id)
  })
  let waiting: ReadonlyArray<AnyStep> = steps
  for (let isGettingOn = true; isGettingOn; ) {
    const ready: Array<readonly [step: AnyStep, parts: CacheKey.KeyParts]> = []
    const left: Array<AnyStep> = []
    for (const step of waiting) {
      const placed = yield* Branches.of(prepared, step, { results, branches })
      const settled =
        step.each === undefined ? yield* Branches.settled(prepared, step, { results, branches }) : undefined
      const parts = settled === undefined ? undefined : Ingredients.keyParts(prepared, settled, results)
      if (placed !== undefined) branches.set(step.id, placed)
      if (settled !== undefined && parts !== undefined) ready.push([settled, parts])
      else left.push(...(placed ?? [step]))
    }
    asked.push(...ready.map(([{ id }]) => id))
    yield* Effect.forEach(ready, ([step, parts]) => one(step, parts), { concurrency: atOnce, discard: true })
    isGettingOn = ready.length > 0 || left.length > waiting.length || left.some((step, at) => step !== waiting[at])
    waiting = left
  }
  return {
    pulled: asked.filter((id) => pulled.has(id)),
    present: asked.filter((id) => results.has(id) && !pulled.has(id)),
    missing: [...asked.filter((id) => !results.has(id)), ...waiting.map(({ id }) => id)]
  }
})
