/**
 * Packages: the identity of what a module imports by a bare name.
 *
 * A package counts by name, version and the lockfile's integrity (of one from git, by where it was resolved to), together
 * with all that it depends on in turn: an upgrade two levels down may change a result as surely as one at the top. What is
 * read is what lies in `node_modules`. Where a name alone does not tell which package is meant, it is told who imports which.
 *
 * A package that is linked from elsewhere (a workspace, `npm link`) is worked on and keeps its version meanwhile, and a folder
 * without a `package.json` has none: these count by the content of their folders.
 *
 * Gotchas:
 * - What a package imports without naming it in its `package.json` is not seen.
 */
import { isBuiltin } from "node:module"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../identity/Digest.ts"
import { Disk, type DiskError, orAbsent } from "../store/Disk.ts"
import * as Framework from "./Framework.ts"

type Json = Readonly<Record<string, unknown>>

/** Decoded by hand: there are hundreds of these files, of which a few fields count, and a Schema takes longer than reading them. */
const parseRecord = (text: string): Json | undefined => {
  try {
    return recordOf(JSON.parse(text))
  } catch {
    return undefined
  }
}

const recordOf = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined

const stringOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

/** The name that the text of a `package.json` gives. */
export const nameIn = (manifest: string): Option.Option<string> =>
  Option.fromUndefinedOr(stringOf(parseRecord(manifest)?.["name"]))

/** Package name -> `version integrity`; several installed versions of one name are joined by `, `. */
export type PackageVersions = Readonly<Record<string, string>>

/** `@scope/name/deep/path` -> `@scope/name`; undefined for what Node brings itself. */
export const packageName = (specifier: string): string | undefined => {
  if (isBuiltin(specifier)) return undefined
  const parts = specifier.split("/")
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]
}

interface Installed {
  /** Where it lies, and not the link to it. */
  readonly folder: string
  readonly name: string
  readonly version: string
  readonly identity: string
  readonly dependencies: ReadonlyArray<string>
  /** Of one that counts by its content: its files. */
  readonly files: ReadonlyMap<string, Digest.Digest> | undefined
}

/** What is imported, by the names it is imported by; undefined is not installed. */
type Uses = ReadonlyMap<string, Installed | undefined>

interface Wired {
  readonly own: Installed
  readonly dependencies: Uses
}

/** What was collected for one identity. */
export interface Collected {
  /** By folder. */
  readonly packages: Map<string, Wired>
  /** What modules import, by their labels. */
  readonly imports: Map<string, Map<string, Installed | undefined>>
  /** The files of packages that count by their content. */
  readonly files: Map<string, Digest.Digest>
  /** Whether a module imports op-pipe, which counts by its format tag. */
  hasFramework: boolean
}

export const nothing = (): Collected => ({
  hasFramework: false,
  packages: new Map(),
  imports: new Map(),
  files: new Map()
})

const below = `${path.sep}node_modules${path.sep}`

/** Every file below `folder`, also behind links, with its digest; without `node_modules` and what begins with a dot. */
const filesBelow = Effect.fnUntraced(function* (folder: string, digestOf: DigestOf) {
  const disk = yield* Disk
  const files = new Map<string, Digest.Digest>()
  const visited = new Set<string>()
  const visit: (at: string) => Effect.Effect<void, DiskError> = Effect.fnUntraced(function* (at) {
    const real = yield* disk.realPath(at)
    // links may lead in a circle
    if (visited.has(real)) return
    visited.add(real)
    for (const { name } of yield* disk.list(at)) {
      if (name === "node_modules" || name.startsWith(".")) continue
      const file = path.join(at, name)
      const stat = yield* orAbsent(disk.stat(file))
      if (Option.isNone(stat)) continue
      if (stat.value.kind === "folder") yield* visit(file)
      else if (stat.value.kind === "file") files.set(file, yield* digestOf(file))
    }
  })
  yield* visit(folder)
  return files
})

const contentOf = (folder: string, files: ReadonlyMap<string, Digest.Digest>): Digest.Digest =>
  Digest.ofJson(
    "Package/v1",
    Array.from(files, ([file, digest]) => [path.relative(folder, file).split(path.sep).join("/"), digest])
  )

type DigestOf = (file: string) => Effect.Effect<Digest.Digest, DiskError>

