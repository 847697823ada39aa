/**
 * Sandbox: walls round a command, by bubblewrap. The process sees the system's programs and libraries, its inputs read-only,
 * its outputs, and scratch; nothing else of the disk, no other process, and no network unless it asks for it.
 *
 * Inside, a step's folder is `/step` on every machine and in every run: inputs lie in `inputs/`, outputs in `outputs/`.
 *
 * Gotchas:
 * - Folders on PATH outside the system's (a user's own Python, `node_modules/.bin`) are there too, read-only, with what lies
 *   beside them: programs are neither counted nor hidden.
 * - The project's own folder is hidden, also where it lies in a folder of the system's, as `/usr/src/app` does.
 */
import {
  accessSync,
  existsSync,
  constants as fsConstants,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync
} from "node:fs"
import { constants, homedir } from "node:os"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { childProcess } from "../../cache/store/disk/Late.ts"
import * as ResultStore from "../../cache/store/ResultStore.ts"
import { StepError } from "./Executor.ts"
import * as FrameworkFiles from "./FrameworkFiles.ts"
import type { StepTask } from "./StepTask.ts"
import { linksIn, linksTo } from "./walls/Links.ts"

/** `auto`: sealed where it can be; `require`: a step that cannot be sealed fails; `off`: never. */
export type Mode = "auto" | "require" | "off"
export const modes = ["auto", "require", "off"] as const

/** The mode that steps are executed in. */
export const SandboxMode = Context.Reference<Mode>("op-pipe/SandboxMode", { defaultValue: () => "auto" })

/** `effect` in a mode. Where walls are required, results that were made without them count as absent. */
export const inMode =
  (mode: Mode) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.provideService(SandboxMode, mode),
      Effect.provideService(ResultStore.OnlySealed, mode === "require")
    )

/** Where a sealed step finds its folder, its temporary files, and the text of its command. */
export const inside = { step: "/step", temporary: "/tmp", script: "/op-pipe/command" } as const

/** Variables that name a place to write to. */
export const scratchIn = (folder: string): Readonly<Record<string, string>> => ({
  TMPDIR: folder,
  HOME: folder,
  PYTHONPYCACHEPREFIX: `${folder}/pycache`
})

export interface Availability {
  readonly available: boolean
  /** The version, or what is missing. */
  readonly detail: string
  readonly howToGet: string
}

const program = "bwrap"

/** The path of a program, by the PATH of this process: a step may have another, and to try each folder of it takes longer. */
const onPath = (name: string): string => {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter(path.isAbsolute)
  return folders.map((folder) => path.join(folder, name)).find(isExecutable) ?? name
}

/** Folders that hold programs and libraries; a link among them (`/bin` to `usr/bin`) stays one. */
const systemFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store"]

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, fsConstants.X_OK)
    return isFile(realpathSync(file))
  } catch {
    return false
  }
}
const isFile = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isFile() === true
const isLink = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true

const system = (): ReadonlyArray<string> =>
  systemFolders.flatMap((folder) => {
    if (!existsSync(folder)) return []
    return isLink(folder) ? ["--symlink", readlinkSync(folder), folder] : ["--ro-bind", folder, folder]
  })

const believedMs = 1000
const looks = new Map<string, { readonly found: unknown; readonly atMs: number }>()

/** To look at a machine takes a hundred calls of the system's, and the steps that begin within a second would all see the same. */
const lately = <A>(what: string, look: () => A): A => {
  const last = looks.get(what)
  if (last !== undefined && performance.now() - last.atMs < believedMs) return last.found as A
  const found = look()
  looks.set(what, { found, atMs: performance.now() })
  return found
}

export const isIn = (file: string, folder: string): boolean =>
  file === folder || file.startsWith(folder === path.sep ? folder : `${folder}${path.sep}`)

export const isOfSystem = (file: string): boolean => systemFolders.some((folder) => isIn(file, folder))

/** Whether a file is among the system's that are to be seen. */
export const isProvided = (file: string, hidden: ReadonlyArray<string>): boolean =>
  isOfSystem(file) && !hidden.some((folder) => isOfSystem(folder) && isIn(file, folder))

/** Folders that are not to be seen, also where they lie among the system's: the project, and what Docker has beside it. */
export const hiddenFrom = ({ project }: StepTask): ReadonlyArray<string> => [project, process.cwd(), "/usr/src"]

const ofPrograms = new Set(["bin", "sbin", "shims", ".bin"])

/**
 * The folder of a search path's entry and, where it is one of programs, what is installed beside it; never a home, the
 * folder that op-pipe works in, or what holds one of them.
 */
const installation = (entry: string): string => {
  const above = path.dirname(entry)
  const isOpen = [homedir(), process.cwd()].some((folder) => isIn(folder, above))
  return ofPrograms.has(path.basename(entry)) && !isOpen ? above : entry
}

