/**
 * Log: what a step prints. It goes to a file that is kept, out of the step's own reach and within bounds.
 *
 * The step's process writes to the file itself; of a step with secrets, this process does, without their values (Mask).
 */
import type { ChildProcess, StdioOptions } from "node:child_process"
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync, unlinkSync, writeSync } from "node:fs"
import * as path from "node:path"
import type { Readable } from "node:stream"
import * as Calls from "../../../cache/store/disk/Calls.ts"
import type { StepTask } from "../StepTask.ts"
import * as Mask from "./Mask.ts"

/** The log of a step that is to be started or at work. */
export interface Log {
  readonly file: string
  /** What the process is given for what it prints. */
  readonly stdio: readonly ["ignore", ...ReadonlyArray<number | "pipe">] & StdioOptions
  /** To be called when the process has been started. */
  readonly attach: (child: ChildProcess) => void
  /** Waits for the last that was printed; `isKept` says whether the log stays although it is empty. */
  readonly close: (isKept: boolean) => Promise<void>
}

/** How long it is waited for output of a process that has ended: one that it left running may hold the pipe open. */
const drainMs = 1000

/** Writes to the log what comes from `stream`, masked; resolves at its end. */
const record = (stream: Readable, descriptor: number, secrets: ReadonlyArray<string>): Promise<void> => {
  const masked = Mask.inStream(secrets)
  const put = (piece: Buffer | undefined): void => {
    try {
      writeSync(descriptor, masked(piece))
    } catch {
      // a full disk: the step itself goes on
    }
  }
  stream.on("data", put)
  return new Promise((resolve) => {
    stream.once("close", () => {
      put(undefined)
      resolve()
    })
  })
}

/** Lets go of the output of a process that has ended. */
const drain = async (child: ChildProcess, written: Promise<unknown>): Promise<void> => {
  const timer = setTimeout(() => {
    for (const stream of [child.stdout, child.stderr]) stream?.destroy()
  }, drainMs)
  await written
  clearTimeout(timer)
}

/** Opens the log of a task. Throws as the file system does. */
export const open = (task: StepTask): Log => {
  const file = task.log
  Calls.makeFolder(path.dirname(file))
  const descriptor = openSync(file, "a")
  const timer = setInterval(() => cut(file), guardMs).unref()
  const isMasked = task.secrets.length > 0
  let written: Promise<unknown> = Promise.resolve()
  let closed: Promise<void> | undefined
  const end = async (isKept: boolean): Promise<void> => {
    await written
    clearInterval(timer)
    closeSync(descriptor)
    if (cut(file) === 0 && !isKept) unlinkSync(file)
  }
  return {
    file,
    stdio: isMasked ? ["ignore", "pipe", "pipe"] : ["ignore", descriptor, descriptor],
    attach: (child) => {
      if (!isMasked) return
      const streams = [child.stdout, child.stderr].filter((each) => each !== null)
      written = Promise.all(streams.map((each) => record(each, descriptor, task.secrets)))
      child.once("exit", () => void drain(child, written))
    },
    close: (isKept) => {
      closed ??= end(isKept)
      return closed
    }
  }
}

/** The log's path, if anything was printed. */
export const printed = ({ file }: Pick<Log, "file">): string | null =>
  statSync(file, { throwIfNoEntry: false })?.size ? file : null

/** A log is cut to its last part when it has become so long. */
const longestLog = 64 * 2 ** 20
const keptOfLog = 2 ** 20
const guardMs = 500

/**
 * Cuts a log that is too long; how long it was, if it is there. The process goes on meanwhile, at the end, since it appends: the
 * last part is copied to the beginning until nothing more comes, and only then is the rest cut off.
 */
const cut = (file: string): number | undefined => {
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (size === undefined || size <= longestLog) return size
  const descriptor = openSync(file, "r+")
  try {
    let from = size - keptOfLog
    let to = writeSync(descriptor, `... ${from} bytes left out ...\n`, 0)
    const piece = Buffer.alloc(keptOfLog)
    for (let end = size; from < end && to < longestLog; end = fstatSync(descriptor).size) {
      const read = readSync(descriptor, piece, 0, Math.min(end - from, piece.length), from)
      to += writeSync(descriptor, piece, 0, read, to)
      from += read
    }
    ftruncateSync(descriptor, to)
  } catch {
    // a full disk: what the step prints is lost, its work is not
  } finally {
    closeSync(descriptor)
  }
  return size
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