/** Finds packages as Node does, and remembers them for the time of one run. */
export const makeResolver = Effect.fnUntraced(function* (digestOf: DigestOf) {
  const disk = yield* Disk
  const installed = new Map<string, Installed | undefined>()
  /** By folder of a package: what it depends on, by the names it imports it by. */
  const dependencies = new Map<string, Uses>()
  /** By folder of a package: it and all it depends on. */
  const closures = new Map<string, ReadonlySet<Installed>>()
  const lockfiles = new Map<string, Json>()
  /** Folder -> whether it has a `node_modules`: most have none, and then nothing in it need be looked for. */
  const holding = new Map<string, boolean>()

  const lockfile = Effect.fnUntraced(function* (root: string) {
    const known = lockfiles.get(root)
    if (known !== undefined) return known
    const text = yield* orAbsent(disk.readText(path.join(root, "node_modules", ".package-lock.json")))
    const lock = Option.isNone(text) ? undefined : parseRecord(text.value)
    const packages = recordOf(lock?.["packages"]) ?? {}
    lockfiles.set(root, packages)
    return packages
  })

  /** What is said of the package in `folder`: what its content is, or else where it came from, as a commit of git (by pnpm in its path). */
  const lockedAs = Effect.fnUntraced(function* (folder: string) {
    const root = folder.slice(0, folder.indexOf(below))
    const locked = recordOf((yield* lockfile(root))[path.relative(root, folder).split(path.sep).join("/")])
    const [, inStore] = /[\\/]node_modules[\\/]\.pnpm[\\/]([^\\/]+)[\\/]/u.exec(folder) ?? []
    return stringOf(locked?.["integrity"]) ?? stringOf(locked?.["resolved"]) ?? inStore
  })

  const isLinked = Effect.fnUntraced(function* (at: string) {
    const scope = path.dirname(at)
    const ways = path.basename(scope).startsWith("@") ? [at, scope] : [at]
    for (const each of ways) if ((yield* disk.lstat(each)).kind === "link") return true
    return false
  })

  const read = Effect.fnUntraced(function* (at: string) {
    // most of the places that Node would look at have nothing, and an error for each would cost more than all the reading
    if (!(yield* disk.exists(at))) return undefined
    const stat = yield* orAbsent(disk.stat(at))
    if (Option.isNone(stat) || stat.value.kind !== "folder") return undefined
    const file = path.join(at, "package.json")
    const manifest = (yield* disk.exists(file)) ? parseRecord(yield* disk.readText(file)) : undefined
    const folder = (yield* isLinked(at)) ? yield* disk.realPath(at) : at
    const version = stringOf(manifest?.["version"]) ?? "no version"
    const isCounted = manifest !== undefined && folder.includes(below)
    const files = isCounted ? undefined : yield* Effect.provideService(filesBelow(folder, digestOf), Disk, disk)
    // what npm leaves of a package that is gone: Node goes on looking
    if (manifest === undefined && files?.size === 0) return undefined
    const content = files === undefined ? yield* lockedAs(folder) : `content ${contentOf(folder, files)}`
    const found: Installed = {
      folder,
      name: stringOf(manifest?.["name"]) ?? path.basename(at),
      version,
      identity: content === undefined ? version : `${version} ${content}`,
      dependencies: Object.keys({
        ...recordOf(manifest?.["peerDependencies"]),
        ...recordOf(manifest?.["optionalDependencies"]),
        ...recordOf(manifest?.["dependencies"])
      })
        .filter((name) => name !== Framework.packageName)
        .sort(),
      files
    }
    return found
  })

  const readInstalled = Effect.fnUntraced(function* (at: string) {
    if (installed.has(at)) return installed.get(at)
    const found = yield* read(at)
    installed.set(at, found)
    return found
  })

  const holdsPackages = Effect.fnUntraced(function* (folder: string) {
    const known = holding.get(folder)
    if (known !== undefined) return known
    const holds = path.basename(folder) !== "node_modules" && (yield* disk.exists(path.join(folder, "node_modules")))
    holding.set(folder, holds)
    return holds
  })

  const find = Effect.fnUntraced(function* (name: string, from: string) {
    for (let folder = from; ; folder = path.dirname(folder)) {
      if (yield* holdsPackages(folder)) {
        const found = yield* readInstalled(path.join(folder, "node_modules", name))
        if (found !== undefined) return found
      }
      if (folder === path.dirname(folder)) return undefined
    }
  })

  const dependenciesOf = Effect.fnUntraced(function* (of: Installed) {
    const known = dependencies.get(of.folder)
    if (known !== undefined) return known
    const all = new Map<string, Installed | undefined>()
    // optional and peer dependencies may be absent
    for (const name of of.dependencies) all.set(name, yield* find(name, of.folder))
    dependencies.set(of.folder, all)
    return all
  })

  const closureOf = Effect.fnUntraced(function* (first: Installed) {
    const known = closures.get(first.folder)
    if (known !== undefined) return known
    const closure = new Set([first])
    for (const next of closure) {
      for (const found of (yield* dependenciesOf(next)).values()) if (found !== undefined) closure.add(found)
    }
    closures.set(first.folder, closure)
    return closure
  })

  /** Adds what the module called `by`, in the folder `from`, imports as `name`, and all that depends on, to `into`; undefined when it is not installed. */
  const collect = Effect.fnUntraced(function* (name: string, by: string, from: string, into: Collected) {
    const near = yield* find(name, from)
    const used = near ?? (name === Framework.peer ? yield* find(name, Framework.root) : undefined)
    into.imports.set(by, (into.imports.get(by) ?? new Map()).set(name, used))
    if (used === undefined) return undefined
    for (const each of yield* closureOf(used)) {
      if (into.packages.has(each.folder)) continue
      into.packages.set(each.folder, { own: each, dependencies: yield* dependenciesOf(each) })
      for (const [file, digest] of each.files ?? []) into.files.set(file, digest)
    }
    return used
  })
  return { collect }
})

