/**
 * Pages that are programs: the named blocks of a Markdown page, in order, as files of a project and commands run in it.
 *
 * - ```` ```ts pipeline.ts ````: the file, whole;
 * - ```` ```diff pipeline.ts ````: the file edited: lines with `-` or a space are there once, those with `+` or a space afterwards;
 * - ```` ```console ````: commands behind `$ `, and what each prints. A line of `...` stands for any lines.
 *
 * Blocks of other kinds are for reading. Times and ids differ from run to run and are not compared.
 */
import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"

export interface Block {
  readonly language: string
  /** The file that it is about, if it names one. */
  readonly file: string | undefined
  readonly text: string
  /** Where its text begins and ends in the page. */
  readonly from: number
  readonly to: number
}

export const blocksOf = (page: string): ReadonlyArray<Block> =>
  Array.from(page.matchAll(/^```(\w+)(?: ([^\n]+))?\n([\s\S]*?)^```$/gm), (match) => {
    const from = match.index + match[0].indexOf("\n") + 1
    return { language: match[1]!, file: match[2], text: match[3]!, from, to: from + match[3]!.length }
  })

export interface Call {
  readonly command: string
  readonly printed: string
}

/** The commands of a console block; a command goes on in the next line after a backslash. */
export const callsOf = (text: string): ReadonlyArray<Call> =>
  text
    .split(/^\$ /m)
    .slice(1)
    .map((each) => {
      const [, command, printed] = /^((?:.*\\\n)*.*)\n([\s\S]*)$/.exec(each)!
      return { command: command!, printed: printed! }
    })

/** Text without what differs from run to run. */
export const normalize = (text: string): string =>
  text
    .replace(/\b\d{8}-\d{6}-[0-9a-f]{4}\b/g, "RUN")
    .replace(/\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+Z?)?)?/g, "TIME")
    .replace(/\b(?:\d+ h )?(?:\d+ min )?\d+(?:\.\d+)? (?:s|ms)\b/g, "DURATION")
    .replace(/\b[0-9a-f]{12}(?:[0-9a-f]{52})?\b/g, "DIGEST")
    .replace(/ · [\d.,]+ \w+\/s(?: · [^·\n]+ left)?/g, "")
    .replace(/[ \t]+$/gm, "")
    .trimEnd()

/** Whether `actual` is what `expected` says, where `...` stands for any lines. */
export const agrees = (expected: string, actual: string): boolean => {
  const pattern = normalize(expected)
    .split("\n")
    .map((line) => (line.trim() === "..." ? "(?:.*\n)*?" : `${line.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\n`))
    .join("")
  return new RegExp(`^${pattern}$`).test(`${normalize(actual)}\n`)
}

/** The file after the edit that a diff block describes. */
export const edited = (text: string, diff: string): string => {
  const lines = diff.trimEnd().split("\n")
  const side = (sign: string): string =>
    lines
      .filter((line) => line === "" || line.startsWith(" ") || line.startsWith(sign))
      .map((line) => line.slice(1))
      .join("\n")
  const [before, after] = [side("-"), side("+")]
  const found = text.split(before).length - 1
  if (found !== 1) throw new Error(`expected these lines once, but found them ${found} times:\n${before}`)
  return text.replace(before, () => after)
}

const run = (command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> =>
  new Promise((resolve) =>
    // A person sees both streams in the order in which they come.
    execFile("sh", ["-c", `exec 2>&1; ${command}`], { cwd, env, maxBuffer: 2 ** 26 }, (_error, stdout) =>
      resolve(stdout)
    )
  )

export interface Played {
  readonly command: string
  readonly expected: string
  readonly actual: string
}

/** Makes the page's files in the folder `root` and runs its commands there. Gives what each printed, and the page as it should be. */
export const play = async (
  page: string,
  root: string,
  env: NodeJS.ProcessEnv
): Promise<{ readonly calls: ReadonlyArray<Played>; readonly corrected: string }> => {
  const calls: Array<Played> = []
  let [corrected, end] = ["", 0]
  mkdirSync(root, { recursive: true })
  for (const { language, file, text, from, to } of blocksOf(page)) {
    if (language === "console") {
      const said: Array<string> = []
      for (const { command, printed } of callsOf(text)) {
        const actual = (await run(command, root, env)).replaceAll(root, "/home/you/project")
        calls.push({ command, expected: printed, actual })
        said.push(`$ ${command}\n${agrees(printed, actual) ? printed : `${actual.trimEnd()}\n`}`)
      }
      corrected += page.slice(end, from) + said.join("").replace(/\n\n$/, "\n")
      end = to
    } else if (file !== undefined) {
      const place = path.join(root, file)
      mkdirSync(path.dirname(place), { recursive: true })
      writeFileSync(place, language === "diff" ? edited(readFileSync(place, "utf8"), text) : text)
    }
  }
  return { calls, corrected: corrected + page.slice(end) }
}
