/**
 * RunEvent: the events of a run, as data. `run --json` prints one on each line; the terminal draws the same events.
 */
import * as Schema from "effect/Schema"
import { Fault } from "../../cache/identity/Fault.ts"
import { displayName } from "../pipeline/Step.ts"

const StepId = Schema.String
const Reasons = Schema.Array(Schema.String)

export const RunStarted = Schema.Struct({
  type: Schema.Literal("RunStarted"),
  runId: Schema.String,
  steps: Schema.Array(StepId),
  profile: Schema.NullOr(Schema.String)
})
export const Notice = Schema.Struct({ type: Schema.Literal("Notice"), text: Schema.String })
/** It is known for what a step stands: for so many branches, each a step of its own. */
export const StepPlaced = Schema.Struct({
  type: Schema.Literal("StepPlaced"),
  step: StepId,
  branches: Schema.Int
})
export const StepStarted = Schema.Struct({
  type: Schema.Literal("StepStarted"),
  step: StepId,
  reasons: Reasons,
  /** Of a step that goes on from a checkpoint: how long it has worked before. */
  resumedMs: Schema.optionalKey(Schema.Finite)
})
export const StepProgress = Schema.Struct({
  type: Schema.Literal("StepProgress"),
  step: StepId,
  label: Schema.String,
  done: Schema.Finite,
  total: Schema.Finite,
  unit: Schema.String,
  figures: Schema.Record(Schema.String, Schema.Finite)
})
/** `restored`: files in `outputs/` were missing or changed, and were restored. */
export const StepCached = Schema.Struct({
  type: Schema.Literal("StepCached"),
  step: StepId,
  key: Schema.String,
  restored: Schema.Boolean,
  /** Whether the result came from the shared cache in this run. */
  pulled: Schema.optionalKey(Schema.Boolean)
})
export const StepExecuted = Schema.Struct({
  type: Schema.Literal("StepExecuted"),
  step: StepId,
  key: Schema.String,
  /** Of a resumed step, of all its pieces. */
  durationMs: Schema.Finite,
  /** Whether the outputs are the same as before, so that nothing downstream needs to run. */
  unchanged: Schema.Boolean,
  /** Of a step that failed before it succeeded: how often it was tried. */
  attempts: Schema.optionalKey(Schema.Int)
})
export const StepFailed = Schema.Struct({
  type: Schema.Literal("StepFailed"),
  step: StepId,
  reason: Schema.String,
  /** The user's input is at fault (exit code 2), the stage could not do its work (1), or op-pipe has a bug (70). */
  fault: Fault,
  log: Schema.NullOr(Schema.String),
  /** Of a step with retries: how often it was tried. */
  attempts: Schema.optionalKey(Schema.Int)
})
/** An attempt of a step failed; the next one begins when it has waited. */
export const StepRetried = Schema.Struct({
  type: Schema.Literal("StepRetried"),
  step: StepId,
  /** The number of the attempt that failed, and how many there may be. */
  attempt: Schema.Int,
  of: Schema.Int,
  reason: Schema.String,
  waitMs: Schema.Finite
})
/** A step ran again to verify its result, and gave the same outputs. */
export const StepVerified = Schema.Struct({
  type: Schema.Literal("StepVerified"),
  step: StepId,
  key: Schema.String,
  durationMs: Schema.Finite
})
/** Not run, because an upstream step failed. */
export const StepSkipped = Schema.Struct({ type: Schema.Literal("StepSkipped"), step: StepId, because: StepId })
/** In a dry run: what would happen. A `pending` step waits for an upstream one. */
export const StepPlanned = Schema.Struct({
  type: Schema.Literal("StepPlanned"),
  step: StepId,
  state: Schema.Literals(["fresh", "stale", "pending", "never run"]),
  reasons: Reasons,
  /** Of a step that stands for branches: how many these are. */
  branches: Schema.optionalKey(Schema.Int)
})
/** With `--verbose`: whole lines that a step printed. */
export const StepPrinted = Schema.Struct({ type: Schema.Literal("StepPrinted"), step: StepId, text: Schema.String })
export const RunFinished = Schema.Struct({
  type: Schema.Literal("RunFinished"),
  runId: Schema.String,
  executed: Schema.Array(StepId),
  cached: Schema.Array(StepId),
  failed: Schema.Array(StepId),
  skipped: Schema.Array(StepId),
  durationMs: Schema.Finite,
  report: Schema.NullOr(Schema.String)
})

/** One event of a run, as `onEvent` is told it and `--json` prints it. */
export const RunEvent = Schema.Union([
  RunStarted,
  Notice,
  StepPlaced,
  StepStarted,
  StepProgress,
  StepCached,
  StepExecuted,
  StepFailed,
  StepRetried,
  StepVerified,
  StepSkipped,
  StepPlanned,
  StepPrinted,
  RunFinished
])
/** One event of a run, as `onEvent` is told it and `--json` prints it. */
export type RunEvent = typeof RunEvent.Type

/** What a step says that a user should know. */
export const noticeOf = (step: string, text: string): RunEvent => ({
  type: "Notice",
  text: `${displayName(step)}: ${text}`
})
