/**
 * ModuleClosure: all modules and packages that a stage's module reaches.
 *
 * It follows imports from the stage's module. Of a module that only re-exports, only the requested re-exports count, and
 * those whose loading does something: a stage that imports `normalize` from an index does not depend on its neighbours
 * if these only declare.
 */
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import { orderOfStatements } from "../identity/CacheKey.ts"
import * as Digest from "../identity/Digest.ts"
import type { DiskError } from "../store/Disk.ts"
import { CodeUnknown } from "./CodeFingerprint.ts"
import * as Framework from "./Framework.ts"
import { type ModuleFiles, moduleExtensions } from "./ModuleFiles.ts"
import * as Packages from "./Packages.ts"
import type { ModuleImport, Way } from "./syntax/ModuleImports.ts"
import type * as ModuleSyntax from "./syntax/ModuleSyntax.ts"

/** The names that are imported from a module. */
interface Wanted {
  readonly file: string
  /** None: the module is only loaded. */
  readonly names: "all" | ReadonlyArray<string>
  /** Node itself loads it, and what it imports. */
  readonly isNative: boolean
}

const wants = (names: Wanted["names"], offered: "all" | ReadonlyArray<string>): boolean =>
  names === "all" ||
  (offered === "all" && names.length > 0) ||
  (offered !== "all" && offered.some((name) => names.includes(name)))

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
  /** Files that modules may read: absolute path -> SHA-256. */
  readonly data: Map<string, Digest.Digest>
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
  /** The files of modules that only declare, with all that they load. */
  readonly inert: Set<string>
}

/** Adds the package that the module `from` imports. */
const followPackage = Effect.fnUntraced(function* (
  { label, lookup, packages, root, collected }: Exploration,
  from: string,
  specifier: string,
  { name, folder }: { readonly name: string; readonly folder: string }
) {
  const by = yield* label(from)
  if (name === Framework.packageName && name !== (yield* lookup.packageName(root))) {
    collected.hasFramework = true
    return
  }
  const refuse = (problem: string) => new CodeUnknown({ file: from, reason: `${problem}. Import by a relative path` })
  if (name === "" || name.includes(":")) return yield* refuse(`imports such as "${specifier}" are not followed`)
  if (name === (yield* lookup.packageName(yield* lookup.packageRoot(from)))) {
    return yield* refuse(`"${specifier}" is its own package, of which imports by name are not followed`)
  }
  const found = yield* packages.collect(name, by, folder, collected)
  if (found !== undefined && `${root}${path.sep}`.startsWith(`${found.folder}${path.sep}`)) {
    return yield* refuse(`"${specifier}" leads to a folder that the stage lies in`)
  }
})

/** How Node looks for what is asked for so, if it is Node that looks. */
const nativeWay = (by: Way | undefined, isNative: boolean): "import" | "require" | undefined => {
  if (by === "native" || by === "path" || (by === "require" && isNative)) return "require"
  return by === "worker" || by === "url" || isNative ? "import" : undefined
}

const asked = ({ specifier, by }: ModuleImport, isNative: boolean) => {
  const native = nativeWay(by, isNative)
  return { specifier, isRequired: by === "require" || native === "require", native }
}

/**
 * Counts the file that `from` may read: by its bytes, whatever it is. If it is a module, it may be loaded too. Where there is none, a file
 * that comes later is noticed.
 */
const followFile = Effect.fnUntraced(function* (
  { data, lookup, queue }: Exploration,
  statements: Record<string, string>,
  specifier: string,
  file: string
) {
  const digest = yield* lookup.digest(file)
  statements[`file "${specifier}"`] = digest ?? "not there"
  if (digest === undefined) return
  data.set(file, digest)
  if (moduleExtensions.has(path.extname(file)) && !file.endsWith(".json"))
    queue.push({ file, names: "all", isNative: true })
})

/** The path of a URL beside the module `from`. */
const beside = (from: string, specifier: string): string => fileURLToPath(new URL(specifier, pathToFileURL(from)))

/** Follows one import of the module `from`, whose `statements` are being collected. */
const follow = Effect.fnUntraced(function* (
  exploration: Exploration,
  { file: from, isNative }: Wanted,
  statements: Record<string, string>,
  target: ModuleImport,
  names: Wanted["names"]
) {
  const { collected, label, lookup, queue } = exploration
  const { specifier, by } = target
  if (path.isAbsolute(specifier)) {
    const reason = `imports such as "${specifier}" are not followed. Import by a relative path`
    return yield* new CodeUnknown({ file: from, reason })
  }
  if (by === "url") return yield* followFile(exploration, statements, specifier, beside(from, specifier))
  const found = yield* lookup.resolve(
    asked(by === "worker" ? { ...target, specifier: beside(from, specifier) } : target, isNative),
    from
  )
  if (found.type === "builtin") return
  if (found.type === "missing") return yield* yield* lookup.missing(specifier, from, found.problem)
  if (found.type === "package") return yield* followPackage(exploration, from, specifier, found)
  const { file } = found
  if (Framework.isFramework(file)) {
    collected.hasFramework = true
    return
  }
  if (by === "path" || file.endsWith(".node")) return yield* followFile(exploration, statements, specifier, file)
  // the specifier names the file, unless a link, another ending or a configuration stands between
  if (file !== path.resolve(path.dirname(from), specifier)) {
    statements[`target of "${specifier}"`] = yield* label(file)
  }
  queue.push({ file, names, isNative: nativeWay(by, isNative) !== undefined })
})

