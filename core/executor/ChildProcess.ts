/**
 * ChildProcess: a process of ours as the leader of a group, so that what it starts is stopped with it, and its log.
 *
 * Stopping is SIGTERM first, SIGKILL after two seconds.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process"
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync
} from "node:fs"
import { homedir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { processFile } from "../../cache/store/Sweep.ts"
import { StepError, type StepTask } from "./Executor.ts"
import * as MachineFault from "./MachineFault.ts"

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

/** What a task's process prints goes to a file that is kept, out of the step's own reach. */
export interface Log {
  readonly file: string
  /** To give to the child, then to close. */
  readonly descriptor: number
}

const openLog = (task: StepTask): Log => {
  const file = task.log
  mkdirSync(path.dirname(file), { recursive: true })
  return { file, descriptor: openSync(file, "a") }
}

/** Notes which process does the task's work: if this one is killed, the next run ends that one (see cache/store/Sweep.ts). */
const noteProcess = (task: StepTask, child: ChildProcess): void => {
  if (child.pid !== undefined) writeFileSync(path.join(path.dirname(task.workdir), processFile), String(child.pid))
}

/** The log's path, if anything was printed. */
export const printed = ({ file }: Pick<Log, "file">): string | null =>
  statSync(file, { throwIfNoEntry: false })?.size ? file : null

/** A log is cut to its last part when it has become so long. */
const longestLog = 64 * 2 ** 20
const keptOfLog = 2 ** 20
const guardMs = 500

/** Cuts a log that is too long. The process goes on at its new end, since it appends. */
const cutLog = (file: string): void => {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size <= longestLog) return
  const tail = readTail(file, keptOfLog)
  writeFileSync(file, `... ${size - tail.length} bytes left out ...\n`)
  appendFileSync(file, tail)
}

/** Keeps a log bounded while a process writes to it. What it gives ends that, and removes an empty log that is not to be kept. */
const guardLog = ({ file }: Log): ((isKept: boolean) => void) => {
  const timer = setInterval(() => cutLog(file), guardMs)
  return (isKept) => {
    clearInterval(timer)
    cutLog(file)
    if (!isKept && statSync(file, { throwIfNoEntry: false })?.size === 0) rmSync(file)
  }
}

const tailBytes = 16_384
const tailLines = 20
const lineLength = 300

/** The end of a file, whatever its size. */
const readTail = (file: string, most: number): Buffer => {
  const { size } = statSync(file)
  const bytes = Buffer.alloc(Math.min(size, most))
  const descriptor = openSync(file, "r")
  try {
    readSync(descriptor, bytes, 0, bytes.length, size - bytes.length)
  } finally {
    closeSync(descriptor)
  }
  return bytes
}

/** Without colours, and other characters that a terminal takes as orders; the last of what was written over one line. */
export const asPlainText = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what goes
    .replaceAll(/\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/gu, "")
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => line.split("\r").findLast((part) => part !== "") ?? "")
    .join("\n")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what goes
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu, "")

const shortLine = (line: string): string => (line.length > lineLength ? `${line.slice(0, lineLength)}…` : line)

/** The end of what was printed, to be put behind a reason. */
export const lastWords = (log: Pick<Log, "file">): string =>
  printed(log) === null
    ? ""
    : `. Its last words:\n${asPlainText(readTail(log.file, tailBytes).toString("utf8")).trimEnd().split("\n").slice(-tailLines).map(shortLine).join("\n")}`

const leastBytes = 65_536

/** What to say when the disk that a step writes to has no room left; a program may have been unable to print it. */
export const fullDisk = (task: StepTask): string => {
  const { bavail, bsize } = statfsSync(path.dirname(task.workdir))
  return bavail * bsize < leastBytes ? ". The disk is full: free some space and run again; finished steps are kept" : ""
}

/** The error of a process that ended before its work was done. */
export const endedEarly = (task: StepTask, log: Log, how: string): StepError => {
  const killed = how === "SIGKILL" ? " (perhaps the machine ran out of memory)" : ""
  const reason = `its process ended by ${how}${killed} before the step was done${lastWords(log)}`
  return new StepError({ step: task.step, fault: "stage", reason, log: printed(log) })
}

/** An error that was thrown while a process was to be started: the step's failure, and nobody else's. */
export const asStepError = (task: StepTask, cause: unknown): StepError => {
  const known = MachineFault.describe(cause)
  const { message = String(cause), code } = cause as { readonly message?: string; readonly code?: string }
  const isMissing = code === "ENOENT"
  const reason = `no process could be started: ${known ?? (isMissing ? `${message}. Is the program installed, and on PATH?` : message)}`
  return new StepError({
    step: task.step,
    fault: known === undefined && !isMissing ? "bug" : "stage",
    reason,
    log: null
  })
}

export interface Launched {
  readonly child: ChildProcess
  readonly log: Log
  /** To be called when the process has ended; says whether its log is kept although it is empty. */
  readonly endGuard: (isKept: boolean) => void
}

/** Starts a task's process by `begin`, with its log; what stands in the way is the step's error. */
export const launch = (task: StepTask, begin: (log: Log) => ChildProcess): Launched | StepError => {
  let log: Log | undefined
  let endGuard: Launched["endGuard"] | undefined
  try {
    log = openLog(task)
    endGuard = guardLog(log)
    const child = begin(log)
    noteProcess(task, child)
    return { child, log, endGuard }
  } catch (cause) {
    endGuard?.(true)
    return asStepError(task, cause)
  } finally {
    if (log !== undefined) closeSync(log.descriptor)
  }
}
