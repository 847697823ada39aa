/** SweepEvent: what a sweep says besides the events of its runs. */
import * as Schema from "effect/Schema"

const Assignments = Schema.Array(Schema.String)

export const SweepStarted = Schema.Struct({
  type: Schema.Literal("SweepStarted"),
  /** Assignments, as `--set` takes them, of each setting. */
  settings: Schema.Array(Assignments)
})

export const SettingPlanned = Schema.Struct({
  type: Schema.Literal("SettingPlanned"),
  number: Schema.Int,
  set: Assignments,
  /** Ids of steps. */
  stale: Assignments,
  fresh: Assignments
})

export const SettingFinished = Schema.Struct({
  type: Schema.Literal("SettingFinished"),
  number: Schema.Int,
  of: Schema.Int,
  set: Assignments,
  runId: Schema.String,
  executed: Assignments,
  cached: Assignments,
  failed: Assignments,
  skipped: Assignments,
  durationMs: Schema.Finite
})

export const SweepEvent = Schema.Union([SweepStarted, SettingPlanned, SettingFinished])
export type SweepEvent = typeof SweepEvent.Type