/** Collects the requested statements of one module, and follows its imports. */
const visit = Effect.fnUntraced(function* (exploration: Exploration, wanted: Wanted, start: string) {
  const { done, files, label, lookup, modules } = exploration
  const { file, names, isNative } = wanted
  const name = yield* label(file)
  const { digest, syntax } = yield* lookup.look(file)
  files.set(file, digest)
  const narrow = syntax.barrel && !isNative ? names : "all"
  const mark = `${name}\0${isNative}\0${narrow === "all" ? "*" : narrow.join(",")}`
  if (done.has(mark)) return
  done.add(mark)
  const titles = titlesOf(syntax)
  // without this entry, two stages of one name in modules that import each other would be equal
  const statements = modules.get(name) ?? (file === start ? { "the stage": "in this module" } : {})
  modules.set(name, statements)
  if (syntax.ownText) statements["its own text"] = digest
  for (const [index, declaration] of syntax.declarations.entries()) {
    const { reexport } = declaration
    const isAsked = reexport === undefined || wants(narrow, reexport.offers)
    // what is not asked for is loaded all the same
    if (!isAsked && (yield* isInert(exploration, file, reexport.from))) continue
    statements[titles[index]!] = declaration.digest
    if (syntax.barrel && reexport !== undefined) {
      yield* follow(exploration, wanted, statements, reexport.from, isAsked ? passOn(narrow, reexport) : [])
    }
  }
  Object.assign(statements, orderIn(syntax, statements))
  if (!syntax.barrel) {
    for (const target of syntax.imports) yield* follow(exploration, wanted, statements, target, target.names)
  }
})

/** The module that `from` loads by `target`, if it is one of the project's. */
const loadedBy = Effect.fnUntraced(function* ({ lookup }: Exploration, from: string, target: ModuleImport) {
  const found = yield* lookup.resolve(asked(target, false), from)
  if (found.type === "missing") return "missing"
  return found.type === "file" && !Framework.isFramework(found.file) ? found : undefined
})

/**
 * Whether nothing happens when the module `from` loads `target`, and all that this loads, but that things are declared.
 * Packages are taken to be so.
 */
const isInert = Effect.fnUntraced(function* (exploration: Exploration, from: string, target: ModuleImport) {
  const { inert, lookup } = exploration
  const reached = new Set<string>()
  const queue = [{ from, target }]
  for (const { from, target } of queue) {
    if (target.forEffect === true) return false
    const found = yield* loadedBy(exploration, from, target)
    if (found === "missing") return false
    if (found === undefined || inert.has(found.file) || reached.has(found.file)) continue
    const { syntax } = yield* lookup.look(found.file)
    if (!syntax.inert) return false
    reached.add(found.file)
    for (const each of syntax.imports) if (each.by === undefined) queue.push({ from: found.file, target: each })
  }
  // modules that import each other are so together or not at all
  for (const file of reached) inert.add(file)
  return true
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
    queue: [{ file: start, names: "all", isNative: false }],
    done: new Set(),
    inert: new Set(),
    files: new Map(),
    data: new Map(),
    modules: new Map(),
    collected: Packages.nothing()
  }
  const { queue } = exploration
  for (let wanted = queue.pop(); wanted !== undefined; wanted = queue.pop()) yield* visit(exploration, wanted, start)
  return exploration
})

/**
 * All modules that are loaded with `files`, and where the packages that they import are found: a re-exporting module loads all of its
 * targets, whatever is asked of it.
 */
export const loadedWith = Effect.fnUntraced(function* ({ modules, packages }: Lookup, files: Iterable<string>) {
  const loaded = new Set(files)
  const collected = Packages.nothing()
  for (const file of loaded) {
    const { syntax } = yield* modules.look(file)
    for (const target of syntax.imports) {
      // what Node itself loads was followed already
      if (target.by !== undefined && target.by !== "require") continue
      const found = yield* modules.resolve(asked(target, false), file)
      if (found.type === "file" && !Framework.isFramework(found.file)) loaded.add(found.file)
      if (found.type === "package") yield* packages.collect(found.name, file, found.folder, collected)
    }
  }
  return { modules: loaded, packages: collected.places }
})
