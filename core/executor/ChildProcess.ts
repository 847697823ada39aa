/**
 * ChildProcess: a process of ours as the leader of a group, so that what it starts is stopped with it.
 *
 * Stopping is SIGTERM first, SIGKILL after two seconds.
 */
import type { ChildProcess, SpawnOptions } from "node:child_process"
import { readdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import * as path from "node:path"
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Calls from "../../cache/store/disk/Calls.ts"
import { childProcess } from "../../cache/store/disk/Late.ts"
import { processFile } from "../../cache/store/Sweep.ts"
import { StepError, stepUmask } from "./Executor.ts"
import * as Log from "./log/Log.ts"
import * as MachineFault from "./MachineFault.ts"
import type { StepTask } from "./StepTask.ts"

/** Variables that a shell makes, which are others in each run. */
const ofShells = ["PWD", "OLDPWD", "SHLVL", "_"]

/**
 * Becomes the command, beside a process of its group that ends the group once op-pipe is gone, also if it was killed: then
 * the kernel closes the pipe that this one reads from. It holds open nothing else that op-pipe waits for the end of.
 */
const watched = (descriptor: number, held: ReadonlyArray<number>): string =>
  `(exec ${held.map((each) => `${each}>&-`).join(" ")} >/dev/null 2>&1; read -r _ <&${descriptor}; kill -KILL 0) &
exec ${descriptor}<&-
exec env ${ofShells.map((name) => `-u ${name}`).join(" ")} "$@"`

/** Starts a process that no sandbox ends with op-pipe. Throws as `spawn` does. */
export const spawnWatched = (
  command: ReadonlyArray<string>,
  options: SpawnOptions & { readonly stdio: ReadonlyArray<unknown> }
): ChildProcess => {
  const descriptor = options.stdio.length
  const held = Array.from({ length: descriptor - 3 }, (_, at) => at + 3)
  const stdio = [...options.stdio, "pipe"] as NonNullable<SpawnOptions["stdio"]>
  const child = childProcess().spawn("/bin/sh", ["-c", watched(descriptor, held), "op-pipe", ...command], {
    ...options,
    stdio
  })
  child.once("exit", () => child.stdio[descriptor]?.destroy())
  return child
}

/** How long it is waited for killed processes to end. */
const reapedMs = 200

/** Of a child in a sandbox: resolves when nothing that runs in there is left. */
const sandboxes = new WeakMap<ChildProcess, Promise<void>>()

/** The same for a command behind walls: bubblewrap holds a pipe open as long as anything runs in there. */
export const spawnSealed = (
  [file, ...args]: ReadonlyArray<string>,
  options: SpawnOptions & { readonly stdio: ReadonlyArray<unknown> }
): ChildProcess => {
  const descriptor = options.stdio.length
  const stdio = [...options.stdio, "pipe"] as NonNullable<SpawnOptions["stdio"]>
  const child = childProcess().spawn(file!, ["--sync-fd", String(descriptor), ...args], { ...options, stdio })
  const pipe = child.stdio[descriptor] as Readable | undefined
  if (pipe === undefined) return child
  const gone = new Promise<void>((resolve) => pipe.once("close", () => resolve()))
  child.once("exit", () => {
    const timer = setTimeout(() => pipe.destroy(), reapedMs)
    pipe.once("close", () => clearTimeout(timer))
  })
  pipe.resume()
  sandboxes.set(child, gone)
  return child
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

/**
 * Whether a process of the group still runs, as Linux tells it: one that has ended counts for signals until its parent has
 * asked for it, which in many containers nobody does.
 */
const isRunning = (group: number): boolean => {
  try {
    return readdirSync("/proc").some((name) => /^\d+$/u.test(name) && isRunningIn(group, name))
  } catch {
    return true
  }
}

const isRunningIn = (group: number, process: string): boolean => {
  try {
    const [, state = "", of = ""] = /^.*\) (\S) \d+ (\d+) /su.exec(readFileSync(`/proc/${process}/stat`, "utf8")) ?? []
    return Number(of) === group && !/[ZX]/u.test(state)
  } catch {
    // it has ended in the meantime
    return false
  }
}

/** Waits for the processes of a killed group to end. Throws when there is no such group any more. */
const groupEnd = async (group: number): Promise<void> => {
  for (const startedMs = Date.now(); Date.now() - startedMs < reapedMs; ) {
    // mostly they are gone by then, and to read of every process whether it is one of them takes longer
    await new Promise((resolve) => setTimeout(resolve, 1))
    process.kill(-group, 0)
    if (!isRunning(group)) return
  }
}

/** Ends what is left of the group of a child that has ended, so that nothing writes to what it made. */
const killGroup = async (child: ChildProcess): Promise<void> => {
  if (child.pid === undefined) return
  const sandbox = sandboxes.get(child)
  try {
    process.kill(-child.pid, "SIGKILL")
    if (sandbox === undefined) await groupEnd(child.pid)
  } catch {
    // There is no such group any more.
  }
  await sandbox
}

/** Where this machine's libraries and devices are; nothing that a result may depend on. */
const ofTheMachine = ["LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"]

/**
 * The environment of a task's process. Any other variable that a stage read would be an ingredient that no key holds; of
 * those that it has passed on, its author says that they do not count.
 */
export const environment = (task: StepTask): Readonly<Record<string, string>> => {
  const set = [...ofTheMachine, ...task.passEnv, ...task.secrets].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(set),
    ...(task.gpus === null ? {} : { CUDA_VISIBLE_DEVICES: task.gpus.join(",") }),
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: homedir(),
    TMPDIR: task.workdir,
    // Python writes beside the modules that it reads otherwise, which may be a source
    PYTHONPYCACHEPREFIX: path.join(path.dirname(task.workdir), "pycache"),
    // the same order of names, decimal point and time of day on every machine
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    TZ: "UTC"
  }
}

