/**
 * World: a made-up project (data, modules, packages, links, stages, parameters) that exists twice: as files on disk, which
 * op-pipe sees, and as a model, from which an oracle computes what a clean run gives and what has to run.
 *
 * A module's value is a list of all that it depends on: its own path, a constant, the order of two of its statements, and the
 * values of what it imports, found as Node finds modules and packages; of a module that the list has already, be it since two import
 * it or since modules import each other, its path only. A stage's value is a digest of its module's value, its
 * parameters and its inputs. It gives two documents: `fine`, that digest, and `coarse`, one bit of it, so that an upstream change
 * often leaves `coarse` as it was and the ripple must stop there.
 */
import { createHash } from "node:crypto"
import * as path from "node:path"
import type * as Random from "../../stages/lib/Random.ts"

export interface Module {
  constant: number
  /** Changes nothing: written as a comment and as a type. */
  remark: number
  /** Whether two values that take their turn are declared the other way round. */
  swapped: boolean
  /** As they are written, in this order. */
  imports: Array<string>
  /** What it may import: modules may import each other, but not stages. */
  readonly importable: ReadonlyArray<string>
}

export interface Package {
  /** In its package.json; undefined for a folder that has none. */
  readonly name: string | undefined
  readonly version: number
  /** What it gives besides its name and version; of a package from a registry it follows from these. */
  readonly constant: number
  readonly imports: ReadonlyArray<string>
}

export interface StageModel {
  param: number
  inputs: ReadonlyArray<{ readonly stage: number; readonly output: "fine" | "coarse" }>
  readonly readsSource: boolean
  readonly usesEngine: boolean
}

export interface World {
  /** Below `data`: name -> content, or where a link leads that has "-> " before it. */
  files: Map<string, string>
  /** By path. Stages' modules are `s0.ts`, `s1.ts`, ... */
  modules: Map<string, Module>
  /** What `lib/index.ts` re-exports: name -> the helper whose value it is. */
  reexports: Map<string, string>
  /** By folder. */
  packages: Map<string, Package>
  /** Path -> where the link there leads, from its folder. */
  links: Map<string, string>
  stages: ReadonlyArray<StageModel>
  /** The version of the engine that some stages compute with. */
  engine: number
}

export const linkMark = "-> "
/** A re-exporting module, and how modules import `name` of it. */
export const barrel = "lib/index.ts"
export const nameInBarrel = (specifier: string): string | undefined => specifier.split(`${barrel}#`)[1]

