/**
 * Packages: the packages that modules import by a bare name, as they are installed.
 *
 * A package counts by its name, version and the lockfile's integrity (a package from git by its resolved commit),
 * together with all its dependencies: an upgrade two levels down may change a result as surely as one at the top. The
 * installed packages count, in `node_modules`.
 *
 * All others count by the content of their folders: a package that is linked from elsewhere (a workspace, `npm link`)
 * changes without a new version, and so does one that no lockfile vouches for, since it was copied into `node_modules`
 * or comes from a file.
 *
 * Gotchas:
 * - An edit inside of an installed package that a lockfile vouches for goes unnoticed: to look at all files of all
 *   packages takes too long.
 * - An import of a package that its `package.json` does not name goes unnoticed; behind walls it is not found.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../identity/Digest.ts"
import { Disk, type DiskError, orAbsent } from "../store/Disk.ts"
import * as LeftBehind from "../store/tree/LeftBehind.ts"
import * as Framework from "./Framework.ts"
import { once } from "./Once.ts"

type Json = Readonly<Record<string, unknown>>

/**
 * Decoded by hand: there are hundreds of these files with a few relevant fields, and a Schema takes longer than reading
 * them.
 */
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

/** The name in the text of a `package.json`. */
export const nameIn = (manifest: string): Option.Option<string> =>
  Option.fromUndefinedOr(stringOf(parseRecord(manifest)?.["name"]))

/** An installed package. */
export interface Installed {
  /** Its real folder, not a link to it. */
  readonly folder: string
  /** Where Node finds it: the folder, or a link to it. */
  readonly at: string
  readonly name: string
  readonly version: string
  readonly identity: string
  readonly dependencies: ReadonlyArray<string>
  /** The files of a package that counts by its content. */
  readonly files: ReadonlyMap<string, Digest.Digest> | undefined
}

/** Imported packages by import name; undefined for what is not installed. */
export type Uses = ReadonlyMap<string, Installed | undefined>

export interface Wired {
  readonly own: Installed
  readonly dependencies: Uses
}

/** What was collected for one fingerprint. */
export interface Collected {
  /** By folder. */
  readonly packages: Map<string, Wired>
  /** The imports of each module, by the module's label. */
  readonly imports: Map<string, Map<string, Installed | undefined>>
  /** The files of packages that count by their content. */
  readonly files: Map<string, Digest.Digest>
  /** Where Node finds them. */
  readonly places: Set<string>
  /** Whether a module imports op-pipe, which counts by its format tag. */
  hasFramework: boolean
}

export const nothing = (): Collected => ({
  hasFramework: false,
  packages: new Map(),
  imports: new Map(),
  files: new Map(),
  places: new Set()
})

export const below = `${path.sep}node_modules${path.sep}`

/** What tools keep for themselves in the folder of a package that they work on: no module imports it, and each build changes it. */
const toolCaches = new Set([".cache", ".turbo", ".nx", ".parcel-cache", ".eslintcache"])

/** Whether a file or folder of a package is no part of its content, by its name. Others count, hidden ones too: code is generated into such. */
const isApart = (name: string): boolean => name === "node_modules" || toolCaches.has(name) || LeftBehind.is(name)