/** Notes which process does the task's work: if this one is killed, the next run ends that one (see cache/store/Sweep.ts). */
const noteProcess = (task: StepTask, child: ChildProcess): void => {
  if (child.pid !== undefined) writeFileSync(path.join(path.dirname(task.workdir), processFile), String(child.pid))
}

const leastBytes = 65_536

/** What to say when the disk that a step writes to has no room left; a program may have been unable to print it. */
export const fullDisk = (task: StepTask): string => {
  const { bavail, bsize } = statfsSync(path.dirname(task.workdir))
  return bavail * bsize < leastBytes ? ". The disk is full: free some space and run again; finished steps are kept" : ""
}

/** What Node prints last of a heap that is full, before pages about itself. */
const fullHeap = "JavaScript heap out of memory"
const aboutHeap = `its memory was used up (${fullHeap}). Give it more by NODE_OPTIONS=--max-old-space-size=MEGABYTES, or have it keep less at once`

/** The error of a process that ended before its work was done. */
export const endedEarly = (task: StepTask, log: Log.Log, how: string): StepError => {
  const killed = how === "SIGKILL" ? " (perhaps the machine ran out of memory)" : ""
  const said = Log.lastWords(log)
  const reason = said.includes(fullHeap)
    ? aboutHeap
    : `its process ended by ${how}${killed} before the step was done${said}`
  return new StepError({ step: task.step, fault: "stage", reason, log: Log.printed(log) })
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
  readonly log: Log.Log
}

/**
 * Starts a task's process by `begin`, with its log; what stands in the way is the step's error. What a step finds and makes has the
 * same modes for every user.
 */
export const launch = (task: StepTask, begin: (stdio: Log.Log["stdio"]) => ChildProcess): Launched | StepError => {
  let log: Log.Log | undefined
  try {
    log = Log.open(task)
    const { stdio } = log
    const child = Calls.byUmask(stepUmask, () => begin(stdio))
    log.attach(child)
    noteProcess(task, child)
    return { child, log }
  } catch (cause) {
    void log?.close(true)
    return cause instanceof StepError ? cause : asStepError(task, cause)
  }
}

/** Ends what a process that has ended left running, and its log. Of a step that failed, an empty log is kept too. */
export const finish = async ({ child, log }: Launched, isFailed: boolean): Promise<void> => {
  await killGroup(child)
  await log.close(isFailed)
}

/** Ends a task's process before it is done, with all that it started, and its log. */
export const end = (launched: Launched): Effect.Effect<void> =>
  Effect.andThen(stop(launched.child), Effect.ignore(Effect.tryPromise(() => finish(launched, true))))
