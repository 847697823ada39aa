/**
 * World: a made-up project (data, modules, packages, links, stages, parameters) that exists twice: as files on disk, which
 * op-pipe sees, and as a model, from which an oracle (worldValues) computes what a clean run gives and what has to run.
 */
import * as path from "node:path"
import type * as Random from "../../stages/lib/Random.ts"

export interface Module {
  constant: number
  /** Changes nothing: written as a comment and as a type. */
  remark: number
  /** Whether two values that take their turn are declared the other way round. */
  swapped: boolean
  /**
   * Whether more happens than declarations when it is loaded: it takes turns, calls the packages that it imports, and
   * enters itself in a list that stages read. Stages' modules do more anyway.
   */
  active: boolean
  /** As they are written, in this order. */
  imports: Array<string>
  /** What it may import: modules may import each other, but not stages. */
  readonly importable: ReadonlyArray<string>
}

export interface Package {
  /** In its package.json; undefined for a folder that has none. */
  readonly name: string | undefined
  readonly version: number
  /** What it gives besides its name and version; of a package from a registry it follows from these, until it is edited. */
  readonly constant: number
  readonly imports: ReadonlyArray<string>
}

export interface StageModel {
  /** Of a stage that is a command; others are modules. */
  readonly command?: CommandModel
  param: number
  inputs: ReadonlyArray<{ readonly stage: number; readonly output: "fine" | "coarse" }>
  readonly readsSource: boolean
  readonly usesEngine: boolean
}

/** A command that runs the script `tool.sh`, which is one of its inputs. */
export interface CommandModel {
  /** Written as a comment of the command, which counts. */
  remark: number
  /** Whether the keys of its documents are the other way round. */
  swapped: boolean
}

export interface World {
  /** Below the folder of the data: name -> content, or where a link leads that has "-> " before it. */
  files: Map<string, string>
  /** The folder of the data. */
  dataFolder: string
  /** What the pipeline calls the data. */
  sourceName: string
  /** Files beside the data, which links in it may lead to. */
  lake: Map<string, string>
  /** Files of the data, the lake and the script, that may be executed. */
  executable: Set<string>
  /** What systems and tools leave among data: path from the project -> content. */
  leftBehind: Map<string, string>
  /** By path. Stages' modules are `s0.ts`, `s1.ts`, ... */
  modules: Map<string, Module>
  /** What `lib/index.ts` re-exports: name -> the helper whose value it is. */
  reexports: Map<string, string>
  /** `lib/table.json`: a number, in which order it and another stand, and how they are laid out. */
  table: { number: number; swapped: boolean; indent: number }
  /** `lib/asset.txt`, which modules read by its URL. */
  asset: string
  /** By folder. */
  packages: Map<string, Package>
  /** Whether there is a lockfile, which vouches for the packages in the project's `node_modules`. */
  readonly locked: boolean
  /** Path -> where the link there leads, from its folder. */
  links: Map<string, string>
  stages: ReadonlyArray<StageModel>
  /** What the script prints, and a comment in it. */
  script: { number: number; remark: number }
  /** The same of a program on PATH that commands call. */
  program: { number: number; remark: number }
  /** The version of the engine that some stages compute with. */
  engine: number
  /** A variable of the environment that the pipeline reads when it is loaded, and one that only stages would read. */
  environment: { asked: number; stray: number }
}

export const linkMark = "-> "
/** A re-exporting module, and how modules import `name` of it. */
export const barrel = "lib/index.ts"
export const nameInBarrel = (specifier: string): string | undefined => specifier.split(`${barrel}#`)[1]
/** How a module asks for a file by its URL, and for a module that it runs in a worker. */
export const asset = "url:./asset.txt"
export const worker = "worker:./work.ts"
/** The module that runs in a worker. */
export const workerFile = "lib/work.ts"
export const table = "lib/table.json"
export const script = "tool.sh"
/** The program on PATH, and the folder that it lies in. */
export const program = "world-tool"
export const programFolder = "tools"

