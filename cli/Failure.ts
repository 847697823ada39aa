/**
 * Failure: how a command ends when it does not end well.
 *
 * Exit codes: 0 done; 1 a stage failed or the machine did; 2 bad usage or bad input; 70 a bug; 130 interrupted.
 */
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** The command line itself is wrong. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

/** Steps failed; each has been told already. */
export class RunFailed extends Data.TaggedError("RunFailed")<{
  readonly fault: "input" | "stage" | "bug"
  readonly message: string
}> {}

const badInput = new Set([
  "UsageError",
  "SettingsError",
  "CodeUnknown",
  "KeyUnknown",
  "ToolchainError",
  "PipelineError",
  "OutputsOccupied"
])
const faultCodes = { input: 2, stage: 1, bug: 70 } as const

export interface Ending {
  readonly code: number
  /** What to tell on standard error; undefined when all has been said. */
  readonly message: string | undefined
}

const saveTrace = (trace: string): string => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "op-pipe-")), "trace.txt")
  writeFileSync(file, `${trace}\n`)
  return file
}

const hasMessage = (value: unknown): value is { readonly _tag?: unknown; readonly message: string } =>
  typeof value === "object" && value !== null && typeof (value as { readonly message?: unknown }).message === "string"

/** How `exit` is to be told; `inSources` tells the places of a trace as places in the sources. */
export const ending = (exit: Exit.Exit<unknown, unknown>, inSources: (trace: string) => string): Ending => {
  if (Exit.isSuccess(exit)) return { code: 0, message: undefined }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    return { code: 130, message: "Interrupted. What is finished is kept; run again to go on." }
  }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error instanceof RunFailed) return { code: faultCodes[error.fault], message: undefined }
  if (error instanceof UsageError && error.message === "") return { code: 2, message: undefined }
  if (hasMessage(error) && typeof error._tag === "string") {
    if (error._tag === "StageFailure") return { code: 2, message: error.message }
    return { code: badInput.has(error._tag) ? 2 : 1, message: error.message }
  }
  const trace = inSources(Cause.pretty(exit.cause))
  return {
    code: 70,
    message: `This is a bug in op-pipe: ${trace.split("\n")[0]}\nThe trace is in ${saveTrace(trace)}; please report it with what you did.`
  }
}
