/**
 * PythonRun: what a Python script is given besides what any command is: its modules and interpreter behind the walls, the
 * module `op_pipe`, a file with its parameters and paths, a place for its checkpoint, and a channel for what it has to say.
 */
import type { ChildProcess } from "node:child_process"
import { existsSync, realpathSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as PythonCode from "../../../cache/code/python/PythonCode.ts"
import * as Sandbox from "../Sandbox.ts"
import { type CommandWork, Message, type News, type StepTask } from "../StepTask.ts"
import * as StepView from "../walls/StepView.ts"

type Work = NonNullable<CommandWork["python"]>

/** Where a sealed script finds what is op-pipe's own. */
const inside = { module: "/op-pipe/python/op_pipe.py", checkpoint: "/op-pipe/checkpoint" } as const

/** The descriptor of the channel, the first after the three that each process has. */
const channel = 3
const contextFile = "context.json"

const checkpointOf = ({ checkpoint }: StepTask, isSealed: boolean): string =>
  isSealed ? path.posix.join(inside.checkpoint, path.basename(checkpoint)) : checkpoint

/** Variables of Python's own. The order of a set's elements, and where modules are found, are the same in each run. */
export const environmentOf = (work: Work, isSealed: boolean): Readonly<Record<string, string>> => ({
  PYTHONPATH: [...work.path, isSealed ? path.dirname(inside.module) : PythonCode.ourFolder].join(path.delimiter),
  PYTHONHASHSEED: "0",
  PYTHONUNBUFFERED: "1",
  PYTHONUTF8: "1",
  ...(work.userBase === null ? {} : { PYTHONUSERBASE: work.userBase }),
  OP_PIPE_CONTEXT: contextFile
})

/** Writes the file that `op_pipe` reads. */
export const writeContext = (
  task: StepTask,
  { params, output }: CommandWork,
  outputs: StepTask["inputs"],
  isSealed: boolean
): void => {
  const inputs = {
    ...StepView.pathsOf(task, task.workdir, isSealed),
    ...Object.fromEntries(task.absent.map((name) => [name, null]))
  }
  const named = Object.fromEntries(Object.keys(output).map((name) => [name, outputs[name]]))
  const context = {
    params: params ?? {},
    inputs,
    outputs: named,
    cores: task.cores,
    checkpoint: checkpointOf(task, isSealed),
    channel
  }
  writeFileSync(path.join(task.workdir, contextFile), JSON.stringify(context))
}

/** The program and its arguments. */
export const wordsOf = ({ interpreter, script }: Work): ReadonlyArray<string> => [interpreter, script]

/** What is to be seen behind the walls: the modules that count, the interpreter and what is installed for it. */
export const wallsOf = (task: StepTask, work: Work): Pick<Sandbox.Walls, "readable" | "writable" | "named"> => {
  const hidden = Sandbox.hiddenFrom(task)
  const own = [...work.folders, path.dirname(work.interpreter)].filter((folder) => existsSync(folder))
  const real = new Set([...own, ...work.files].map((file) => realpathSync(file)))
  const seen = Array.from(real).filter((file) => !Sandbox.isProvided(file, hidden))
  const outermost = seen.filter((file) => !seen.some((other) => other !== file && Sandbox.isIn(file, other)))
  return {
    readable: [
      ...outermost.map((file) => [file, file] as const),
      [path.join(PythonCode.ourFolder, path.basename(inside.module)), inside.module]
    ],
    writable: [[path.dirname(task.checkpoint), inside.checkpoint]],
    named: [work.interpreter, ...work.folders, ...work.files]
  }
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Message))

export type Failed = Extract<Message, { readonly type: "failed" }>

/** Listens to what a script says; `ended` gives why it failed, if it said so, once it has said all. */
export const listen = (
  child: ChildProcess,
  onNews: (news: News) => void
): { readonly ended: Promise<Failed | undefined> } => {
  const stream = child.stdio[channel] as NodeJS.ReadableStream | null | undefined
  if (stream === null || stream === undefined) return { ended: Promise.resolve(undefined) }
  let [left, failed]: [string, Failed | undefined] = ["", undefined]
  stream.setEncoding("utf8")
  stream.on("data", (piece: string) => {
    const lines = (left + piece).split("\n")
    left = lines.pop()!
    for (const message of lines.flatMap((line) => Option.toArray(decode(line)))) {
      if (message.type === "progress" || message.type === "notice") onNews(message)
      else if (message.type === "failed") failed = message
    }
  })
  stream.on("error", () => undefined)
  return { ended: new Promise((resolve) => stream.once("close", () => resolve(failed))) }
}
