/**
 * Permissions: what the process of a step may read and write, as flags of Node's permission model.
 *
 * A stage reads its inputs and its own modules and writes its outputs and its scratch; whatever else it opened would be
 * an ingredient that no key holds. Beyond that it sees what every program needs: packages, the system's libraries and
 * devices, the store's toolchains. See docs/adr/0005-hermetic-stages.md for what this does not catch.
 */
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs"
import * as path from "node:path"
import * as Framework from "../../../cache/code/Framework.ts"
import { userCache } from "../../../cache/store/Layout.ts"
import * as FrameworkFiles from "../FrameworkFiles.ts"
import type { ModuleWork, StepTask } from "../StepTask.ts"

/** Files of `/proc` that tell of the machine. Others lead anywhere (`self/root`), or tell of other processes. */
const machineFiles = [
  "cpuinfo",
  "meminfo",
  "stat",
  "loadavg",
  "version",
  "sys",
  "self/status",
  "self/maps",
  "self/cgroup"
]

/** Belongs to the machine and not to a project. */
const system = [
  ...["/usr", "/lib", "/lib64", "/bin", "/etc", "/sys", "/dev", "/opt"],
  ...machineFiles.map((name) => `/proc/${name}`)
]

/** A path as it is written and as it is in truth. */
const both = (file: string): ReadonlyArray<string> => {
  try {
    return [file, realpathSync(file)]
  } catch {
    return [file]
  }
}

const ancestors = (file: string): ReadonlyArray<string> => {
  const folders: Array<string> = []
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    folders.push(folder)
    if (folder === path.dirname(folder)) return folders
  }
}

/** A path, and those that links on the way to it lead through, the real one last. */
const hops = (file: string): ReadonlyArray<string> => {
  const found = [file]
  for (let at = file; found.length <= 40; found.push(at)) {
    const link = [...ancestors(at).toReversed(), at].find(isLink)
    if (link === undefined) break
    at = path.resolve(path.dirname(link), readlinkSync(link), path.relative(link, at))
  }
  return found
}

const isLink = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true

/** Packages that lie elsewhere, as `npm link` leaves them. */
const linkedPackages = (nodeModules: string): ReadonlyArray<string> => {
  if (!existsSync(nodeModules)) return []
  return readdirSync(nodeModules, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(nodeModules, entry.name)
    if (entry.isSymbolicLink()) return both(at)
    return entry.isDirectory() && entry.name.startsWith("@") ? linkedPackages(at) : []
  })
}

/** Without what lies below another: Node loses sight of a folder that is granted after a file in it. */
const outermost = (granted: ReadonlyArray<string>): ReadonlyArray<string> => {
  const all = new Set(granted.map((each) => path.resolve(each)))
  return Array.from(all).filter((each) => !ancestors(each).some((folder) => folder !== each && all.has(folder)))
}

const foldersAbove = (modules: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from(new Set(modules.flatMap(both).flatMap(ancestors)))

/** The `package.json` files above its modules, which Node asks how a worker is to be read. Those that it counts are modules. */
export const manifestsAbove = ({ modules }: ModuleWork): ReadonlyArray<string> => {
  const counted = new Set(modules.flatMap(both))
  return foldersAbove(modules)
    .map((folder) => path.join(folder, "package.json"))
    .filter((file) => !counted.has(file))
}

/** Configurations in a folder, by which aliases are found where there is no bundle. What they extend may have another name. */
const configurationsIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder).flatMap((name) => (/^tsconfig.*\.json$/u.test(name) ? [path.join(folder, name)] : []))
  } catch {
    return []
  }
}

/** The folders that packages are looked for in, and what links in them lead to. */
const packagesOf = (work: ModuleWork): ReadonlyArray<string> => {
  const above = foldersAbove(ownModules(work))
  const folders = Array.from(new Set(above.flatMap((folder) => both(path.join(folder, "node_modules")))))
  return [...folders, ...folders.flatMap(linkedPackages)]
}

const ownModules = ({ modules }: ModuleWork): ReadonlyArray<string> => [...modules, FrameworkFiles.beside("worker")]

/**
 * What the process of `work` may read besides the system's files, its inputs and outputs: modules, and what toolchains built; not the
 * packages.
 */
export const codeOf = (task: StepTask, work: ModuleWork, compiled: string | undefined): ReadonlyArray<string> => {
  const own = ownModules(work)
  const [modules, above] = [own.flatMap(both), foldersAbove(own)]
  return [
    ...Framework.folders,
    userCache(),
    ...modules,
    ...above.filter(isLink),
    ...(compiled === undefined ? above.flatMap(configurationsIn) : []),
    work.toolchainsDir,
    path.dirname(task.checkpoint)
  ]
}

/** What it may read of inputs and outputs. */
const dataOf = (task: StepTask): ReadonlyArray<string> => [
  ...Object.values(task.inputs).flatMap(both),
  ...task.reached.flatMap(({ named }) => hops(named)),
  path.dirname(task.outputDir)
]

/** What of a task is written to. */
type Writing = Pick<StepTask, "outputDir" | "workdir" | "checkpoint">

/** What it may write to. `compiled` is where Node keeps the code it compiled, if it does. */
export const writable = (task: Writing, compiled: string | undefined): ReadonlyArray<string> => [
  ...[task.outputDir, task.workdir, path.dirname(task.checkpoint)],
  ...(compiled === undefined ? [] : [compiled])
]

/**
 * Flags for the process that does `work`; `compiled` is where Node keeps the code it compiled, if it does. Behind walls, the
 * paths of the task are those inside.
 */
export const flags = (task: StepTask, work: ModuleWork, compiled: string | undefined): ReadonlyArray<string> => [
  "--permission",
  // Native addons and threads are part of what stages compute with; programs are not, unless the stage says so.
  "--allow-addons",
  "--allow-worker",
  ...(work.spawns ? ["--allow-child-process"] : []),
  ...outermost([
    ...[...system, ...codeOf(task, work, compiled), ...packagesOf(work)],
    ...[...manifestsAbove(work), ...dataOf(task)]
  ]).map((file) => `--allow-fs-read=${file}`),
  ...writable(task, compiled).map((file) => `--allow-fs-write=${file}`)
]

interface Denied {
  readonly code: "ERR_ACCESS_DENIED"
  readonly permission?: string
  readonly resource?: string
}

const isDenied = (value: unknown): value is Denied =>
  typeof value === "object" && value !== null && (value as { readonly code?: unknown }).code === "ERR_ACCESS_DENIED"

/** The refusal by the permission model that `error` comes from, in words; undefined when it comes from elsewhere. */
export const describeDenied = (error: unknown): string | undefined => {
  for (let cause = error; typeof cause === "object" && cause !== null; cause = (cause as { cause?: unknown }).cause) {
    if (!isDenied(cause)) continue
    const { permission } = cause
    const resource = path.resolve(cause.resource ?? "")
    switch (permission) {
      case "FileSystemRead":
        return `it read ${resource}, which is none of its inputs. Later changes to that file would go unnoticed. Declare it as an input`
      case "FileSystemWrite":
        return `it wrote to ${resource}, which is outside its outputs and its workdir. Write below output.*.path or workdir`
      case "ChildProcess":
        return "it started a program. Declare `spawns: true` in Stage.make: what a program reads cannot be seen"
      default:
        return `it was refused ${permission ?? "something"} (${resource})`
    }
  }
  return undefined
}
