/**
 * Once: steps that go on at the same time do the work for a key once. The others wait, and hold no cores meanwhile: branches
 * of a run whose entries have the same content, and the runs of a sweep.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Digest from "../../../cache/identity/Digest.ts"
import type * as StepRun from "../StepRun.ts"

type Execute = ReturnType<typeof StepRun.execute>
type Executed = Effect.Success<Execute>
type Failed = Effect.Error<Execute>

/**
 * Does the work for a key, or waits for another that does; `executed` says which. Of forced work the result is remembered: that
 * in the store may be of an earlier run.
 */
export type Once = (key: Digest.Digest, isForced: boolean, work: Execute) => Execute

/** After a failure that `isOwn` to the one that met it, the next of those that wait does the work; others fail by it, too. */
export const make = (isOwn: (error: Failed) => boolean): Once => {
  const known = new Map<Digest.Digest, Deferred.Deferred<Executed, Failed>>()
  const once: Once = (key, isForced, work) =>
    Effect.suspend(() => {
      const earlier = known.get(key)
      if (earlier !== undefined) {
        return Deferred.await(earlier).pipe(
          Effect.map(({ result }) => ({ executed: false, result })),
          Effect.catchIf(isOwn, () => once(key, isForced, work))
        )
      }
      const own = Deferred.makeUnsafe<Executed, Failed>()
      known.set(key, own)
      const forget = Effect.sync(() => known.delete(key))
      return work.pipe(
        Effect.tapError((error) => (isOwn(error) ? forget : Effect.void)),
        Effect.tap(() => (isForced ? Effect.void : forget)),
        Effect.onExit((exit) => Deferred.done(own, exit))
      )
    })
  return once
}
