/** CommandRun: the work of a command stage, by `sh -eu` in an empty folder, with nothing in its environment that is not declared. */
import { spawn } from "node:child_process"
import { closeSync, mkdirSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import {
  endedEarly,
  environment,
  killGroup,
  lastWords,
  noteProcess,
  notStarted,
  openLog,
  printed,
  stop
} from "./ChildProcess.ts"
import { type CommandWork, type Executed, StepError, type StepTask } from "./Executor.ts"

/** As whole as it gets: the machine's, what is declared, and the paths of inputs and outputs. */
const environmentOf = (task: StepTask, work: CommandWork): Record<string, string> => {
  const outputs = Object.entries(work.output).map(
    ([name, output]) => [name, path.join(task.outputDir, ...output.path.split("/"))] as const
  )
  return {
    ...environment(task),
    ...work.env,
    ...task.inputs,
    ...Object.fromEntries(outputs)
  }
}

/** Runs the command, and ends what it left running; an exit code other than 0 is the step's failure. */
export const run = (task: StepTask, work: CommandWork): Effect.Effect<Executed, StepError> =>
  Effect.callback<Executed, StepError>((resume) => {
    const env = environmentOf(task, work)
    for (const [name, { kind }] of Object.entries(work.output)) {
      mkdirSync(kind === "folder" ? env[name]! : path.dirname(env[name]!), { recursive: true })
    }
    const log = openLog(task)
    const child = spawn("/bin/sh", ["-eu", "-c", work.command], {
      cwd: task.workdir,
      env,
      stdio: ["ignore", log.descriptor, log.descriptor],
      detached: true
    })
    closeSync(log.descriptor)
    noteProcess(task, child)
    child.once("error", (cause) => resume(Effect.fail(notStarted(task, cause))))
    child.once("exit", async (code, signal) => {
      await killGroup(child)
      if (code === 0) return resume(Effect.succeed({ loaded: {} }))
      if (code === null) return resume(Effect.fail(endedEarly(task, log, signal ?? "a signal")))
      const reason = `its command ended with exit code ${code}${lastWords(log)}`
      resume(Effect.fail(new StepError({ step: task.step, fault: "stage", reason, log: printed(log) })))
    })
    return stop(child)
  })
