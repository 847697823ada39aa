/**
 * ModuleWalls: what a sealed module sees, each at its own path: the modules and packages that its key counts, the framework,
 * its inputs, what toolchains built; and its outputs, scratch and checkpoint, which it may write to.
 *
 * These are what Node's permission model grants as well (Permissions). That one stops Node's own calls and names the file;
 * the walls stop addons, programs, SQLite and links too.
 *
 * Gotcha: inputs that other steps made are links into the store, so all of its blobs are there, by names that nobody guesses.
 */
import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs"
import * as path from "node:path"
import type { ModuleWork, StepTask } from "./Executor.ts"
import * as Permissions from "./Permissions.ts"
import * as Sandbox from "./Sandbox.ts"

const isLink = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true

/** The folders that `file` lies in, the outermost first, and the file. */
const wayTo = (file: string): ReadonlyArray<string> => {
  const parts = file.split(path.sep).slice(1)
  return parts.map((_, index) => path.sep + parts.slice(0, index + 1).join(path.sep))
}

/** The links on the way to files, by which the files are asked for. */
const linksTo = (files: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const links = new Map<string, string>()
  for (const file of files) {
    // what lies behind the first link is told by the real path
    const link = wayTo(file).find(isLink)
    if (link !== undefined) links.set(link, readlinkSync(link))
  }
  return links
}

const isIn = (file: string, folders: ReadonlyArray<string>): boolean =>
  folders.some((folder) => file === folder || file.startsWith(`${folder}${path.sep}`))

/** The outermost of the real paths of what is there. */
const realPaths = (files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const real = new Set(files.filter((file) => existsSync(file)).map((file) => realpathSync(file)))
  const sorted = Array.from(real).sort((a, b) => a.length - b.length)
  const kept: Array<string> = []
  for (const file of sorted) if (!isIn(file, kept)) kept.push(file)
  return kept
}

/** The walls round the process of `work`; `compiled` is where Node keeps the code it compiled. */
export const wallsOf = (task: StepTask, work: ModuleWork, compiled: string | undefined): Sandbox.Walls => {
  const asked = Permissions.granted(task, work)
  const blobs = path.resolve(task.workdir, "../../../blobs")
  const readable = realPaths([...asked, blobs, path.dirname(process.execPath)]).filter(
    (file) => !Sandbox.isOfSystem(file)
  )
  const links = Array.from(linksTo(asked)).filter(([link]) => !isIn(link, readable) && !Sandbox.isOfSystem(link))
  const writable = Permissions.writable(task, compiled).map((file) => realpathSync(file))
  const ignored = task.ignored.map(({ input, path: at }) => {
    const file = path.join(realpathSync(task.inputs[input]!), ...at.split("/"))
    return [file, file] as const
  })
  return {
    writable: writable.map((file) => [file, file]),
    readable: readable.map((file) => [file, file]),
    links,
    ignored: { entries: ignored, empty: Sandbox.emptyFile(task) },
    hidden: [process.cwd(), "/usr/src"],
    network: false,
    env: {},
    cwd: realpathSync(task.workdir)
  }
}
