/**
 * Once: runs that go on at the same time do the work for a key once. The others wait, and hold no cores meanwhile.
 *
 * A failure is the others' failure too: the same work would fail again. But work that was not begun, because another step of its own
 * run had failed, says nothing about the others.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Digest from "../../../cache/identity/Digest.ts"
import type * as StepRun from "../StepRun.ts"

type Execute = ReturnType<typeof StepRun.execute>
type Executed = Effect.Success<Execute>
type Failed = Effect.Error<Execute>

/** Does the work for a key, or waits for another run that does; `executed` says which. */
export type Once = (key: Digest.Digest, work: Execute) => Execute

/** For the runs of one sweep. */
export const make = (isNotBegun: (error: Failed) => boolean): Once => {
  const known = new Map<Digest.Digest, Deferred.Deferred<Executed, Failed>>()
  const once: Once = (key, work) =>
    Effect.suspend(() => {
      const earlier = known.get(key)
      if (earlier !== undefined) {
        return Deferred.await(earlier).pipe(
          Effect.map(({ result }) => ({ executed: false, result })),
          Effect.catchIf(isNotBegun, () => once(key, work))
        )
      }
      const own = Deferred.makeUnsafe<Executed, Failed>()
      known.set(key, own)
      const forget = Effect.sync(() => known.delete(key))
      return work.pipe(
        Effect.tapError((error) => (isNotBegun(error) ? forget : Effect.void)),
        Effect.onExit((exit) => Deferred.done(own, exit))
      )
    })
  return once
}