const entriesOf = (searchPath: string | undefined): ReadonlyArray<string> =>
  (searchPath ?? "").split(path.delimiter).filter((entry) => path.isAbsolute(entry) && existsSync(entry))

/** Folders outside the system's that programs and libraries are looked for in, by the paths that name them. */
const searched = (env: NodeJS.ProcessEnv, programs: boolean): ReadonlyArray<string> =>
  [programs ? env["PATH"] : undefined, env["LD_LIBRARY_PATH"]]
    .flatMap(entriesOf)
    .flatMap((entry) => [path.resolve(entry), realpathSync(entry)])
    .map(installation)

/** Links on PATH to programs that lie elsewhere: `/usr/local/bin/julia` to `/shared/julia/bin/julia`. */
const linkedPrograms = (env: NodeJS.ProcessEnv): ReadonlyArray<string> =>
  entriesOf(env["PATH"]).flatMap((entry) =>
    linksIn(entry).filter((link) => isExecutable(link) && !isOfSystem(realpathSync(link)))
  )

/** What is to be seen of a program that a link leads to: what is installed with it, or else its file alone. */
const installed = (link: string): string => {
  const file = realpathSync(link)
  const [folder, found] = [path.dirname(file), installation(path.dirname(file))]
  return found === folder ? file : found
}

/** The outermost of the real paths of `folders` that are none of the system's. */
const realFolders = (folders: ReadonlyArray<string>, hidden: ReadonlyArray<string>): ReadonlyArray<string> => {
  const all = new Set(folders.map((folder) => realpathSync(folder)).filter((folder) => !isProvided(folder, hidden)))
  return Array.from(all).filter((folder) => !Array.from(all).some((other) => other !== folder && isIn(folder, other)))
}

/** Graphics cards. */
const devices = (): ReadonlyArray<string> =>
  readdirSync("/dev")
    .filter((name) => /^(nvidia|dri$|kfd$|dxg$)/u.test(name))
    .flatMap((name) => ["--dev-bind", `/dev/${name}`, `/dev/${name}`])

/** What a name server is asked by, where it lies outside `/etc`. */
const resolver = (): ReadonlyArray<string> => {
  const file = existsSync("/etc/resolv.conf") ? realpathSync("/etc/resolv.conf") : "/etc/resolv.conf"
  return isIn(file, "/etc") ? [] : ["--ro-bind", file, file]
}

export interface Walls {
  /** What may be written to: where it lies, and where the process finds it. */
  readonly writable: ReadonlyArray<readonly [from: string, to: string]>
  /** What may be read, likewise. */
  readonly readable: ReadonlyArray<readonly [from: string, to: string]>
  /** Paths by which the process asks for files; links on the way are there. */
  readonly named?: ReadonlyArray<string>
  /** Entries of inputs that are no part of them, where they lie and where the process finds nothing in their place. */
  readonly ignored?: ReadonlyArray<readonly [from: string, at: string]>
  /** Folders of the system's that are not to be seen. */
  readonly hidden: ReadonlyArray<string>
  readonly network: boolean
  /** Whether it may start programs: then the folders on PATH are there, with what is installed beside them. */
  readonly programs: boolean
  /** Variables that are other ones inside. */
  readonly env: Readonly<Record<string, string>>
  /** The folder that the process starts in. */
  readonly cwd: string
}

type Mount = readonly [how: "--bind" | "--ro-bind", from: string, to: string]

/** What there is of programs and libraries outside the system's folders: the real folders and files, and the links that lead there. */
interface Programs {
  readonly folders: ReadonlyArray<string>
  readonly links: ReadonlyMap<string, string>
}

const findPrograms = (env: NodeJS.ProcessEnv, { programs, hidden }: Walls): Programs => {
  const folders = searched(env, programs)
  const linked = programs ? linkedPrograms(env) : []
  return {
    folders: realFolders([...folders, ...linked.map(installed)], hidden),
    links: linksTo([...folders, ...linked])
  }
}

const programsOf = (env: NodeJS.ProcessEnv, walls: Walls): Programs => {
  const asked = JSON.stringify([env["PATH"], env["LD_LIBRARY_PATH"], walls.programs, walls.hidden])
  return lately(`programs ${asked}`, () => findPrograms(env, walls))
}

/** What is mounted, an outer place before those in it. */
const mountsOf = ({ writable, readable }: Walls, folders: ReadonlyArray<string>): ReadonlyArray<Mount> => {
  const mounts: ReadonlyArray<Mount> = [
    ...folders.map((folder) => ["--ro-bind", folder, folder] as const),
    ...readable.map(([from, to]) => ["--ro-bind", from, to] as const),
    // of one place the later wins
    ...writable.map(([from, to]) => ["--bind", from, to] as const)
  ]
  return mounts.toSorted(([, , a], [, , b]) => a.length - b.length)
}

