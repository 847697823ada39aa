/**
 * Programs: the programs that a stage says it calls, as they are found on PATH.
 *
 * A program counts by the content of its file, behind all links; a script also by its interpreter, as the first line names it.
 *
 * Gotcha: what a program loads (libraries, Python's packages) and starts itself does not count.
 */
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from "node:fs"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Digest from "../identity/Digest.ts"
import { few } from "../identity/Shown.ts"
import type { StatMemo } from "../store/StatMemo.ts"
import { once } from "./Once.ts"

const mostShown = 4

/** A program that a stage says it calls is not on PATH. */
export class ProgramMissing extends Data.TaggedError("ProgramMissing")<{
  readonly step: string
  readonly program: string
  readonly searchPath: string
  /** Where the stage is declared, if that is known. */
  readonly place: string | undefined
}> {
  readonly fault = "input"

  override get message(): string {
    const { step, program, searchPath, place } = this
    const at = place === undefined ? "" : ` (${place})`
    return `${step}: expected the program "${program}" on PATH, since the stage names it${at}, but found none in ${few(Array.from(new Set(searchPath.split(path.delimiter))), mostShown)}. Install it, or take its name out of the declaration`
  }
}

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** The file that a program's name means, with all links followed; undefined if there is none. */
const find = (name: string, searchPath: string): string | undefined => {
  const folders = name.includes(path.sep) ? [""] : searchPath.split(path.delimiter).filter(path.isAbsolute)
  const found = folders.map((folder) => path.join(folder, name)).find(isProgram)
  return found === undefined ? undefined : realpathSync(found)
}

const longestFirstLine = 256

const firstLine = (file: string): string => {
  const bytes = Buffer.alloc(longestFirstLine)
  const descriptor = openSync(file, "r")
  try {
    return bytes.subarray(0, readSync(descriptor, bytes)).toString("latin1").split("\n")[0]!
  } finally {
    closeSync(descriptor)
  }
}

/** The program that a script's first line names; the one that `env` finds, if it names that. */
export const interpreterIn = (line: string): string | undefined => {
  if (!line.startsWith("#!")) return undefined
  const [file, ...others] = line.slice(2).trim().split(/\s+/u)
  if (file === undefined || path.basename(file) !== "env") return file
  return others.find((word) => !word.startsWith("-") && !word.includes("="))
}

/** An interpreter may be a script, too. */
const deepest = 4

/** A program's file, and those of its interpreters. */
const filesOf = (name: string, searchPath: string): ReadonlyArray<string | undefined> => {
  const files: Array<string | undefined> = []
  for (let next: string | undefined = name; next !== undefined && files.length < deepest; ) {
    const file = find(next, searchPath)
    files.push(file)
    next = file === undefined ? undefined : interpreterIn(firstLine(file))
  }
  return files
}

/** Makes what tells the digest of a program by its name and a search path; undefined if there is none. */
export const make = (memo: StatMemo) =>
  once(
    (...asked: readonly [name: string, searchPath: string]) => asked.join("\0"),
    Effect.fnUntraced(function* (name: string, searchPath: string) {
      const files = filesOf(name, searchPath)
      if (files[0] === undefined) return undefined
      const digests = yield* Effect.forEach(files, (file) =>
        file === undefined ? Effect.succeed("not there") : memo.digest(file)
      )
      return Digest.ofJson("Program/v1", digests)
    })
  )
