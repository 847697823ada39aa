/**
 * Console: what is printed, where, and whether in colour. Results go to standard output, everything else to standard error.
 *
 * What is printed within one turn of the event loop is written at its end in one piece, since a run of thousands of steps
 * prints thousands of lines.
 */
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { shown } from "../cache/identity/Shown.ts"
import { folded } from "./reporter/Fold.ts"

type Style = "bold" | "dim" | "green" | "yellow" | "red" | "cyan"
const codes: Readonly<Record<Style, number>> = { bold: 1, dim: 2, green: 32, yellow: 33, red: 31, cyan: 36 }

/** Whether a stream takes colours: a terminal that has them, unless NO_COLOR is set. */
export const wantsColour = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb"

/**
 * Text in a style, if the stream is a terminal and NO_COLOR is not set.
 *
 * @example
 * ```ts
 * import { paint } from "op-pipe/cli"
 *
 * console.log(paint("green", "fresh", process.stdout).includes("fresh")) // true
 * ```
 */
export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  wantsColour(stream) ? `\u001b[${codes[style]}m${text}\u001b[0m` : text

/** A word as a shell takes it: in quotes where it would mean something else, as the brackets of a branch do. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-][\w@%+=:,./#-]*$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

let pending = ""

const flush = (): void => {
  const text = pending
  pending = ""
  if (text !== "") process.stdout.write(text)
}
process.once("exit", flush)

/** Writes to standard output what a terminal is to take as it is, in the order of the calls. */
export const writeRaw = (text: string): void => {
  if (pending === "") setImmediate(flush)
  pending += text
}

/** Writes text to standard output; whatever names and messages hold, it gives a terminal no orders. */
export const write = (text: string): void => writeRaw(shown(text))

/** Calls `then` once all that was written has gone out; if it cannot, the stream's error ends the process. */
export const whenWritten = (then: () => void): void => {
  flush()
  process.stdout.write("", (error) => {
    if (error === null || error === undefined) then()
  })
}

/**
 * Prints a line to standard output, in order with all that op-pipe prints there.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { printLine } from "op-pipe/cli"
 *
 * await Effect.runPromise(printLine(JSON.stringify({ answer: 42 }))) // {"answer":42}
 * ```
 */
export const printLine = (line: string): Effect.Effect<void> => Effect.sync(() => write(`${line}\n`))

/**
 * Prints a line to standard error, after what was printed before.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { printError } from "op-pipe/cli"
 *
 * await Effect.runPromise(printError("head: 3 lines left out"))
 * ```
 */
export const printError = (line: string): Effect.Effect<void> =>
  Effect.sync(() => {
    flush()
    process.stderr.write(`${folded(shown(line), process.stderr.columns)}\n`)
  })

/** How many columns of a terminal a text takes: a Chinese character takes two, an accent that stands by itself none. */
export const widthOf = (text: string): number => CliOutput.displayWidth(text)

/** As `String.padEnd`, in columns of a terminal. */
export const padEnd = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)))

/**
 * A duration in words: `0.8 s`, `23.4 s`, `4 min 5 s`, `1 h 2 min`.
 *
 * @example
 * ```ts
 * import { formatDuration } from "op-pipe/cli"
 *
 * console.log(formatDuration(245_000)) // 4 min 5 s
 * ```
 */
export const formatDuration = (durationMs: number): string => {
  const seconds = durationMs / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/**
 * A count with its thousands apart: `1,234`.
 *
 * @example
 * ```ts
 * import { formatCount } from "op-pipe/cli"
 *
 * console.log(formatCount(1234)) // 1,234
 * ```
 */
export const formatCount = (count: number): string => Math.round(count).toLocaleString("en-US")

/**
 * A size in words: `12 B`, `3.4 MiB`.
 *
 * @example
 * ```ts
 * import { formatBytes } from "op-pipe/cli"
 *
 * console.log(formatBytes(3_565_158)) // 3.4 MiB
 * ```
 */
export const formatBytes = (bytes: number): string => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${power === 0 ? bytes : (bytes / 2 ** (10 * power)).toFixed(1)} ${units[power]}`
}
