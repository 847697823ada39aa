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
import * as Schema from "effect/Schema"
import { Disk, orAbsent } from "../store/Disk.ts"

const PackageJson = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.optionalKey(Schema.String),
    version: Schema.optionalKey(Schema.String),
    dependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    optionalDependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    peerDependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  })
)
const Lockfile = Schema.fromJsonString(
  Schema.Struct({
    packages: Schema.Record(Schema.String, Schema.Struct({ integrity: Schema.optionalKey(Schema.String) }))
  })
)

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
  const lockfiles = new Map<string, Readonly<Record<string, { readonly integrity?: string }>>>()

  const lockfile = Effect.fnUntraced(function* (root: string) {
    const known = lockfiles.get(root)
    if (known !== undefined) return known
    const text = yield* orAbsent(disk.readText(path.join(root, "node_modules", ".package-lock.json")))
    const decoded = Option.flatMap(text, Schema.decodeUnknownOption(Lockfile))
    const packages: Readonly<Record<string, { readonly integrity?: string }>> = Option.isNone(decoded)
      ? {}
      : decoded.value.packages
    lockfiles.set(root, packages)
    return packages
  })

  const readInstalled = Effect.fnUntraced(function* (folder: string) {
    if (installed.has(folder)) return installed.get(folder)
    const text = yield* orAbsent(disk.readText(path.join(folder, "package.json")))
    const manifest = Option.getOrUndefined(Option.flatMap(text, Schema.decodeUnknownOption(PackageJson)))
    let found: Installed | undefined
    if (manifest !== undefined) {
      const root = folder.slice(0, folder.indexOf(`${path.sep}node_modules${path.sep}`))
      const integrity = (yield* lockfile(root))[path.relative(root, folder).split(path.sep).join("/")]?.integrity
      const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifest
      found = {
        folder,
        name: manifest.name ?? path.basename(folder),
        identity: `${manifest.version ?? "no version"}${integrity === undefined ? "" : ` ${integrity}`}`,
        dependencies: Object.keys({ ...peerDependencies, ...optionalDependencies, ...dependencies }).sort()
      }
    }
    installed.set(folder, found)
    return found
  })

  const find = Effect.fnUntraced(function* (name: string, from: string) {
    for (let folder = from; ; folder = path.dirname(folder)) {
      if (path.basename(folder) !== "node_modules") {
        const found = yield* readInstalled(path.join(folder, "node_modules", name))
        if (found !== undefined) return found
      }
      if (folder === path.dirname(folder)) return undefined
    }
  })

  /** Adds `name` as seen from the folder `from`, and all it depends on, to `into`; false when it is not installed. */
  const collect = Effect.fnUntraced(function* (name: string, from: string, into: Map<string, Set<string>>) {
    const first = yield* find(name, from)
    if (first === undefined) return false
    const queue = [first]
    const seen = new Set<string>()
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      if (seen.has(next.folder)) continue
      seen.add(next.folder)
      into.set(next.name, (into.get(next.name) ?? new Set()).add(next.identity))
      for (const dependency of next.dependencies) {
        // Optional and peer dependencies may be absent; then they cannot play a part.
        const found = yield* find(dependency, next.folder)
        if (found !== undefined) queue.push(found)
      }
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
