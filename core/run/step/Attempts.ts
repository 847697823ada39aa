/**
 * Attempts: a step that is tried within its time, and again after a failure.
 *
 * Only what the stage could not do is tried again: a fault of the user's input or of op-pipe's own is the same each time, and so
 * is what changed during the run.
 * Each attempt begins in an empty folder, and goes on from a checkpoint where there is one. While a step waits for its next
 * attempt, others have its cores.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { StepError } from "../../executor/Executor.ts"
import * as Log from "../../executor/log/Log.ts"
import * as Mask from "../../executor/log/Mask.ts"
import type { StepTask } from "../../executor/StepTask.ts"
import * as Limits from "../../pipeline/Limits.ts"
import type { AnyStep } from "../../pipeline/Step.ts"
import { RunEvents } from "../RunEvents.ts"

const limitsOf = ({ stage, limits }: AnyStep): Limits.Limits => Limits.over(stage.limits, limits)

/** Ends the work of an attempt when its time is over. */
export const inTime = <A, E, R>(timeoutMs: number | undefined, task: StepTask, work: Effect.Effect<A, E, R>) => {
  if (timeoutMs === undefined) return work
  const orElse = () =>
    Effect.suspend(() => {
      const limit = Duration.format(Duration.millis(timeoutMs))
      const reason = `it was ended after ${limit}, its timeout. If it needs longer, give its stage or step a longer timeout${Log.lastWords({ file: task.log })}`
      const log = Log.printed({ file: task.log })
      return Effect.fail(new StepError({ step: task.step, fault: "stage", reason, log }))
    })
  return Effect.timeoutOrElse(work, { duration: timeoutMs, orElse })
}

/** What stands in the way of an attempt, in words, if another one may help. */
const failureOf = (error: unknown, { stage }: AnyStep): string | undefined =>
  error instanceof StepError && error.fault === "stage" && error.isFinal !== true
    ? Mask.inText(stage.secrets, error.reason)
    : undefined

/** How often a step begins again because the machine that it was done on was lost, besides its retries, and after what time. */
const afterLoss = { times: 2, backoffMs: 1000 }

/**
 * Tries `attempt` as often as the step may be tried. It is told the reasons for which earlier attempts failed. No further one
 * begins when the run has been stopped.
 */
export const tried = <A, E, R>(
  step: AnyStep,
  isStopped: () => boolean,
  attempt: (failed: ReadonlyArray<string>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StepError, R | RunEvents> => {
  const { retries = { times: 0, backoffMs: 0 } } = limitsOf(step)
  type Next = Effect.Effect<A, E | StepError, R | RunEvents>
  const next = (failed: ReadonlyArray<string>, losses: number, last?: StepError): Next =>
    Effect.catch(attempt(failed), (error: E) =>
      Effect.gen(function* () {
        const number = failed.length + 1
        const reason = failureOf(error, step)
        // the run was stopped while the step waited for cores: it has failed, and was not skipped
        if (reason === undefined && last !== undefined && !(error instanceof StepError)) return yield* last
        if (reason === undefined) return yield* Effect.fail(error)
        const failure = error as unknown as StepError
        const isLost = failure.lost === true && losses < afterLoss.times
        const of = retries.times + 1 + losses + (isLost ? 1 : 0)
        if (number === of || isStopped()) return yield* of === 1 ? failure : failure.at(number)
        const waitMs = isLost ? afterLoss.backoffMs : retries.backoffMs * 2 ** (failed.length - losses)
        const events = yield* RunEvents
        events.publish({ type: "StepRetried", step: step.id, attempt: number, of, reason, waitMs })
        yield* Effect.sleep(waitMs)
        return yield* next([...failed, reason], isLost ? losses + 1 : losses, failure.at(number))
      })
    )
  return next([], 0)
}
