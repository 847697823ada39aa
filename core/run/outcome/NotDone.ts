/** NotDone: why a step gave no result, besides what its work says. */
import * as Data from "effect/Data"
import { StepError } from "../../executor/Executor.ts"

/** The step did not begin, because another step failed. */
export class Stopped extends Data.TaggedError("Stopped")<{ readonly because: string }> {
  override get message(): string {
    return `not begun, because ${this.because} failed`
  }
}

/** A fault of ours in a step. */
export const bug = (step: string, reason: string): StepError => new StepError({ step, fault: "bug", reason, log: null })
