/**
 * CommandRun: the work of a command stage, by a shell in a folder of its own, with nothing in its environment that is not
 * declared; behind walls where that is possible (Sandbox).
 */
import type { ChildProcess } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import {
  asStepError,
  endedEarly,
  environment,
  finish,
  fullDisk,
  launch,
  spawnMasked,
  spawnWatched,
  stop
} from "./ChildProcess.ts"
import { type CommandWork, type Executed, StepError, type StepTask } from "./Executor.ts"
import * as Log from "./log/Log.ts"
import * as Sandbox from "./Sandbox.ts"
import * as LeftOut from "./walls/LeftOut.ts"
import * as StepView from "./walls/StepView.ts"

/** The folder of the step, which the runner removes afterwards. */
const folderOf = (task: StepTask): string => path.dirname(task.workdir)

const relativeTo = (task: StepTask, file: string): string => path.relative(task.workdir, file).split(path.sep).join("/")

/** As whole as it gets: the machine's, what is declared, and the paths of inputs and outputs. */
const environmentOf = (task: StepTask, work: CommandWork, isSealed: boolean): Record<string, string> => {
  const outputs = Object.entries(work.output).map(
    ([name, output]) => [name, relativeTo(task, path.join(task.outputDir, ...output.path.split("/")))] as const
  )
  return {
    ...environment(task),
    ...work.env,
    ...StepView.pathsOf(task, task.workdir, isSealed),
    ...Object.fromEntries(outputs)
  }
}

/** Makes the folders that outputs are written to, and writes the command's text where the shell reads it, whatever its length. */
const prepare = (task: StepTask, work: CommandWork): string => {
  for (const { kind, path: at } of Object.values(work.output)) {
    const file = path.join(task.outputDir, ...at.split("/"))
    mkdirSync(kind === "folder" ? file : path.dirname(file), { recursive: true })
  }
  const script = path.join(folderOf(task), "command")
  writeFileSync(script, work.command)
  return script
}

const wallsOf = (task: StepTask, work: CommandWork, script: string): Sandbox.Walls => {
  const temporary = path.join(folderOf(task), "tmp")
  mkdirSync(temporary, { recursive: true })
  const view = StepView.of(task, task.workdir)
  return {
    writable: [
      [task.workdir, Sandbox.inside.step],
      [temporary, Sandbox.inside.temporary]
    ],
    ...view,
    readable: [...view.readable, [script, Sandbox.inside.script], ...Sandbox.disguise(task, work.network)],
    hidden: Sandbox.hiddenFrom(task),
    network: work.network,
    env: { ...Sandbox.scratchIn(Sandbox.inside.temporary), ...work.env },
    cwd: Sandbox.inside.step
  }
}

const start = (task: StepTask, work: CommandWork, isSealed: boolean, stdio: Log.Log["stdio"]): ChildProcess => {
  const script = prepare(task, work)
  const env = environmentOf(task, work, isSealed)
  const options = { cwd: task.workdir, env, stdio, detached: true }
  if (!isSealed) return spawnWatched([...work.shell, script], options)
  const [file, ...args] = Sandbox.wrap(wallsOf(task, work, script), env, [...work.shell, Sandbox.inside.script])
  return spawnMasked(file!, args, options)
}

const ended = (
  task: StepTask,
  log: Log.Log,
  isSealed: boolean,
  code: number | null,
  signal: string | null
): Effect.Effect<Executed, StepError> => {
  if (code === 0) return Effect.succeed({ loaded: {}, sealed: isSealed })
  if (code === null) return Effect.fail(endedEarly(task, log, signal ?? "a signal"))
  // of a program in it, by the shell; of the shell itself, by the sandbox
  const by = Sandbox.signalOf(code)
  const how = by === undefined ? "" : ` (${by}${by === "SIGKILL" ? ", perhaps the machine ran out of memory" : ""})`
  const reason = `its command ended with exit code ${code}${how}${fullDisk(task)}${Log.lastWords(log)}`
  return Effect.fail(new StepError({ step: task.step, fault: "stage", reason, log: Log.printed(log) }))
}

const runPrepared = (task: StepTask, work: CommandWork, isSealed: boolean): Effect.Effect<Executed, StepError> =>
  Effect.callback<Executed, StepError>((resume) => {
    const launched = launch(task, (stdio) => start(task, work, isSealed, stdio))
    if (launched instanceof StepError) return resume(Effect.fail(launched))
    const { child, log } = launched
    child.once("error", (cause) => resume(Effect.fail(asStepError(task, cause))))
    child.once("exit", (code, signal) => {
      const end = () => resume(Effect.suspend(() => ended(task, log, isSealed, code, signal)))
      finish(launched, code !== 0).then(end, end)
    })
    return stop(child)
  })

/** Runs the command, and ends what it left running; an exit code other than 0 is the step's failure. */
export const run = Effect.fnUntraced(function* (task: StepTask, work: CommandWork, isSealed: boolean) {
  return yield* runPrepared(isSealed ? yield* LeftOut.without(task) : task, work, isSealed)
})
