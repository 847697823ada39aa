/**
 * RemoteCache: results that several machines share, as a run sees them.
 *
 * A run asks for a result only if its own store has none, and offers each result that it made. Neither can fail a run: what is
 * not there, is damaged or cannot be believed is a miss, and a server that does not work is left alone for the rest of the run.
 * What implements this is loaded only where a shared cache is configured (Connect.ts).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Digest from "../identity/Digest.ts"
import type { StepResult } from "../store/ResultStore.ts"

/** How far the transfer of one result is. */
export type OnBytes = (doneBytes: number, totalBytes: number) => void

export interface RemoteCache {
  /**
   * Takes the result under `key` into the store, blobs first and the record last. Whether there is one now; the store's own
   * checks decide whether it can be used.
   */
  readonly pull: (key: Digest.Digest, onBytes: OnBytes) => Effect.Effect<boolean>
  /** Begins to upload a result that is in the store, and returns at once; does nothing where this user does not write. */
  readonly push: (result: StepResult) => Effect.Effect<void>
  /** Waits until what was begun is uploaded, but not for long. */
  readonly finish: Effect.Effect<void>
}

/** The shared cache of a run, if it has one. */
export const RemoteCache = Context.Reference<RemoteCache | undefined>("op-pipe/RemoteCache", {
  defaultValue: () => undefined
})
