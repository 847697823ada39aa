/** Taken: what a step left, looked through and taken into the store, by the machine that did the step. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { StepError } from "../../executor/Executor.ts"
import * as Log from "../../executor/log/Log.ts"
import type { StepTask } from "../../executor/StepTask.ts"
import type * as Artifact from "../../pipeline/Artifact.ts"
import { type Origins, type OutputMissing, takeOutputs } from "../TakeOutputs.ts"
import * as OwnPath from "./OwnPath.ts"

/** An output that is not as declared: the step failed, and what it printed may say why. */
const withLog = (step: string, { fault, message }: OutputMissing, log: string): StepError =>
  new StepError({ step, fault, reason: `${message}${Log.lastWords({ file: log })}`, log: Log.printed({ file: log }) })

/** Takes the outputs of a task into the store; `tell` is told what a user should know of them. */
export const outputsOf = Effect.fnUntraced(function* (
  task: StepTask,
  artifacts: Readonly<Record<string, Artifact.Any>>,
  { sealed, origins }: { readonly sealed: boolean; readonly origins: Origins },
  tell: (text: string) => void
) {
  const folder = path.basename(path.dirname(task.workdir))
  if (!sealed) yield* OwnPath.check(task.step, folder, task.outputDir, tell)
  return yield* takeOutputs(artifacts, task.outputDir, origins).pipe(
    Effect.catchTag("OutputMissing", (error) => Effect.fail(withLog(task.step, error, task.log)))
  )
})