/** Mounts, and the links by which what is mounted is named; those in a mounted folder are there. */
const reached = (walls: Walls, env: NodeJS.ProcessEnv): ReadonlyArray<string> => {
  const programs = programsOf(env, walls)
  const mounts = mountsOf(walls, programs.folders)
  const isThere = (link: string): boolean => isProvided(link, walls.hidden) || mounts.some(([, , to]) => isIn(link, to))
  const links = [...new Map([...programs.links, ...linksTo(walls.named ?? [])])].filter(([link]) => !isThere(link))
  return [...mounts.flat(), ...links.flatMap(([link, target]) => ["--symlink", target, link])]
}

/** Empty files and folders, mounted over what is ignored. A link leads to something else, which counts or is not there. */
const emptied = (entries: NonNullable<Walls["ignored"]>): ReadonlyArray<string> =>
  entries.flatMap(([from, at]) => {
    const stat = lstatSync(from, { throwIfNoEntry: false })
    if (stat?.isDirectory() === true) return ["--tmpfs", at, "--remount-ro", at]
    return stat?.isFile() === true ? ["--ro-bind", FrameworkFiles.etcFile("empty"), at] : []
  })

/** The same command behind walls. */
export const wrap = (walls: Walls, env: NodeJS.ProcessEnv, command: ReadonlyArray<string>): ReadonlyArray<string> => [
  lately("bubblewrap", () => onPath(program)),
  "--unshare-all",
  ...(walls.network ? ["--share-net", ...resolver()] : []),
  "--die-with-parent",
  ...["--hostname", "op-pipe"],
  ...lately("system", system),
  ...walls.hidden.filter(isOfSystem).flatMap((folder) => ["--tmpfs", folder]),
  ...["--proc", "/proc", "--dev", "/dev", ...lately("devices", devices)],
  // the first process is bubblewrap's: it was called with the paths of this machine
  ...["cmdline", "environ"].flatMap((name) => ["--ro-bind", "/dev/null", `/proc/1/${name}`]),
  ...lately("sys", () => (existsSync("/sys") ? ["--ro-bind", "/sys", "/sys"] : [])),
  ...reached(walls, env),
  ...emptied(walls.ignored ?? []),
  ...Object.entries(walls.env).flatMap(([name, value]) => ["--setenv", name, value]),
  ...["--chdir", walls.cwd, "--"],
  ...command
]

let known: Availability | undefined

/** Whether steps can be sealed here. Tries it, once a process. */
export const availability = (): Availability => {
  known ??= tryOut()
  return known
}

const tryOut = (): Availability => {
  if (process.platform !== "linux") return { available: false, detail: "bubblewrap is for Linux alone", howToGet: "" }
  const walls = { writable: [], readable: [], hidden: [], network: false, programs: false, env: {}, cwd: "/" }
  const [file, ...args] = wrap(walls, {}, ["true"])
  const tried = childProcess().spawnSync(file!, args, { encoding: "utf8" })
  if (tried.error !== undefined) {
    return { available: false, detail: "bubblewrap is not installed", howToGet: "`apt-get install bubblewrap`" }
  }
  if (tried.status !== 0) {
    const detail = `bubblewrap does not work here: ${tried.stderr.trim().split("\n")[0]}`
    return { available: false, detail, howToGet: "Allow user namespaces, or use a container that does" }
  }
  const { stdout } = childProcess().spawnSync(program, ["--version"], { encoding: "utf8" })
  return { available: true, detail: stdout.trim(), howToGet: "" }
}

/** Files of the system's that tell one machine from another, and what a step finds there instead. */
const ofOneMachine: Readonly<Record<string, string>> = {
  "/etc/hostname": FrameworkFiles.etcFile("hostname"),
  "/etc/machine-id": FrameworkFiles.etcFile("empty"),
  "/etc/hosts": FrameworkFiles.etcFile("hosts"),
  "/etc/resolv.conf": FrameworkFiles.etcFile("empty")
}
const forNetwork = new Set(["/etc/hosts", "/etc/resolv.conf"])

/** What is mounted over such files. With a network, a step finds hosts as its machine does. */
export const disguise = (network: boolean): Walls["readable"] =>
  lately("disguised", () => Object.entries(ofOneMachine).filter(([at]) => isFile(at)))
    .filter(([at]) => !(network && forNetwork.has(at)))
    .map(([at, instead]) => [instead, at] as const)

/** Whether `task` is to be sealed; fails if it has to be and cannot. */
export const decide = Effect.fnUntraced(function* (task: StepTask) {
  const mode = yield* SandboxMode
  if (mode === "off") return false
  const { available, detail, howToGet } = availability()
  if (available || mode === "auto") return available
  const toDo = howToGet === "" ? "" : `. ${howToGet}`
  const reason = `expected a sandbox, since --sandbox=require asks for one, but ${detail}${toDo}`
  return yield* new StepError({ step: task.step, fault: "input", reason, log: null })
})

/** A sandbox tells the signal that ended its process as a shell does: 128 and its number. */
export const signalOf = (code: number | null): string | undefined =>
  code === null ? undefined : Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0]