/** Every file below `folder` that is part of a package's content, following links, with its digest. */
const filesBelow = Effect.fnUntraced(function* (folder: string, digestOf: DigestOf) {
  const disk = yield* Disk
  const files = new Map<string, Digest.Digest>()
  const visited = new Set<string>()
  const visit: (at: string) => Effect.Effect<void, DiskError> = Effect.fnUntraced(function* (at) {
    const real = yield* disk.realPath(at)
    // links may be circular
    if (visited.has(real)) return
    visited.add(real)
    for (const { name } of yield* disk.list(at)) {
      if (isApart(name)) continue
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

/** The commit, in the origin of a package from git. */
const commitIn = (resolved: string | undefined): string | undefined =>
  resolved !== undefined && /#[0-9a-f]{40,64}$/u.test(resolved) ? resolved : undefined

/** Whether a package of pnpm's store comes from a file: its folder's name holds the file's path and not its content. */
const isFromFile = (inStore: string): boolean => /@(file|link)[+:]/u.test(inStore)

/**
 * Makes the lookup of what vouches for the content of a package's folder: its integrity in npm's lockfile, or its
 * commit; in pnpm's store the folder's name, which has the version or the commit. undefined if nothing does.
 */
const makeLocks = (disk: Disk["Service"]) => {
  const lockfile = once(
    (root: string) => root,
    Effect.fnUntraced(function* (root: string) {
      const text = yield* orAbsent(disk.readText(path.join(root, "node_modules", ".package-lock.json")))
      const lock = Option.isNone(text) ? undefined : parseRecord(text.value)
      return recordOf(lock?.["packages"]) ?? {}
    })
  )
  return Effect.fnUntraced(function* (folder: string) {
    const root = folder.slice(0, folder.indexOf(below))
    const locked = recordOf((yield* lockfile(root))[path.relative(root, folder).split(path.sep).join("/")])
    const [, inStore] = /[\\/]node_modules[\\/]\.pnpm[\\/]([^\\/]+)[\\/]/u.exec(folder) ?? []
    const commit = commitIn(stringOf(locked?.["resolved"]))
    return (
      stringOf(locked?.["integrity"]) ?? commit ?? (inStore === undefined || isFromFile(inStore) ? undefined : inStore)
    )
  })
}

/** Whether the package at `at`, or the folder of its scope, is a link. */
const isLinked = Effect.fnUntraced(function* (disk: Disk["Service"], at: string) {
  const scope = path.dirname(at)
  const ways = path.basename(scope).startsWith("@") ? [at, scope] : [at]
  for (const each of ways) if ((yield* disk.lstat(each)).kind === "link") return true
  return false
})

const dependenciesIn = (manifest: Json | undefined): ReadonlyArray<string> =>
  Object.keys({
    ...recordOf(manifest?.["peerDependencies"]),
    ...recordOf(manifest?.["optionalDependencies"]),
    ...recordOf(manifest?.["dependencies"])
  })
    .filter((name) => name !== Framework.packageName)
    .sort()

/** Makes the reader of the package at a path where Node would look for one; undefined if there is none. */
const makeReader = (disk: Disk["Service"], digestOf: DigestOf) => {
  const lockedAs = makeLocks(disk)
  return Effect.fnUntraced(function* (at: string) {
    // most of the paths that Node would look at do not exist, and an error for each would cost more than all the
    // reading
    if (!(yield* disk.exists(at))) return undefined
    const stat = yield* orAbsent(disk.stat(at))
    if (Option.isNone(stat) || stat.value.kind !== "folder") return undefined
    const file = path.join(at, "package.json")
    const manifest = (yield* disk.exists(file)) ? parseRecord(yield* disk.readText(file)) : undefined
    const folder = (yield* isLinked(disk, at)) ? yield* disk.realPath(at) : at
    const version = stringOf(manifest?.["version"]) ?? "no version"
    const locked = manifest !== undefined && folder.includes(below) ? yield* lockedAs(folder) : undefined
    const files =
      locked === undefined ? yield* Effect.provideService(filesBelow(folder, digestOf), Disk, disk) : undefined
    // an empty folder that npm left of a removed package: Node goes on looking
    if (manifest === undefined && files?.size === 0) return undefined
    const content = files === undefined ? locked : `content ${contentOf(folder, files)}`
    const found: Installed = {
      folder,
      at,
      name: stringOf(manifest?.["name"]) ?? path.basename(at),
      version,
      identity: `${version} ${content}`,
      dependencies: dependenciesIn(manifest),
      files
    }
    return found
  })
}

/** Makes the lookup of the package that a name means in a folder, as Node resolves it. */
const makeFind = (disk: Disk["Service"], digestOf: DigestOf) => {
  const installed = once((at: string) => at, makeReader(disk, digestOf))
  // most folders have no `node_modules`
  const holdsPackages = once(
    (folder: string) => folder,
    (folder) =>
      path.basename(folder) === "node_modules" ? Effect.succeed(false) : disk.exists(path.join(folder, "node_modules"))
  )
  return Effect.fnUntraced(function* (name: string, from: string) {
    for (let folder = from; ; folder = path.dirname(folder)) {
      if (yield* holdsPackages(folder)) {
        const found = yield* installed(path.join(folder, "node_modules", name))
        if (found !== undefined) return found
      }
      if (folder === path.dirname(folder)) return undefined
    }
  })
}

export interface Resolver {
  /**
   * Adds the package that the module labelled `by`, in the folder `from`, imports as `name`, and all its dependencies,
   * to `into`; undefined if it is not installed.
   */
  readonly collect: (
    name: string,
    by: string,
    from: string,
    into: Collected
  ) => Effect.Effect<Installed | undefined, DiskError>
}

/** Finds packages as Node does, and remembers them for the time of one run. */
export const makeResolver = Effect.fnUntraced(function* (digestOf: DigestOf) {
  const find = makeFind(yield* Disk, digestOf)
  const folderOf = ({ folder }: Installed): string => folder

  /** The dependencies of a package, by name. */
  const dependenciesOf = once(
    folderOf,
    Effect.fnUntraced(function* (of: Installed) {
      const all = new Map<string, Installed | undefined>()
      // optional and peer dependencies may be absent
      for (const name of of.dependencies) all.set(name, yield* find(name, of.folder))
      return all
    })
  )

  /** A package and all its dependencies. */
  const closureOf = once(
    folderOf,
    Effect.fnUntraced(function* (first: Installed) {
      const closure = new Set([first])
      for (const next of closure) {
        for (const found of (yield* dependenciesOf(next)).values()) if (found !== undefined) closure.add(found)
      }
      return closure
    })
  )

  const collect: Resolver["collect"] = Effect.fnUntraced(function* (name, by, from, into) {
    const near = yield* find(name, from)
    const used = near ?? (name === Framework.peer ? yield* find(name, Framework.root) : undefined)
    into.imports.set(by, (into.imports.get(by) ?? new Map()).set(name, used))
    if (used === undefined) return undefined
    into.places.add(used.at)
    for (const each of yield* closureOf(used)) {
      into.places.add(each.at)
      if (into.packages.has(each.folder)) continue
      into.packages.set(each.folder, { own: each, dependencies: yield* dependenciesOf(each) })
      for (const [file, digest] of each.files ?? []) into.files.set(file, digest)
    }
    return used
  })
  return { collect } satisfies Resolver
})
