/**
 * RunEvents: where the events of a run go.
 *
 * A listener gets each event at once and in order, before the run goes on: what a person reads is never behind.
 * `publish` is a plain function, since events also come from callbacks (a message of a step's process, the owner of a
 * lock).
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { RunEvent } from "./RunEvent.ts"

export class RunEvents extends Context.Service<RunEvents, { readonly publish: (event: RunEvent) => void }>()(
  "op-pipe/RunEvents"
) {
  /** Every event goes to `listener`, which must not throw. */
  static readonly to = (listener: (event: RunEvent) => void): Layer.Layer<RunEvents> =>
    Layer.succeed(RunEvents, { publish: listener })
}
