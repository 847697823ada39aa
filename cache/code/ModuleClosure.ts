/**
 * ModuleClosure: all modules and packages that a stage's module reaches.
 *
 * It follows relative imports from the stage's module. Of a module that only re-exports, only the requested re-exports
 * count: a stage that imports `normalize` from an index does not depend on its neighbours.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { orderOfStatements } from "../identity/CacheKey.ts"
import * as Digest from "../identity/Digest.ts"
import type { DiskError } from "../store/Disk.ts"
import { CodeUnknown } from "./CodeFingerprint.ts"
import * as Framework from "./Framework.ts"
import type { ModuleFiles } from "./ModuleFiles.ts"
import type * as ModuleSyntax from "./ModuleSyntax.ts"
import * as Packages from "./Packages.ts"

/** The names that are imported from a module. */
interface Wanted {
  readonly file: string
  readonly names: "all" | ReadonlyArray<string>
}

const wants = (names: Wanted["names"], offered: "all" | ReadonlyArray<string>): boolean =>
  names === "all" || offered === "all" || offered.some((name) => names.includes(name))

/** The names to import from the target of a re-export. */
const passOn = (
  names: Wanted["names"],
  reexport: NonNullable<ModuleSyntax.Declaration["reexport"]>
): Wanted["names"] => {
  const { offers, from } = reexport
  if (names === "all" || from.names === "all") return offers === "all" && names !== "all" ? names : "all"
  const local = from.names
  return offers === "all" ? names : local.filter((_, index) => names.includes(offers[index] ?? ""))
}

const unique = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? name : `${name} (${count})`
  })
}

const titlesOf = (syntax: ModuleSyntax.ModuleSyntax): ReadonlyArray<string> =>
  unique(syntax.declarations.map((each) => each.name))

/** The order of those `statements` of a module that are evaluated in sequence, if there are several. */
const orderIn = (syntax: ModuleSyntax.ModuleSyntax, statements: object): Readonly<Record<string, Digest.Digest>> => {
  const ordered = titlesOf(syntax).filter(
    (title, index) => title in statements && syntax.declarations[index]?.hoisted !== true
  )
  return ordered.length < 2 ? {} : { [orderOfStatements]: Digest.ofJson("Order/v1", ordered) }
}

const relativePath = (from: string, to: string): string => path.relative(from, to).split(path.sep).join("/")

/**
 * Labels of the modules of one closure: a module's path in the stage's package or, if a link led out of that, the name
 * of the other package and the path in it. If two packages have the same name, or none, the relative path distinguishes
 * the second module.
 */
const makeLabels = (modules: ModuleFiles, root: string) => {
  const taken = new Map<string, string>()
  return Effect.fnUntraced(function* (file: string) {
    const isInside = file.startsWith(root + path.sep)
    const folder = isInside ? root : yield* modules.packageRoot(file)
    const at = relativePath(folder, file)
    const label = isInside ? at : `${yield* modules.packageName(folder)}:${at}`
    const owner = taken.get(label) ?? file
    taken.set(label, owner)
    return owner === file ? label : `${label} (${relativePath(root, file)})`
  })
}

/** Where modules and packages are looked up. */
export interface Lookup {
  readonly modules: ModuleFiles
  readonly packages: Packages.Resolver
}

export interface Closure {
  readonly files: Map<string, Digest.Digest>
  /** By label: title of a statement -> its digest. */
  readonly modules: Map<string, Record<string, string>>
  readonly collected: Packages.Collected
}

interface Exploration extends Closure, Pick<Lookup, "packages"> {
  readonly lookup: ModuleFiles
  /** The folder of the stage's package. */
  readonly root: string
  readonly label: ReturnType<typeof makeLabels>
  readonly queue: Array<Wanted>
  readonly done: Set<string>
}