export const helpers = ["lib/h0.ts", "lib/h1.ts", "lib/h2.ts", "lib/h3.ts"]
/** Modules that `./x`, as helpers import it, may mean, the first that is there. */
export const endings = ["lib/x.ts", "lib/x.js", "lib/x/index.ts"]
/** A module of another package, beside the project, which is named by its folder. */
export const outside = "../outside/o.ts"
/** What op-pipe calls the module at `file`. */
export const labelOf = (file: string): string => file.replace(/^\.\.\/(outside)\//, "$1:")
/** The folder of the project, as modules beside it have it. */
export const project = "project"
export const dataFolders = ["data", "other-data"]

/** Packages that are installed by another name than their own. */
export const aliases = ["p4", "p8"]
const packageNames = ["p0", "p1", "p2", "p3", "p5", "p7", ...aliases]
/** Where packages may be installed or not, some of them nearer to the helpers than others of their name. */
export const places = [
  "node_modules/p7",
  "lib/node_modules/p0",
  "lib/node_modules/p1",
  "lib/node_modules/p6",
  "lib/node_modules/p7",
  "../node_modules/p7",
  "../outside/node_modules/p7",
  "node_modules/p1/node_modules/p6",
  "lib/node_modules/p1/node_modules/p6"
]

/** A package as a registry has it; p1 depends on p6. */
export const published = (name: string, version: number): Package => ({
  name,
  version,
  constant: version,
  imports: name === "p1" ? ["p6"] : []
})

/** Whether something vouches for the content of the package in `folder`: the lockfile, or the name of its folder in a store. */
export const isVouched = (world: World, folder: string): boolean =>
  folder.includes("/.pnpm/") ||
  (world.locked && folder.startsWith("node_modules/") && world.packages.get(folder)?.name !== undefined)

const some = <A>(random: Random.Random, all: ReadonlyArray<A>, chance: number): Array<A> =>
  all.filter(() => random.float() < chance)

const makeStages = (random: Random.Random): Array<StageModel> => {
  const count = 2 + random.int(4)
  return Array.from({ length: count }, (_, index) => {
    const before = Array.from({ length: index }, (_, each) => each)
    const inputs = some(random, before, 0.5).map((stage) => ({
      stage,
      output: random.float() < 0.5 ? ("fine" as const) : ("coarse" as const)
    }))
    const isCommand = inputs.length > 0 && random.float() < 0.3
    return {
      ...(isCommand && { command: { remark: 0, swapped: false } }),
      param: 0,
      inputs,
      readsSource: inputs.length === 0,
      usesEngine: !isCommand && random.float() < 0.3
    }
  })
}

const makeModules = (random: Random.Random, stages: ReadonlyArray<StageModel>, names: Iterable<string>) => {
  const chance = random.between(0.15, 0.6)
  const activity = random.float() < 0.5 ? 0 : random.between(0, 0.4)
  const module = (importable: ReadonlyArray<string>): Module => ({
    constant: random.int(9),
    remark: 0,
    swapped: false,
    active: random.float() < activity,
    // a worker takes a while to start
    imports: some(random, importable, chance).filter((each) => each !== worker || random.float() < 0.3),
    importable
  })
  const modules = new Map<string, Module>()
  const inBarrel = Array.from(names, (name) => `${barrel}#${name}`)
  for (const [index, { command }] of stages.entries()) {
    if (command !== undefined) continue
    const below = [...helpers, "lib/link.ts", "lib/way/w.ts", "lib/x", table, ...inBarrel].map((each) => `./${each}`)
    modules.set(`s${index}.ts`, { ...module([...below, outside, ...packageNames]), active: false })
  }
  const others = helpers.map((each) => `./${path.posix.basename(each)}`)
  const about = [...others, "./link.ts", "./way/w.ts", "./x", "./leaf.ts", `../${outside}`]
  // what waits for a package while it is loaded does more than declare
  const awaited = activity === 0 ? packageNames.filter((name) => name !== "p7") : packageNames
  for (const file of helpers) modules.set(file, module([...about, "./table.json", asset, worker, ...awaited]))
  const ofProject = [...helpers, ...inBarrel].map((each) => `../${project}/${each}`)
  modules.set(outside, module([...ofProject, "p0", ...(activity === 0 ? [] : ["p7"])]))
  for (const way of ["a", "b"]) modules.set(`ways/${way}/w.ts`, module(["../../lib/h3.ts", "p0"]))
  for (const file of some(random, endings.slice(1), 0.5)) modules.set(file, module([]))
  if (!endings.some((each) => modules.has(each))) modules.set("lib/x.ts", module([]))
  modules.set("lib/leaf.ts", module(["p0", "p1"]))
  // Node itself loads it, without TypeScript's endings
  modules.set(workerFile, module(["./leaf.ts", "p0"]))
  return modules
}

const makePackages = (random: Random.Random): Map<string, Package> => {
  const packages = new Map<string, Package>()
  for (const name of ["p0", "p1", "p6"]) packages.set(`node_modules/${name}`, published(name, 0))
  packages.set("../outside/node_modules/p0", published("p0", 1))
  for (const version of [0, 1])
    packages.set(`node_modules/.pnpm/p2@${version}/node_modules/p2`, published("p2", version))
  for (const folder of ["shared/a", "shared/b"]) {
    packages.set(folder, { name: "p3", version: 0, constant: random.int(3), imports: [] })
  }
  for (const [index, alias] of aliases.entries()) packages.set(`node_modules/${alias}`, published(`real${index}`, 0))
  packages.set("node_modules/p5", { name: undefined, version: 0, constant: random.int(3), imports: [] })
  for (const folder of some(random, places, 0.4)) {
    if (folder.includes("lib/node_modules/p1/") && !packages.has("lib/node_modules/p1")) continue
    packages.set(folder, published(path.posix.basename(folder), random.int(2)))
  }
  return packages
}

export const makeWorld = (random: Random.Random): World => {
  const stages = makeStages(random)
  const reexports = new Map(helpers.map((each, index) => [`v${index}`, each]))
  return {
    files: new Map([
      ["a.txt", "1"],
      ["sub/b.txt", "2"],
      ["sub/l.txt", `${linkMark}b.txt`]
    ]),
    dataFolder: "data",
    sourceName: "files",
    lake: new Map([
      ["lake/a.txt", "1"],
      ["lake/deep/c.txt", "2"]
    ]),
    executable: new Set(),
    leftBehind: new Map([["data/__pycache__/m.pyc", "0"]]),
    modules: makeModules(random, stages, reexports.keys()),
    reexports,
    table: { number: 0, swapped: false, indent: 0 },
    asset: "0",
    packages: makePackages(random),
    locked: random.float() < 0.4,
    links: new Map([
      ["lib/link.ts", "h2.ts"],
      ["lib/way", "../ways/a"],
      ["node_modules/p2", ".pnpm/p2@0/node_modules/p2"],
      ["node_modules/p3", "../shared/a"]
    ]),
    stages,
    script: { number: 0, remark: 0 },
    program: { number: 0, remark: 0 },
    engine: 0,
    environment: { asked: 0, stray: 0 }
  }
}
