/**
 * CommandRun: the work of a command stage, by a shell in a folder of its own, with nothing in its environment that is not
 * declared; behind walls where that is possible (Sandbox).
 */
import type { ChildProcess } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as CommandParams from "../pipeline/command/CommandParams.ts"
import * as Words from "../pipeline/command/Words.ts"
import {
  asStepError,
  end,
  endedEarly,
  environment,
  finish,
  fullDisk,
  launch,
  spawnSealed,
  spawnWatched
} from "./ChildProcess.ts"
import { type Executed, StepError } from "./Executor.ts"
import { adviceFor } from "./log/Advice.ts"
import * as Log from "./log/Log.ts"
import * as PythonRun from "./python/PythonRun.ts"
import * as Sandbox from "./Sandbox.ts"
import type { CommandWork, News, StepTask } from "./StepTask.ts"
import * as LeftOut from "./walls/LeftOut.ts"
import * as StepView from "./walls/StepView.ts"

/** The folder of the step, which the runner removes afterwards. */
const folderOf = (task: StepTask): string => path.dirname(task.workdir)

const relativeTo = (task: StepTask, file: string): string => path.relative(task.workdir, file).split(path.sep).join("/")

/** Where a command finds its parameters, in the folder that it starts in. */
const paramsFile = "params.json"

/** Where a command finds its outputs, in the folder that it starts in. */
const outputsOf = (task: StepTask, work: CommandWork): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(work.output).map(
      ([name, output]) => [name, relativeTo(task, path.join(task.outputDir, ...output.path.split("/")))] as const
    )
  )

/** As whole as it gets: the machine's, what is declared, and the paths of inputs and outputs. */
const environmentOf = (task: StepTask, work: CommandWork, isSealed: boolean): Record<string, string> => {
  if (work.python !== null)
    return { ...environment(task), ...work.env, ...PythonRun.environmentOf(work.python, isSealed) }
  const params = work.params === null ? {} : { OP_PIPE_PARAMS: paramsFile, ...CommandParams.variablesOf(work.params) }
  return {
    ...environment(task),
    ...work.env,
    ...params,
    ...StepView.pathsOf(task, task.workdir, isSealed),
    ...Object.fromEntries(task.absent.map((name) => [name, ""])),
    ...outputsOf(task, work)
  }
}

/** Makes the folders that outputs are written to, and the file of the parameters. */
const prepare = (task: StepTask, work: CommandWork, isSealed: boolean): void => {
  for (const { isMade, path: at } of Object.values(work.output)) {
    const file = path.join(task.outputDir, ...at.split("/"))
    mkdirSync(isMade ? file : path.dirname(file), { recursive: true })
  }
  if (work.python !== null) PythonRun.writeContext(task, work, outputsOf(task, work), isSealed)
  else if (work.params !== null)
    writeFileSync(path.join(task.workdir, paramsFile), `${JSON.stringify(work.params, null, 2)}\n`)
}

const noVariable = (task: StepTask) => (name: string) => {
  const reason = `expected $${name} in its args to be a variable of the command, but found none of that name, or one that has no text`
  throw new StepError({ step: task.step, fault: "input", reason, log: null })
}

/** What is called, and the file in which a shell reads the command's text, whatever its length. */
const calledBy = (
  task: StepTask,
  work: CommandWork,
  env: Readonly<Record<string, string>>,
  isSealed: boolean
): { readonly words: ReadonlyArray<string>; readonly script: string | undefined } => {
  if (work.python !== null) return { words: PythonRun.wordsOf(work.python), script: undefined }
  if (typeof work.command !== "string")
    return { words: Words.filled(work.command, env, noVariable(task)), script: undefined }
  const script = path.join(folderOf(task), "command")
  writeFileSync(script, work.command)
  return { words: [...work.shell, isSealed ? Sandbox.inside.script : script], script }
}

const wallsOf = (task: StepTask, work: CommandWork, script: string | undefined): Sandbox.Walls => {
  const temporary = path.join(folderOf(task), "tmp")
  mkdirSync(temporary, { recursive: true })
  const view = StepView.of(task, task.workdir)
  const python = work.python === null ? undefined : PythonRun.wallsOf(task, work.python)
  return {
    writable: [[task.workdir, Sandbox.inside.step], [temporary, Sandbox.inside.temporary], ...(python?.writable ?? [])],
    ...view,
    named: python?.named ?? [],
    readable: [
      ...view.readable,
      ...(python?.readable ?? []),
      ...(script === undefined ? [] : [[script, Sandbox.inside.script] as const]),
      ...Sandbox.disguise(work.network)
    ],
    hidden: Sandbox.hiddenFrom(task),
    programs: true,
    network: work.network,
    env: { ...Sandbox.scratchIn(Sandbox.inside.temporary), ...work.env },
    cwd: Sandbox.inside.step
  }
}

const start = (task: StepTask, work: CommandWork, isSealed: boolean, stdio: Log.Log["stdio"]): ChildProcess => {
  prepare(task, work, isSealed)
  const env = environmentOf(task, work, isSealed)
  const piped = work.python === null ? stdio : [...stdio, "pipe" as const]
  const options = { cwd: task.workdir, env, stdio: piped, detached: true }
  const inside = isSealed ? Sandbox.scratchIn(Sandbox.inside.temporary) : {}
  const { words, script } = calledBy(task, work, { ...env, ...inside, ...work.env }, isSealed)
  if (!isSealed) return spawnWatched(words, options)
  return spawnSealed(Sandbox.wrap(wallsOf(task, work, script), env, words), options)
}

const ended = (
  task: StepTask,
  what: string,
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
  const words = Log.lastWords(log)
  const reason = `its ${what} ended with exit code ${code}${how}${fullDisk(task)}${adviceFor(task.project, words)}${words}`
  return Effect.fail(new StepError({ step: task.step, fault: "stage", reason, log: Log.printed(log) }))
}

/** What a script said of its failure, as its step's. */
const saidOf = (task: StepTask, log: Log.Log, { reason, badInput }: PythonRun.Failed): StepError =>
  new StepError({ step: task.step, fault: badInput ? "input" : "stage", reason, log: Log.printed(log) })

const runPrepared = (
  task: StepTask,
  work: CommandWork,
  isSealed: boolean,
  onNews: (news: News) => void
): Effect.Effect<Executed, StepError> =>
  Effect.callback<Executed, StepError>((resume) => {
    const launched = launch(task, (stdio) => start(task, work, isSealed, stdio))
    if (launched instanceof StepError) return resume(Effect.fail(launched))
    const { child, log } = launched
    child.once("error", (cause) => resume(Effect.fail(asStepError(task, cause))))
    const said = work.python === null ? undefined : PythonRun.listen(child, onNews)
    child.once("exit", (code, signal) => {
      const what = work.python === null ? "command" : "script"
      const told = (failed: PythonRun.Failed | undefined) =>
        resume(
          Effect.suspend(() =>
            failed === undefined
              ? ended(task, what, log, isSealed, code, signal)
              : Effect.fail(saidOf(task, log, failed))
          )
        )
      const end = () => (said?.ended ?? Promise.resolve(undefined)).then(told)
      finish(launched, code !== 0).then(end, end)
    })
    return end(launched)
  })

/** Runs the command, and ends what it left running; an exit code other than 0 is the step's failure. */
export const run = Effect.fnUntraced(function* (
  task: StepTask,
  work: CommandWork,
  isSealed: boolean,
  onNews: (news: News) => void
) {
  return yield* runPrepared(isSealed ? yield* LeftOut.without(task) : task, work, isSealed, onNews)
})