/** Adds the package that the module `from`, with the label `by`, imports. */
const followPackage = Effect.fnUntraced(function* (
  { lookup, packages, root, collected }: Exploration,
  from: string,
  by: string,
  specifier: string
) {
  const name = Packages.packageName(specifier)
  if (name === undefined) return
  if (name === Framework.packageName && name !== (yield* lookup.packageName(root))) {
    collected.hasFramework = true
    return
  }
  const refuse = (problem: string) => new CodeUnknown({ file: from, reason: `${problem}. Import by a relative path` })
  if (name.startsWith("#") || name === "" || name.includes(":")) {
    return yield* refuse(`imports such as "${specifier}" are not followed`)
  }
  if (name === (yield* lookup.packageName(yield* lookup.packageRoot(from)))) {
    return yield* refuse(`"${specifier}" is its own package, of which imports by name are not followed`)
  }
  const found = yield* packages.collect(name, by, path.dirname(from), collected)
  if (found !== undefined && `${root}${path.sep}`.startsWith(`${found.folder}${path.sep}`)) {
    return yield* refuse(`"${specifier}" leads to a folder that the stage lies in`)
  }
})

/** Follows one import of the module `from`, whose `statements` are being collected. */
const follow = Effect.fnUntraced(function* (
  exploration: Exploration,
  from: string,
  statements: Record<string, string>,
  target: ModuleSyntax.ModuleImport,
  names: Wanted["names"]
) {
  const { collected, label, lookup, queue } = exploration
  const { specifier } = target
  if (!specifier.startsWith(".")) return yield* followPackage(exploration, from, yield* label(from), specifier)
  const file = yield* lookup.resolve(specifier, from)
  if (Framework.isFramework(file)) {
    collected.hasFramework = true
    return
  }
  // the specifier names the file, unless a link or a missing extension stands between
  if (file !== path.resolve(path.dirname(from), specifier)) {
    statements[`target of "${specifier}"`] = yield* label(file)
  }
  queue.push({ file, names })
})

/** Collects the requested statements of one module, and follows its imports. */
const visit = Effect.fnUntraced(function* (exploration: Exploration, { file, names }: Wanted, start: string) {
  const { done, files, label, lookup, modules } = exploration
  const name = yield* label(file)
  const { digest, syntax } = yield* lookup.look(file)
  files.set(file, digest)
  const narrow = syntax.barrel ? names : "all"
  const mark = `${name}\0${narrow === "all" ? "*" : narrow.join(",")}`
  if (done.has(mark)) return
  done.add(mark)
  const titles = titlesOf(syntax)
  // without this entry, two stages of one name in modules that import each other would be equal
  const statements = modules.get(name) ?? (file === start ? { "the stage": "in this module" } : {})
  modules.set(name, statements)
  for (const [index, declaration] of syntax.declarations.entries()) {
    const { reexport } = declaration
    if (reexport !== undefined && !wants(narrow, reexport.offers)) continue
    statements[titles[index]!] = declaration.digest
    if (syntax.barrel && reexport !== undefined) {
      yield* follow(exploration, file, statements, reexport.from, passOn(narrow, reexport))
    }
  }
  Object.assign(statements, orderIn(syntax, statements))
  if (!syntax.barrel) {
    for (const target of syntax.imports) yield* follow(exploration, file, statements, target, target.names)
  }
})

/** Follows imports from the stage's module at `start`. */
export const explore = Effect.fnUntraced(function* (
  { modules: lookup, packages }: Lookup,
  start: string
): Effect.fn.Return<Closure, CodeUnknown | DiskError> {
  const root = yield* lookup.packageRoot(start)
  const exploration: Exploration = {
    lookup,
    packages,
    root,
    label: makeLabels(lookup, root),
    queue: [{ file: start, names: "all" }],
    done: new Set(),
    files: new Map(),
    modules: new Map(),
    collected: Packages.nothing()
  }
  const { queue } = exploration
  for (let wanted = queue.pop(); wanted !== undefined; wanted = queue.pop()) yield* visit(exploration, wanted, start)
  return exploration
})

/** All modules that Node loads with `files`: a re-exporting module loads all of its targets. */
export const loadedWith = Effect.fnUntraced(function* (lookup: ModuleFiles, files: Iterable<string>) {
  const loaded = new Set(files)
  for (const file of loaded) {
    const { syntax } = yield* lookup.look(file)
    const reexported = syntax.declarations.flatMap(({ reexport }) => (reexport === undefined ? [] : [reexport.from]))
    for (const { specifier } of [...syntax.imports, ...reexported]) {
      if (!specifier.startsWith(".")) continue
      const target = yield* lookup.resolve(specifier, file)
      if (!Framework.isFramework(target)) loaded.add(target)
    }
  }
  return loaded
})
