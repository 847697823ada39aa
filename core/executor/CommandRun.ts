/**
 * CommandRun: the work of a command stage, by a shell in a folder of its own, with nothing in its environment that is not
 * declared; behind walls where that is possible (Sandbox).
 */
import type { ChildProcess } from "node:child_process"
import { existsSync, lstatSync, mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { asStepError, endedEarly, environment, finish, fullDisk, launch, spawnMasked, stop } from "./ChildProcess.ts"
import { type CommandWork, type Executed, StepError, type StepTask } from "./Executor.ts"
import * as Log from "./log/Log.ts"
import * as Sandbox from "./Sandbox.ts"

/** The folder of the step, which the runner removes afterwards. */
const folderOf = (task: StepTask): string => path.dirname(task.workdir)

const relativeTo = (task: StepTask, file: string): string => path.relative(task.workdir, file).split(path.sep).join("/")

/** As whole as it gets: the machine's, what is declared, and the paths of inputs and outputs. */
const environmentOf = (task: StepTask, work: CommandWork, isSealed: boolean): Record<string, string> => {
  const inputs = Object.entries(task.inputs).map(([name, file]) => {
    const isOwn = file === path.join(task.workdir, work.places[name]!)
    return [name, isSealed || isOwn ? work.places[name]! : file] as const
  })
  const outputs = Object.entries(work.output).map(
    ([name, output]) => [name, relativeTo(task, path.join(task.outputDir, ...output.path.split("/")))] as const
  )
  return { ...environment(task), ...work.env, ...Object.fromEntries(inputs), ...Object.fromEntries(outputs) }
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

/** Makes what an input from outside is mounted over. */
const makeMountPoint = (from: string, at: string): void => {
  if (existsSync(at)) return
  if (lstatSync(from).isDirectory()) mkdirSync(at, { recursive: true })
  else {
    mkdirSync(path.dirname(at), { recursive: true })
    writeFileSync(at, "")
  }
}

/** What links in inputs lead to, where they lead in the sandbox. What lies in another input is there already. */
const reachedFrom = (task: StepTask, { places }: CommandWork): Sandbox.Walls["readable"] => {
  const { step } = Sandbox.inside
  const others = Object.values(places).map((place) => path.join(step, place))
  return task.reached.flatMap(({ input, from, at }) => {
    const place = path.resolve(step, places[input]!, at)
    if (Sandbox.isIn(place, "/proc") || Sandbox.isOfSystem(place) || others.some((other) => Sandbox.isIn(place, other)))
      return []
    if (Sandbox.isIn(place, step)) makeMountPoint(from, path.join(task.workdir, path.relative(step, place)))
    return [[from, place] as const]
  })
}

const wallsOf = (task: StepTask, work: CommandWork, script: string): Sandbox.Walls => {
  const temporary = path.join(folderOf(task), "tmp")
  const inputs = path.join(task.workdir, "inputs")
  for (const folder of [temporary, inputs]) mkdirSync(folder, { recursive: true })
  const mounted = Object.entries(task.inputs).flatMap(([name, from]) => {
    const at = path.join(task.workdir, work.places[name]!)
    if (from === at) return []
    makeMountPoint(from, at)
    return [[from, path.join(Sandbox.inside.step, work.places[name]!)] as const]
  })
  const ignored = task.ignored.map(({ input, path: at }) => {
    const inside = path.join(Sandbox.inside.step, work.places[input]!, at)
    return [path.join(task.inputs[input]!, ...at.split("/")), inside] as const
  })
  return {
    writable: [
      [task.workdir, Sandbox.inside.step],
      [temporary, Sandbox.inside.temporary]
    ],
    readable: [
      [inputs, path.join(Sandbox.inside.step, "inputs")],
      ...mounted,
      ...reachedFrom(task, work),
      [script, Sandbox.inside.script]
    ],
    ignored: { entries: ignored, empty: Sandbox.emptyFile(task) },
    hidden: [process.cwd(), "/usr/src"],
    network: work.network,
    env: { TMPDIR: Sandbox.inside.temporary, HOME: Sandbox.inside.temporary, ...work.env },
    cwd: Sandbox.inside.step
  }
}

const start = (task: StepTask, work: CommandWork, isSealed: boolean, stdio: Log.Log["stdio"]): ChildProcess => {
  const script = prepare(task, work)
  const env = environmentOf(task, work, isSealed)
  const plain = [...work.shell, isSealed ? Sandbox.inside.script : script]
  const [file, ...args] = isSealed ? Sandbox.wrap(wallsOf(task, work, script), env, plain) : plain
  return spawnMasked(file!, args, { cwd: task.workdir, env, stdio, detached: true })
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

/** Runs the command, and ends what it left running; an exit code other than 0 is the step's failure. */
export const run = (task: StepTask, work: CommandWork, isSealed: boolean): Effect.Effect<Executed, StepError> =>
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
