/**
 * ProcessExecutor: a step in a child process of its own.
 *
 * The command line stays responsive whatever the stage does, a crash of native code is a failed step, memory goes back to
 * the system at the end, and stopping is a signal. The child leads a process group, so that what it starts is stopped
 * with it: first SIGTERM, after two seconds SIGKILL.
 */
import { type ChildProcess, fork } from "node:child_process"
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Executed, Executor, Message, type ProgressMessage, StepError, type StepTask } from "./Executor.ts"

const graceMs = 2000
const workerPath = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)
)

const decodeMessage = Schema.decodeUnknownOption(Message)

const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group has ended in the meantime, which is what was wanted.
  }
}

const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    const timer = setTimeout(() => signalGroup(child, "SIGKILL"), graceMs)
    child.once("exit", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    signalGroup(child, "SIGTERM")
  })

const printed = (log: string): string | null => (statSync(log, { throwIfNoEntry: false })?.size ? log : null)

const lastLines = (log: string): string => {
  const text = readFileSync(log, "utf8").trimEnd()
  return text.split("\n").slice(-20).join("\n")
}

const toExit = (
  task: StepTask,
  log: string,
  message: Message | undefined,
  how: string
): Effect.Effect<Executed, StepError> => {
  const fail = (fault: StepError["fault"], reason: string): Effect.Effect<never, StepError> =>
    Effect.fail(new StepError({ step: task.step, fault, reason, log: printed(log) }))
  if (message === undefined) {
    const said = printed(log) === null ? "" : `. Its last words:\n${lastLines(log)}`
    const killed = how === "SIGKILL" ? " (perhaps the machine ran out of memory)" : ""
    return fail("stage", `its process ended by ${how}${killed} before the step was done${said}`)
  }
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

const execute = (task: StepTask, onProgress: (progress: ProgressMessage) => void): Effect.Effect<Executed, StepError> =>
  Effect.callback<Executed, StepError>((resume) => {
    const log = path.join(path.dirname(task.outputDir), "log.txt")
    mkdirSync(path.dirname(log), { recursive: true })
    const output = openSync(log, "a")
    const child = fork(workerPath, [], {
      stdio: ["ignore", output, output, "ipc"],
      detached: true,
      // A warning about Node's own state is no news to who runs a pipeline.
      execArgv: ["--disable-warning=ExperimentalWarning"]
    })
    closeSync(output)
    let outcome: Message | undefined
    child.on("message", (raw) => {
      const message = Option.getOrUndefined(decodeMessage(raw))
      if (message?.type === "progress") onProgress(message)
      else if (message !== undefined) outcome = message
    })
    child.once("error", (cause) =>
      resume(
        Effect.fail(
          new StepError({
            step: task.step,
            fault: "bug",
            reason: `no process could be started: ${cause.message}`,
            log: null
          })
        )
      )
    )
    child.once("exit", (code, signal) => resume(toExit(task, log, outcome, signal ?? `exit code ${code}`)))
    child.send(task)
    return stop(child)
  })

export const layer = Layer.succeed(Executor, { execute })
