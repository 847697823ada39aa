/**
 * Packages: the identity of what a module imports by a bare name.
 *
 * A package counts by name, version and the lockfile's integrity, together with all that it depends on in turn: an
 * upgrade two levels down may change a result as surely as one at the top. What is read is what lies in `node_modules`.
 */
import { isBuiltin } from "node:module"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk, orAbsent } from "../store/Disk.ts"

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
  readonly folder: string
  readonly name: string
  readonly identity: string
  readonly dependencies: ReadonlyArray<string>
}

/** Finds packages as Node does, and remembers them for the time of one run. */
export const makeResolver = Effect.gen(function* () {
  const disk = yield* Disk
  const installed = new Map<string, Installed | undefined>()
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

  const readInstalled = Effect.fnUntraced(function* (folder: string) {
    if (installed.has(folder)) return installed.get(folder)
    const file = path.join(folder, "package.json")
    // most of the places that Node would look at have nothing, and an error for each would cost more than all the reading
    const manifest = (yield* disk.exists(file)) ? parseRecord(yield* disk.readText(file)) : undefined
    let found: Installed | undefined
    if (manifest !== undefined) {
      const root = folder.slice(0, folder.indexOf(`${path.sep}node_modules${path.sep}`))
      const locked = (yield* lockfile(root))[path.relative(root, folder).split(path.sep).join("/")]
      const integrity = stringOf(recordOf(locked)?.["integrity"])
      const { dependencies, optionalDependencies, peerDependencies, version, name } = manifest
      found = {
        folder,
        name: stringOf(name) ?? path.basename(folder),
        identity: `${stringOf(version) ?? "no version"}${integrity === undefined ? "" : ` ${integrity}`}`,
        dependencies: Object.keys({
          ...recordOf(peerDependencies),
          ...recordOf(optionalDependencies),
          ...recordOf(dependencies)
        }).sort()
      }
    }
    installed.set(folder, found)
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

  const closureOf = Effect.fnUntraced(function* (first: Installed) {
    const known = closures.get(first.folder)
    if (known !== undefined) return known
    const closure = new Set([first])
    for (const next of closure) {
      for (const dependency of next.dependencies) {
        // Optional and peer dependencies may be absent; then they cannot play a part.
        const found = yield* find(dependency, next.folder)
        if (found !== undefined) closure.add(found)
      }
    }
    closures.set(first.folder, closure)
    return closure
  })

  /** Adds `name` as seen from the folder `from`, and all it depends on, to `into`; false when it is not installed. */
  const collect = Effect.fnUntraced(function* (name: string, from: string, into: Map<string, Set<string>>) {
    const first = yield* find(name, from)
    if (first === undefined) return false
    for (const each of yield* closureOf(first)) {
      into.set(each.name, (into.get(each.name) ?? new Set()).add(each.identity))
    }
    return true
  })
  return { collect }
})

/** The collected identities as a plain record, sorted. */
export const toVersions = (collected: ReadonlyMap<string, ReadonlySet<string>>): PackageVersions =>
  Object.fromEntries(
    Array.from(collected, ([name, versions]) => [name, Array.from(versions).sort().join(", ")] as const).sort(
      ([a], [b]) => (a < b ? -1 : 1)
    )
  )
