/**
 * The oracle of a World: what a clean run gives, and what each step is made from.
 *
 * A module's value is a list of all that it depends on: its own path, a constant, the order of two of its statements, and the
 * values of what it imports, found as Node finds modules and packages; of a module that the list has already, be it since two import
 * it or since modules import each other, its path only. A stage's value is a digest of its module's value, of those that entered
 * themselves in the list when they were loaded, of its parameters and its inputs. It gives two documents: `fine`, that digest, and
 * `coarse`, one bit of it, so that an upstream change often leaves `coarse` as it was and the ripple must stop there.
 *
 * What counts is more than what is computed: a module behind a re-exporting one that does more than declare counts for all
 * that import the re-exporting one, with all that it imports, and a package may count by what vouches for it. So there are
 * two lists: `value`, which modules on disk compute too, and `key`.
 */
import { createHash } from "node:crypto"
import * as path from "node:path"
import {
  asset,
  barrel,
  isVouched,
  linkMark,
  type Module,
  nameInBarrel,
  type Package,
  project,
  script,
  type World,
  worker,
  workerFile
} from "./World.ts"

export type Value = ReadonlyArray<string | number | Value>

/** `file` with no links on its way, from the project. */
const realPath = (world: World, file: string): string => {
  let real = ""
  for (const part of file.replace(`../${project}/`, "").split("/")) {
    // as `path.posix.join`, which would take most of the oracle's time
    const at = real === "" || part === ".." ? path.posix.join(real, part) : `${real}/${part}`
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

/** What a package gives that is not installed. */
export const absent: Value = ["absent"]

/** What the package in `folder` gives besides what it imports. */
export const ownPackageValue = (folder: string, { name, version, constant }: Package): Value => [
  name ?? path.posix.basename(folder),
  version,
  constant
]

/** The text of `lib/table.json` as a value: what code sees of it. */
export const tableValue = ({ table: { number, swapped } }: World): Readonly<Record<string, number>> =>
  swapped ? { other: 1, number } : { number, other: 1 }

/** What a module has besides what it imports. */
export const ownValue = (file: string, { constant, swapped }: Module): Value => [
  file,
  constant,
  ...(swapped ? [2, 1] : [1, 2])
]

/** The modules that are loaded with the one at `file`, and it. */
const loadedWith = (world: World, file: string, loaded: Set<string> = new Set()): ReadonlySet<string> => {
  if (loaded.has(file)) return loaded
  loaded.add(file)
  for (const specifier of world.modules.get(file)!.imports) {
    if (nameInBarrel(specifier) !== undefined) {
      for (const each of world.reexports.values()) loadedWith(world, each, loaded)
    } else if (specifier.startsWith(".") && !specifier.endsWith("table.json")) {
      loadedWith(world, moduleAt(world, path.posix.join(path.posix.dirname(file), specifier))!, loaded)
    }
  }
  return loaded
}

/** Whether more happens than declarations when the module at `file` is loaded. */
const isActive = (world: World, file: string): boolean =>
  Array.from(loadedWith(world, file), (each) => world.modules.get(each)!).some(
    ({ active, imports }) => active || imports.includes("p7")
  )

/** Collects values of modules: as they compute them, or as they count. */
class Collection {
  private readonly world: World
  private readonly as: "value" | "key"
  private readonly seen = new Set<string>()
  private usesBarrel = false

  constructor(world: World, as: "value" | "key") {
    this.world = world
    this.as = as
  }

  private ofPackage(folder: string): Value {
    const { world, as } = this
    const found = world.packages.get(folder)!
    const imported = found.imports.map((each) => this.imported(each, folder))
    const isKnown = as === "key" && isVouched(world, folder)
    return [...ownPackageValue(folder, found), ...(isKnown ? ["vouched"] : []), ...imported]
  }

  private imported(specifier: string, from: string): Value {
    const { world, as } = this
    if (specifier === asset) return ["asset", world.asset]
    if (specifier === worker) return ["worker", new Collection(world, as).ofModule(workerFile)]
    if (specifier.endsWith("table.json")) return ["table", JSON.stringify(tableValue(world))]
    const name = nameInBarrel(specifier)
    if (name !== undefined) {
      this.usesBarrel = true
      return [name, this.ofModule(world.reexports.get(name)!)]
    }
    if (specifier.startsWith(".")) return this.ofModule(moduleAt(world, path.posix.join(from, specifier))!)
    const found = packageAt(world, specifier, from)
    return found === undefined ? absent : this.ofPackage(found)
  }

  ofModule(file: string): Value {
    if (this.seen.has(file)) return [file]
    this.seen.add(file)
    const module = this.world.modules.get(file)!
    const imported = module.imports.map((each) => this.imported(each, path.posix.dirname(file)))
    const active = this.as === "key" && module.active ? ["active"] : []
    return [...ownValue(file, module), ...active, ...imported]
  }

  /** Of a stage's module. */
  ofStage(file: string): Value {
    const { world } = this
    const own = this.ofModule(file)
    if (this.as === "value") {
      const entered = Array.from(loadedWith(world, file)).filter((each) => each !== file)
      const active = entered.filter((each) => world.modules.get(each)!.active).sort()
      return [own, ...active.map((each) => this.ofModule(each))]
    }
    const unasked: Array<Value> = []
    for (const [name, helper] of world.reexports) {
      // the way to a helper may lead through the barrel again, but that is known then
      if (this.usesBarrel && isActive(world, helper)) unasked.push([barrel, name, this.ofModule(helper)])
    }
    return [own, ...unasked]
  }
}

const isLeftBehind = /(?:^|\/)(?:\.DS_Store|\.git|__pycache__)(?:\/|$)/u

/** What lies where the data are or beside them: path from the project -> content. */
const disk = (world: World): ReadonlyMap<string, string> =>
  new Map([
    ...world.lake,
    ...Array.from(world.files, ([name, content]) => [`${world.dataFolder}/${name}`, content] as const)
  ])

type Found = { readonly kind: "file" | "folder"; readonly at: string } | undefined

/** What the link at `at` leads to in truth, through others. */
const follow = (all: ReadonlyMap<string, string>, at: string, hops = 0): Found => {
  const content = all.get(at)
  if (content?.startsWith(linkMark)) {
    const next = path.posix.join(path.posix.dirname(at), content.slice(linkMark.length))
    return hops > 9 ? undefined : follow(all, next.replace(/\/$/u, ""), hops + 1)
  }
  if (content !== undefined) return { kind: "file", at }
  const isFolder = Array.from(all.keys()).some((each) => each.startsWith(`${at}/`))
  return isFolder ? { kind: "folder", at } : undefined
}

const namesIn = (all: ReadonlyMap<string, string>, folder: string): ReadonlyArray<string> => {
  const below = Array.from(all.keys()).filter((each) => each.startsWith(`${folder}/`))
  return Array.from(new Set(below.map((each) => each.slice(folder.length + 1).split("/")[0]!))).sort()
}

/** All entries of the data, links followed, as stages see them and as they count. */
export const entriesOf = (world: World): ReadonlyArray<Value> => {
  const all = disk(world)
  const entries: Array<Value> = []
  const visit = (folder: string, shown: string, around: ReadonlyArray<string>): void => {
    for (const name of namesIn(all, folder)) {
      const at = path.posix.join(shown, name)
      const found = follow(all, `${folder}/${name}`)
      const isAround =
        found?.kind === "folder" && around.some((each) => each === found.at || each.startsWith(`${found.at}/`))
      if (isLeftBehind.test(at)) continue
      if (found === undefined || isAround)
        entries.push([at, "link", all.get(`${folder}/${name}`)!.slice(linkMark.length)])
      else if (found.kind === "file")
        entries.push([at, "file", all.get(found.at)!, Number(world.executable.has(found.at))])
      else {
        entries.push([at, "folder"])
        visit(found.at, at, [...around, found.at])
      }
    }
  }
  visit(world.dataFolder, "", [world.dataFolder])
  return entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
}

/** The text of a document that a step makes. */
const documentOf = (value: string, command: { readonly swapped: boolean } | undefined): string => {
  if (command === undefined) return `${JSON.stringify({ value, by: "module" }, null, 2)}\n`
  return `${JSON.stringify(command.swapped ? { by: "command", value } : { value, by: "command" })}\n`
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** The parameter of a stage. Of every other one the pipeline takes a part from the environment. */
export const paramOf = ({ stages, environment }: Pick<World, "stages" | "environment">, index: number): number =>
  stages[index]!.param + (index % 2 === 0 ? 0 : environment.asked)

/** What the step of the stage `index` depends on besides other steps: as it computes with it, or as it counts. */
const own = (world: World, index: number, as: "value" | "key"): string => {
  const { command, usesEngine, readsSource } = world.stages[index]!
  const param = paramOf(world, index)
  if (command !== undefined) {
    const isExecutable = world.executable.has(script)
    if (as === "value") return `${param}\n${world.script.number}\n${world.program.number}\n${isExecutable ? "x\n" : ""}`
    const { remark, swapped } = command
    return JSON.stringify(["command", `s${index}`, param, remark, swapped, world.script, world.program, isExecutable])
  }
  const module = new Collection(world, as).ofStage(`s${index}.ts`)
  return JSON.stringify([module, param, usesEngine ? world.engine : null, readsSource ? entriesOf(world) : []])
}

export interface Expected {
  /** The text of the document. */
  readonly fine: string
  readonly coarse: string
  /** What the step depends on besides other steps. */
  readonly own: string
  /** Everything that the step was made from: one text for one key. */
  readonly ingredients: string
}

/** By step id. */
export type Oracle = ReadonlyMap<string, Expected>

/** What a clean run gives. */
export const expected = (world: World): Oracle => {
  const values: Array<Expected> = []
  for (const [index, { inputs, command }] of world.stages.entries()) {
    const read = inputs.map(({ stage, output }) => [`s${stage}${output}`, values[stage]![output]] as const)
    const computed = own(world, index, "value")
    const digest = sha256(
      command === undefined ? JSON.stringify([computed, ...read]) : computed + read.map(([, text]) => text).join("")
    )
    const counted = own(world, index, "key")
    values.push({
      fine: documentOf(digest, command),
      coarse: documentOf(String(Number.parseInt(digest.slice(0, 1), 16) % 2), command),
      own: counted,
      ingredients: JSON.stringify([counted, ...read])
    })
  }
  return new Map(values.map((value, index) => [`s${index}`, value]))
}
