/**
 * ProcessExecutor: a step in a child process of its own.
 *
 * The command line stays responsive whatever the stage does, a crash of native code is a failed step, memory goes back to
 * the system at the end, and stopping is a signal. A command's process is the shell itself.
 */
import { fork } from "node:child_process"
import { closeSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { endedEarly, type Log, notStarted, openLog, printed, stop } from "./ChildProcess.ts"
import * as CommandRun from "./CommandRun.ts"
import {
  type Executed,
  Executor,
  Message,
  type ModuleWork,
  type ProgressMessage,
  StepError,
  type StepTask
} from "./Executor.ts"
import * as Permissions from "./Permissions.ts"

const workerPath = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)
)

const decodeMessage = Schema.decodeUnknownOption(Message)

const toExit = (
  task: StepTask,
  log: Log,
  message: Message | undefined,
  how: string
): Effect.Effect<Executed, StepError> => {
  const fail = (fault: StepError["fault"], reason: string): Effect.Effect<never, StepError> =>
    Effect.fail(new StepError({ step: task.step, fault, reason, log: printed(log) }))
  if (message === undefined) return Effect.fail(endedEarly(task, log, how))
  switch (message.type) {
    case "failed":
      return fail(message.badInput ? "input" : "stage", message.reason)
    case "bug":
      return fail("bug", message.trace)
    case "done":
      return Effect.succeed({ loaded: message.loaded })
    case "progress":
      return fail("bug", "its process ended while it still worked")
  }
}

const executeModule = (
  task: StepTask,
  work: ModuleWork,
  onProgress: (progress: ProgressMessage) => void
): Effect.Effect<Executed, StepError> =>
  Effect.callback<Executed, StepError>((resume) => {
    const log = openLog(task)
    const child = fork(workerPath, [], {
      stdio: ["ignore", log.descriptor, log.descriptor, "ipc"],
      detached: true,
      // A warning about Node's own state is no news to who runs a pipeline.
      execArgv: [
        "--disable-warning=ExperimentalWarning",
        "--disable-warning=SecurityWarning",
        ...Permissions.flags(task, work)
      ]
    })
    closeSync(log.descriptor)
    let outcome: Message | undefined
    child.on("message", (raw) => {
      const message = Option.getOrUndefined(decodeMessage(raw))
      if (message?.type === "progress") onProgress(message)
      else if (message !== undefined) outcome = message
    })
    child.once("error", (cause) => resume(Effect.fail(notStarted(task, cause))))
    child.once("exit", (code, signal) => resume(toExit(task, log, outcome, signal ?? `exit code ${code}`)))
    child.send(task)
    return stop(child)
  })

export const layer = Layer.succeed(Executor, {
  execute: (task, onProgress) =>
    task.work.type === "command" ? CommandRun.run(task, task.work) : executeModule(task, task.work, onProgress)
})
