/** Advice: what to do about a command that looked for something that is in the project and is not the step's to see. */
import { existsSync } from "node:fs"
import * as path from "node:path"

const isIn = (file: string, folder: string): boolean => file.startsWith(`${folder}${path.sep}`)

/** The names in a line that says that there is no such file: quoted, or between colons, as programs of C have it. */
const namesIn = (line: string): ReadonlyArray<string> => {
  const quoted = Array.from(line.matchAll(/'([^']+)'|"([^"]+)"|‘([^’]+)’/gu), ([, ...found]) => found.join(""))
  return quoted.length > 0 ? quoted : line.split(/:\s+/u).map((part) => part.trim())
}

/** The first file of the project that a command did not find, as it lies in the project. */
const missedFile = (project: string, words: string): string | undefined =>
  words
    .split("\n")
    .filter((line) => /no such file or directory|cannot find the file/iu.test(line))
    .flatMap(namesIn)
    .filter((name) => name !== "" && !name.includes("\0"))
    .map((name) => path.resolve(project, name))
    .find((file) => isIn(file, project) && existsSync(file))

/** What to do, as a sentence to put behind a reason; nothing if it is not known. */
export const adviceFor = (project: string, words: string): string => {
  const file = missedFile(project, words)
  if (file !== undefined) {
    const at = path.relative(project, file).split(path.sep).join("/")
    return `. ${at} is in the project, but no input of the step, which finds only those. Declare it: Pipeline.source({ path: "${at}" })`
  }
  const [, program] = /^(?:bwrap: execvp |env: ['‘])(.+?)['’]?: No such file or directory$/mu.exec(words) ?? []
  if (program !== undefined) return `. Is ${program} installed, and on PATH?`
  const [, module] = /^ModuleNotFoundError: No module named '([^'.]+)/mu.exec(words) ?? []
  if (module === undefined) return ""
  return `. It looks for modules beside the script, in the folders of \`path: [...]\` in its stage, and among those that are installed for its Python. What it adds to sys.path itself is not there`
}
