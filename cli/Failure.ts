/**
 * Failure: how a command ends when it does not end well.
 *
 * Exit codes: 0 done; 1 a stage failed or the machine did; 2 bad usage or bad input; 70 a bug; 128 and the number of a
 * signal, if one ended it. Each error declares
 * its fault (cache/identity/Fault.ts); what is thrown is a bug.
 */
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Fault from "../cache/identity/Fault.ts"

/**
 * The command line itself is wrong: exit code 2.
 *
 * @example
 * ```ts
 * import { UsageError } from "op-pipe/cli"
 *
 * const error = new UsageError({ message: "head: expected a number of lines, but found -1" })
 * console.log(error._tag) // UsageError
 * ```
 */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {
  readonly fault = "input"
}

/**
 * Steps failed, and each was reported already. `fault` chooses the exit code: 2, 1 or 70.
 *
 * @example
 * ```ts
 * import { RunFailed } from "op-pipe/cli"
 *
 * const error = new RunFailed({ fault: "stage", message: "count failed" })
 * console.log(error.fault) // stage
 * ```
 */
export class RunFailed extends Data.TaggedError("RunFailed")<{
  readonly fault: Fault.Fault
  readonly message: string
}> {}

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

/** Of a stack trace, where in the sources it is. */
export interface Places {
  /** The trace with places in the sources instead of those in bundles. */
  readonly inSources: (trace: string) => string
  /** The same with the places in the user's own modules alone, if a function of the user's threw; undefined if one of ours did. */
  readonly ownTrace: (trace: string) => string | undefined
}

/** Of a defect, the value that a function or a Schema of the pipeline's gave in the place of an Effect, as a default `() => 3`; effect does not say where. */
const notAnEffect = (defect: unknown): string | undefined =>
  /^Fiber\.runLoop: Not a valid effect: (.*)$/su.exec(hasMessage(defect) ? defect.message : String(defect))?.[1]

/** What a function of the pipeline's threw that is no work of a step, such as `ignore` of a source; undefined of any other defect. */
const thrownByUser = (cause: Cause.Cause<unknown>, { ownTrace }: Places): string | undefined => {
  const defect = Cause.squash(cause)
  // by name, since the project may have a copy of op-pipe of its own
  if (defect instanceof Error && defect.name === "DeclarationError") return defect.message
  const given = notAnEffect(defect)
  if (given !== undefined)
    return `expected Effects from the functions of the pipeline and from defaults in its Schemas, but found ${given}. Give \`Effect.succeed(...)\` for a value`
  const trace = ownTrace(defect instanceof Error ? (defect.stack ?? "") : "")
  return trace === undefined ? undefined : `expected the modules of the pipeline not to throw, but one did: ${trace}`
}

/** The exit code and message for `exit`; `interrupted` is the exit code of a process that was ended from outside. */
export const ending = (exit: Exit.Exit<unknown, unknown>, places: Places, interrupted = 130): Ending => {
  if (Exit.isSuccess(exit)) return { code: 0, message: undefined }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    return { code: interrupted, message: "Interrupted. What is finished is kept; run again to go on." }
  }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  const code = Fault.exitCodes[Fault.of(error)]
  if (error instanceof RunFailed) return { code, message: undefined }
  if (hasMessage(error) && typeof error._tag === "string") return { code, message: places.inSources(error.message) }
  const thrown = thrownByUser(exit.cause, places)
  if (thrown !== undefined) return { code: Fault.exitCodes.input, message: thrown }
  const trace = places.inSources(Cause.pretty(exit.cause))
  return {
    code: Fault.exitCodes.bug,
    message: `This is a bug in op-pipe: ${trace.split("\n")[0]}\nThe trace is in ${saveTrace(trace)}; please report it with what you did.`
  }
}
