/**
 * ChildProcess: a process of ours as the leader of a group, so that what it starts is stopped with it, and its log.
 *
 * Stopping is SIGTERM first, SIGKILL after two seconds.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process"
import { closeSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { processFile } from "../../cache/store/Sweep.ts"
import { StepError, type StepTask } from "./Executor.ts"

/** The mode of files that a step makes, whatever the user's own mask is. */
const mask = 0o022

/** Starts a process; what it makes has the same modes on every machine. Throws as `spawn` does. */
export const spawnMasked = (file: string, args: ReadonlyArray<string>, options: SpawnOptions): ChildProcess => {
  const before = process.umask(mask)
  try {
    return spawn(file, args, options)
  } finally {
    process.umask(before)
  }
}

const graceMs = 2000

const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group has ended in the meantime, which is what was wanted.
  }
}

/** Ends a child that leads a group, and its group. */
export const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    const timer = setTimeout(() => signalGroup(child, "SIGKILL"), graceMs)
    child.once("exit", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    signalGroup(child, "SIGTERM")
  })

/** How long it is waited for killed processes to be gone. Where nobody reaps them, they never are. */
const reapedMs = 200

/** Ends what is left of the group of a child that has ended, so that nothing writes to what it made. */
export const killGroup = async (child: ChildProcess): Promise<void> => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, "SIGKILL")
    for (const startedMs = Date.now(); Date.now() - startedMs < reapedMs; ) {
      process.kill(-child.pid, 0)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  } catch {
    // There is no such group any more.
  }
}

/** Where this machine's libraries and devices are; nothing that a result may depend on. */
const ofTheMachine = ["LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"]

/** The environment of a task's process. Any other variable that a stage read would be an ingredient that no key holds. */
export const environment = (task: StepTask): Readonly<Record<string, string>> => {
  const set = ofTheMachine.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(set),
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: homedir(),
    TMPDIR: task.workdir,
    // the same order of names, decimal point and time of day on every machine
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    TZ: "UTC"
  }
}

/** What a task's process prints goes to a file in the step's folder, beside what it may write to. */
export interface Log {
  readonly file: string
  /** To give to the child, then to close. */
  readonly descriptor: number
}

export const openLog = (task: StepTask): Log => {
  const file = path.join(path.dirname(task.workdir), "log.txt")
  mkdirSync(path.dirname(file), { recursive: true })
  return { file, descriptor: openSync(file, "a") }
}

/** Notes which process does the task's work: if this one is killed, the next run ends that one (see cache/store/Sweep.ts). */
export const noteProcess = (task: StepTask, child: ChildProcess): void => {
  if (child.pid !== undefined) writeFileSync(path.join(path.dirname(task.workdir), processFile), String(child.pid))
}

/** The log's path, if anything was printed. */
export const printed = ({ file }: Log): string | null => (statSync(file, { throwIfNoEntry: false })?.size ? file : null)

const tailBytes = 16_384
const tailLines = 20

/** The end of a file, whatever its size. */
const readTail = (file: string): string => {
  const { size } = statSync(file)
  const bytes = Buffer.alloc(Math.min(size, tailBytes))
  const descriptor = openSync(file, "r")
  try {
    readSync(descriptor, bytes, 0, bytes.length, size - bytes.length)
  } finally {
    closeSync(descriptor)
  }
  return bytes.toString("utf8")
}

/** Without colours, and other characters that a terminal takes as orders; the last of what was written over one line. */
const asPlainText = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what goes
    .replaceAll(/\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/gu, "")
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => line.split("\r").findLast((part) => part !== "") ?? "")
    .join("\n")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what goes
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu, "")

/** The end of what was printed, to be put behind a reason. */
export const lastWords = (log: Log): string =>
  printed(log) === null
    ? ""
    : `. Its last words:\n${asPlainText(readTail(log.file)).trimEnd().split("\n").slice(-tailLines).join("\n")}`

/** The error of a process that ended before its work was done. */
export const endedEarly = (task: StepTask, log: Log, how: string): StepError => {
  const killed = how === "SIGKILL" ? " (perhaps the machine ran out of memory)" : ""
  const reason = `its process ended by ${how}${killed} before the step was done${lastWords(log)}`
  return new StepError({ step: task.step, fault: "stage", reason, log: printed(log) })
}

/** What the system refuses to start, and what to do about it. */
const refusals: Readonly<Record<string, string>> = {
  E2BIG:
    "its command has more arguments and variables than the system takes: give it a folder, or a file with names, as an input",
  EAGAIN: "the system has no room for another process: end some, or raise `ulimit -u`",
  ENOMEM: "the machine has no memory left for another process",
  ENOENT: "the program is not installed, or not on PATH",
  EACCES: "the program may not be executed"
}

/** An error that was thrown while a process was to be started: the step's failure, and nobody else's. */
export const asStepError = (task: StepTask, cause: unknown): StepError => {
  const { code, message = String(cause) } = cause as { readonly code?: string; readonly message?: string }
  const known = code === undefined ? undefined : refusals[code]
  const reason = `no process could be started: ${known ?? message}`
  return new StepError({ step: task.step, fault: known === undefined ? "bug" : "stage", reason, log: null })
}
