/**
 * ChildProcess: a process of ours as the leader of a group, so that what it starts is stopped with it, and its log.
 *
 * Stopping is SIGTERM first, SIGKILL after two seconds.
 */
import type { ChildProcess } from "node:child_process"
import { mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { processFile } from "../../cache/store/Sweep.ts"
import { StepError, type StepTask } from "./Executor.ts"

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
    TMPDIR: task.workdir
  }
}

/** What a task's process prints goes to a file beside its outputs. */
export interface Log {
  readonly file: string
  /** To give to the child, then to close. */
  readonly descriptor: number
}

export const openLog = (task: StepTask): Log => {
  const file = path.join(path.dirname(task.outputDir), "log.txt")
  mkdirSync(path.dirname(file), { recursive: true })
  return { file, descriptor: openSync(file, "a") }
}

/** Notes which process does the task's work: if this one is killed, the next run ends that one (see cache/store/Sweep.ts). */
export const noteProcess = (task: StepTask, child: ChildProcess): void => {
  if (child.pid !== undefined) writeFileSync(path.join(path.dirname(task.outputDir), processFile), String(child.pid))
}

/** The log's path, if anything was printed. */
export const printed = ({ file }: Log): string | null => (statSync(file, { throwIfNoEntry: false })?.size ? file : null)

/** The end of what was printed, to be put behind a reason. */
export const lastWords = (log: Log): string =>
  printed(log) === null
    ? ""
    : `. Its last words:\n${readFileSync(log.file, "utf8").trimEnd().split("\n").slice(-20).join("\n")}`

/** The error of a process that ended before its work was done. */
export const endedEarly = (task: StepTask, log: Log, how: string): StepError => {
  const killed = how === "SIGKILL" ? " (perhaps the machine ran out of memory)" : ""
  const reason = `its process ended by ${how}${killed} before the step was done${lastWords(log)}`
  return new StepError({ step: task.step, fault: "stage", reason, log: printed(log) })
}

export const notStarted = (task: StepTask, cause: Error): StepError =>
  new StepError({ step: task.step, fault: "bug", reason: `no process could be started: ${cause.message}`, log: null })