export const helpers = ["lib/h0.ts", "lib/h1.ts", "lib/h2.ts", "lib/h3.ts"]
/** Modules that `./x`, as helpers import it, may mean, the first that is there. */
export const endings = ["lib/x.ts", "lib/x.js", "lib/x/index.ts"]
/** A module of another package, beside the project, which is named by its folder. */
export const outside = "../outside/o.ts"
/** What op-pipe calls the module at `file`. */
export const labelOf = (file: string): string => file.replace(/^\.\.\/(outside)\//, "$1:")
/** The folder of the project, as modules beside it have it. */
export const project = "project"

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

const some = <A>(random: Random.Random, all: ReadonlyArray<A>, chance: number): Array<A> =>
  all.filter(() => random.float() < chance)

export const makeWorld = (random: Random.Random): World => {
  const chance = random.between(0.15, 0.6)
  const module = (importable: ReadonlyArray<string>): Module => ({
    constant: random.int(9),
    remark: 0,
    swapped: false,
    imports: some(random, importable, chance),
    importable
  })
  const stages: Array<StageModel> = Array.from({ length: 2 + random.int(4) }, (_, index) => {
    const before = some(
      random,
      Array.from({ length: index }, (_, each) => each),
      0.5
    )
    const inputs = before.map((stage) => ({
      stage,
      output: random.float() < 0.5 ? ("fine" as const) : ("coarse" as const)
    }))
    return { param: 0, inputs, readsSource: inputs.length === 0, usesEngine: random.float() < 0.3 }
  })
  const modules = new Map<string, Module>()
  const reexports = new Map(helpers.map((each, index) => [`v${index}`, each]))
  for (const index of stages.keys()) {
    const names = Array.from(reexports.keys(), (name) => `${barrel}#${name}`)
    const below = [...helpers, "lib/link.ts", "lib/way/w.ts", "lib/x", ...names].map((each) => `./${each}`)
    modules.set(`s${index}.ts`, module([...below, outside, ...packageNames]))
  }
  const others = helpers.map((each) => `./${path.posix.basename(each)}`)
  const about = [...others, "./link.ts", "./way/w.ts", "./x", `../${outside}`]
  // what waits for a package while it is loaded does more than declare, and would count for all that import the barrel
  const plain = packageNames.filter((name) => name !== "p7")
  for (const file of helpers) modules.set(file, module([...about, ...plain]))
  modules.set(outside, module([...helpers.map((each) => `../${project}/${each}`), "p0"]))
  for (const way of ["a", "b"]) modules.set(`ways/${way}/w.ts`, module(["../../lib/h3.ts", "p0"]))
  for (const file of some(random, endings.slice(1), 0.5)) modules.set(file, module([]))
  if (!endings.some((each) => modules.has(each))) modules.set("lib/x.ts", module([]))
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
  return {
    files: new Map([
      ["a.txt", "1"],
      ["sub/b.txt", "2"],
      ["sub/l.txt", `${linkMark}b.txt`]
    ]),
    modules,
    reexports,
    packages,
    links: new Map([
      ["lib/link.ts", "h2.ts"],
      ["lib/way", "../ways/a"],
      ["node_modules/p2", ".pnpm/p2@0/node_modules/p2"],
      ["node_modules/p3", "../shared/a"]
    ]),
    stages,
    engine: 0
  }
}

/** `file` with no links on its way, from the project. */
const realPath = (world: World, file: string): string => {
  let real = ""
  for (const part of file.replace(`../${project}/`, "").split("/")) {
    const at = path.posix.join(real, part)
    const target = world.links.get(at)
    real = target === undefined ? at : realPath(world, path.posix.join(real, target))
  }
  return real
}

const moduleAt = (world: World, target: string): string | undefined =>
  [target, `${target}.ts`, `${target}.js`, `${target}/index.ts`]
    .map((each) => realPath(world, each))
    .find((each) => world.modules.has(each))

const packageAt = (world: World, name: string, folder: string): string | undefined => {
  const found =
    path.posix.basename(folder) === "node_modules"
      ? undefined
      : realPath(world, path.posix.join(folder, "node_modules", name))
  if (found !== undefined && world.packages.has(found)) return found
  if (folder === "..") return undefined
  return packageAt(world, name, folder === "." ? ".." : path.posix.dirname(folder))
}

type Value = ReadonlyArray<string | number | Value>

/** What a package gives that is not installed. */
export const absent: Value = ["absent"]

/** What the package in `folder` gives. */
export const packageValue = (world: World, folder: string): Value => {
  const { name, version, constant, imports } = world.packages.get(folder)!
  return [
    name ?? path.posix.basename(folder),
    version,
    constant,
    ...imports.map((each) => importedValue(world, each, folder))
  ]
}

const importedValue = (world: World, specifier: string, from: string, seen: Set<string> = new Set()): Value => {
  const name = nameInBarrel(specifier)
  if (name !== undefined) return [name, moduleValue(world, world.reexports.get(name)!, seen)]
  if (specifier.startsWith(".")) return moduleValue(world, moduleAt(world, path.posix.join(from, specifier))!, seen)
  const found = packageAt(world, specifier, from)
  return found === undefined ? absent : packageValue(world, found)
}

/** What a module has besides what it imports. */
export const ownValue = (file: string, { constant, swapped }: Module): Value => [
  file,
  constant,
  ...(swapped ? [2, 1] : [1, 2])
]

/** What the module at `file` gives, besides what those in `seen` gave already. */
export const moduleValue = (world: World, file: string, seen: Set<string> = new Set()): Value => {
  if (seen.has(file)) return [file]
  seen.add(file)
  const module = world.modules.get(file)!
  const imported = module.imports.map((each) => importedValue(world, each, path.posix.dirname(file), seen))
  return [...ownValue(file, module), ...imported]
}

/** What the step of the stage `index` depends on besides other steps. */
export const ownIngredients = (world: World, index: number): string => {
  const { param, usesEngine, readsSource } = world.stages[index]!
  const files = readsSource ? Array.from(world.files).sort(([a], [b]) => (a < b ? -1 : 1)) : []
  const contents = files.map(([name, content]) => {
    const target = content.startsWith(linkMark) ? content.slice(linkMark.length) : undefined
    // a link counts as what it leads to, or else as itself
    return [name, target === undefined ? content : (world.files.get(path.posix.join(name, "..", target)) ?? content)]
  })
  return JSON.stringify([moduleValue(world, `s${index}.ts`), param, usesEngine ? world.engine : null, contents])
}

export interface Expected {
  readonly fine: string
  readonly coarse: string
  /** Everything that the step was made from: one text for one key. */
  readonly ingredients: string
}

/** What is left of a stage's ingredients in its outputs; the stages' modules on disk do the same. */
export const outputsOf = (ingredients: string): { readonly fine: string; readonly coarse: string } => {
  const fine = createHash("sha256").update(ingredients).digest("hex")
  return { fine, coarse: String(Number.parseInt(fine.slice(0, 1), 16) % 2) }
}

/** What a clean run gives, by step id. */
export const expected = (world: World): ReadonlyMap<string, Expected> => {
  const values: Array<Expected> = []
  for (const [index, stage] of world.stages.entries()) {
    const inputs = stage.inputs.map(({ stage, output }) => [`s${stage}${output}`, values[stage]![output]])
    const ingredients = JSON.stringify([ownIngredients(world, index), ...inputs])
    values.push({ ...outputsOf(ingredients), ingredients })
  }
  return new Map(values.map((value, index) => [`s${index}`, value]))
}
