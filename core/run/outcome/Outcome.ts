/**
 * Outcome: what becomes of the steps of a run, and the state that they share meanwhile.
 */
import type * as Deferred from "effect/Deferred"
import type { StepResult } from "../../../cache/store/ResultStore.ts"
import type { StepError } from "../../executor/Executor.ts"
import type { AnyStep } from "../../pipeline/Step.ts"
import type * as RunLog from "../RunLog.ts"
import type * as StepRun from "../StepRun.ts"
import type * as Budget from "../step/Budget.ts"
import type { Notices } from "../step/Notices.ts"
import type { Once } from "../step/Once.ts"

export interface RunOptions {
  /** The steps to bring up to date, upstream first, ancestors included. */
  readonly steps: ReadonlyArray<AnyStep>
  /** Steps to execute even if their result is there. */
  readonly forced: ReadonlySet<string>
  readonly keepGoing: boolean
  /** Run steps with a result again, and compare the outputs. */
  readonly verify: boolean
  /** Where files of results go; undefined of a run that leaves them, and what steps came to last, as they are. */
  readonly outputsDir: string | undefined
  /** Of steps that `each` placed: the names of those branches that alone are wanted. */
  readonly branches?: ReadonlyMap<string, ReadonlySet<string>>
  /** What was asked for, for the history. */
  readonly asked?: RunLog.RunRecord["asked"]
  /** Of a run that tries one setting of a sweep: what it shares with the others. */
  readonly among?: Among
}

/** What the runs of a sweep share, which go on at the same time in one process. */
export interface Among {
  readonly runId: string
  readonly sweep: NonNullable<RunLog.RunRecord["sweep"]>
  readonly budget: Budget.Budget
  readonly once: Once
  readonly notices: Notices
}

/** What became of a step. */
export type Outcome =
  | { readonly state: "cached" | "executed"; readonly result: StepResult }
  | { readonly state: "failed" }
  | { readonly state: "skipped"; readonly because: string }
  /** Of a step that stands for its branches: all have results, or one has not. */
  | { readonly state: "placed" }
  | { readonly state: "incomplete"; readonly because: string }

/** What the steps of a run share, and what is known of them so far. */
export interface Running extends StepRun.Running {
  readonly options: RunOptions
  readonly outcomes: Map<string, Outcome>
  readonly failures: Array<StepError>
  readonly done: Map<string, Deferred.Deferred<Outcome>>
  /** Of a step that stands for its branches: done when these are placed, or cannot be. */
  readonly placing: ReadonlyMap<string, Deferred.Deferred<void>>
  readonly branches: Map<string, ReadonlyArray<AnyStep>>
  readonly once: Once
}

/** The steps of the run, those that stand for branches followed by these. */
export const allIn = ({ branches, options }: Running): ReadonlyArray<AnyStep> =>
  branches.size === 0 ? options.steps : options.steps.flatMap((step) => [step, ...(branches.get(step.id) ?? [])])
