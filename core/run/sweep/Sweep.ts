/**
 * Sweep: a pipeline run with many settings, side by side in one process.
 *
 * Each setting is a run of its own in the history. The runs share one budget of cores and memory, and a step whose key is the same for
 * several settings is executed once. They leave `outputs/`, and what steps came to last, as they are: results are in the store, so a
 * sweep that was killed goes on where it was. A setting that fails stops no other.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type { AnyStep } from "../../pipeline/Step.ts"
import type { Prepared } from "../../plan/Prepared.ts"
import { BlobGone } from "../Materialize.ts"
import { Stopped } from "../outcome/NotDone.ts"
import type { RunEvent } from "../RunEvent.ts"
import { RunEvents } from "../RunEvents.ts"
import * as RunLog from "../RunLog.ts"
import * as Runner from "../Runner.ts"
import * as Budget from "../step/Budget.ts"
import * as Notices from "../step/Notices.ts"
import * as Once from "../step/Once.ts"

/** One setting, prepared. */
export interface Trial {
  readonly prepared: Prepared
  readonly steps: ReadonlyArray<AnyStep>
  readonly forced: ReadonlySet<string>
  readonly branches: ReadonlyMap<string, ReadonlySet<string>>
  readonly asked: RunLog.RunRecord["asked"]
}

export interface SweepOptions {
  readonly cores: number
  /** So many settings at a time. */
  readonly atOnce: number
  readonly keepGoing: boolean
  /** Is told each event, with the number of its setting, from 1 on. */
  readonly publish: (number: number, event: RunEvent) => void
}

/** The id of a sweep that begins now, and the ids of its runs, which differ though they begin in one second. */
const idsOf = (count: number, now: Date): { readonly id: string; readonly runIds: ReadonlyArray<string> } => {
  const first = randomBytes(2).readUInt16BE()
  const digitsOf = (at: number): string => ((first + at) % 65_536).toString(16).padStart(4, "0")
  const runIds = Array.from({ length: count }, (_, at) => Runner.makeRunId(now, digitsOf(at + 1)))
  return { id: `${RunLog.sweepPrefix}${Runner.makeRunId(now, digitsOf(0))}`, runIds }
}

/** So many settings: their runs have ids of four digits. */
export const mostSettings = 10_000

/**
 * Whether a failure says nothing about others that need the same work: it was not begun, or lost a blob to a collection. Other
 * work would fail again.
 */
export const isOwnFailure = (error: unknown): boolean => error instanceof Stopped || error instanceof BlobGone

/** Runs each of `trials`; gives what each came to, in their order. */
export const run = Effect.fn("Sweep.run")(function* (trials: ReadonlyArray<Trial>, options: SweepOptions) {
  const { id, runIds } = idsOf(trials.length, new Date())
  const shared = {
    budget: yield* Budget.make(options.cores),
    once: Once.make(isOwnFailure),
    notices: Notices.make()
  }
  const one = ({ prepared, asked, ...what }: Trial, at: number) => {
    const number = at + 1
    const among = { ...shared, runId: runIds[at]!, sweep: { id, number, of: trials.length } }
    const { keepGoing, publish } = options
    return Runner.run(prepared, { ...what, keepGoing, verify: false, outputsDir: undefined, asked, among }).pipe(
      Effect.provideService(RunEvents, { publish: (event) => publish(number, event) })
    )
  }
  // as many at a time as can do something: the first ones are finished first
  const summaries = yield* Effect.forEach(trials, one, { concurrency: options.atOnce })
  return { id, summaries }
})