const grouped = <A>(all: Iterable<A>, by: (each: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const each of all) groups.set(by(each), [...(groups.get(by(each)) ?? []), each])
  return groups
}

/**
 * A text for each package, by folder: the same for two that are alike in themselves and in all that they depend on. Told by
 * what they are, and by what they use, and what that uses, until that tells no more of them apart (colour refinement).
 */
const kindsOf = ({ packages }: Collected): ReadonlyMap<string, string> => {
  let kinds = new Map(Array.from(packages, ([folder, { own }]) => [folder, `${own.name} ${own.identity}`]))
  const names = new Set(Array.from(packages.values(), ({ own }) => own.name))
  // where no two have one name, nothing else need tell them apart
  for (let told = names.size === kinds.size ? kinds.size : 0; told < new Set(kinds.values()).size; ) {
    told = new Set(kinds.values()).size
    const before = kinds
    const kindOf = (folder: string, { dependencies }: Wired): Digest.Digest => {
      const used = Array.from(dependencies, ([name, each]) => [name, before.get(each?.folder ?? "") ?? ""])
      const sorted = used.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1))
      return Digest.ofJson("Kind/v1", [before.get(folder) ?? "", ...sorted])
    }
    kinds = new Map(Array.from(packages, ([folder, wired]) => [folder, kindOf(folder, wired)]))
  }
  return kinds
}

/**
 * The collected identities as a plain record, sorted: by name what is called so, several joined by `, `. Where a name
 * does not tell which package is meant, also who imports which.
 */
export const toVersions = (collected: Collected): PackageVersions => {
  const { packages, imports } = collected
  const kinds = kindsOf(collected)
  const all = Array.from(packages.values(), ({ own }) => own)
  const kindsAmong = (some: ReadonlyArray<Installed> = []): number =>
    new Set(some.map((each) => kinds.get(each.folder))).size
  const byIdentity = grouped(all, (each) => `${each.name} ${each.identity}`)
  /** Tells those apart that differ in nothing but what they depend on. */
  const mark = (each: Installed): string =>
    kindsAmong(byIdentity.get(`${each.name} ${each.identity}`)) === 1 ? "" : ` #${kinds.get(each.folder)?.slice(0, 12)}`
  const users: ReadonlyArray<readonly [by: string, uses: Uses]> = [
    ...Array.from(imports, ([by, uses]) => [`in ${by}`, uses] as const),
    ...Array.from(packages.values(), ({ own, dependencies }) => {
      return [`of ${own.name} ${own.version}${mark(own)}`, dependencies] as const
    })
  ]
  const uses = users.flatMap(([by, used]) => Array.from(used, ([name, each]) => ({ by, name, used: each })))
  const missed = new Set(uses.flatMap(({ name, used }) => (used === undefined ? [name] : [])))
  const byName = grouped(all, (each) => each.name)
  const tellsAll = (name: string): boolean => kindsAmong(byName.get(name)) === 1 && !missed.has(name)

  const told = new Map(Array.from(byName, ([name, some]) => [name, new Set(some.map((each) => each.identity))]))
  const tell = (name: string, text: string): void => {
    told.set(name, (told.get(name) ?? new Set()).add(text))
  }
  for (const { by, name, used } of uses) {
    if (used === undefined) {
      if (byName.has(name)) tell(`${name} (${by})`, "not installed")
    } else if (name !== used.name || !tellsAll(name)) {
      tell(`${name} (${by})`, `${used.name} ${used.identity}${mark(used)}`)
    }
  }
  // of packages that is nothing new: there are many that only other systems need
  for (const names of imports.values()) {
    for (const [name, used] of names) if (used === undefined && !byName.has(name)) tell(name, "not installed")
  }
  if (collected.hasFramework) told.set(Framework.packageName, new Set([Framework.stageFormat]))
  const entries = Array.from(told, ([name, texts]) => [name, Array.from(texts).sort().join(", ")] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
