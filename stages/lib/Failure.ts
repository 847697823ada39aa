/** Errors as sentences and as failures of a stage. */
import { Stage } from "../../core/index.ts"

/** The message of whatever was thrown. */
export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The stage fails with the error's own sentence; a failure of a stage stays as it is. */
export const toFailure = (error: { readonly message: string }): Stage.StageFailure =>
  error instanceof Stage.StageFailure ? error : new Stage.StageFailure({ reason: error.message })
