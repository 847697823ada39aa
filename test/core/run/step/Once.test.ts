/** The work for a key is done once by all that go on at the same time; a failure is shared or not, as it says. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import * as Digest from "../../../../cache/identity/Digest.ts"
import type { StepResult } from "../../../../cache/store/ResultStore.ts"
import { StepError } from "../../../../core/executor/Executor.ts"
import { BlobGone } from "../../../../core/run/Materialize.ts"
import { Stopped } from "../../../../core/run/outcome/NotDone.ts"
import * as Once from "../../../../core/run/step/Once.ts"
import { isOwnFailure } from "../../../../core/run/sweep/Sweep.ts"

type Work = Parameters<Once.Once>[2]

const key = Digest.ofText("key")
const result = { key } as unknown as StepResult
/** Work that ends as `ends` says, in turn, and counts how often it was begun. */
const workOf = (...ends: ReadonlyArray<Effect.Effect<void, unknown>>) => {
  const told = { begun: 0 }
  const work = Effect.suspend(() => ends[told.begun++] ?? Effect.void).pipe(Effect.as({ executed: true, result }))
  return { told, work: work as unknown as Work }
}
const run = <A, E>(effect: Effect.Effect<A, E, never>): Promise<A> => Effect.runPromise(effect)
const asked = (once: Once.Once, work: Work, isForced = false) =>
  once(key, isForced, work) as unknown as Effect.Effect<{ executed: boolean }>

describe("once", () => {
  it("has one of those that go on at the same time do the work, and again for one that comes later", async () => {
    const gate = Deferred.makeUnsafe<void>()
    const { told, work } = workOf(Deferred.await(gate))
    const once = Once.make(() => true)
    const open = Effect.andThen(Effect.sleep(5), Deferred.succeed(gate, undefined))
    const both = Effect.all([asked(once, work), asked(once, work), open], { concurrency: "unbounded" })
    const [first, second] = await run(both)
    expect([first.executed, second.executed]).toEqual([true, false])
    await run(asked(once, work))
    expect(told.begun).toBe(2)
  })

  it("remembers forced work: what is in the store may be older", async () => {
    const { told, work } = workOf()
    const once = Once.make(() => true)
    await run(asked(once, work, true))
    expect((await run(asked(once, work, true))).executed).toBe(false)
    expect(told.begun).toBe(1)
  })

  it("does not ask again what lost a blob or was not begun for its failure, in a sweep too", async () => {
    const failed = new StepError({ step: "a", fault: "stage", reason: "no", log: null })
    for (const [failure, begun] of [
      [new BlobGone({ digest: key }), 2],
      [new Stopped({ because: "b" }), 2],
      [failed, 1]
    ] as const) {
      const { told, work } = workOf(Effect.fail(failure))
      const once = Once.make(isOwnFailure)
      expect(Exit.isFailure(await Effect.runPromiseExit(asked(once, work)))).toBe(true)
      await Effect.runPromiseExit(asked(once, work))
      expect(told.begun, failure._tag).toBe(begun)
    }
  })
})
