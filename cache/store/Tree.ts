/**
 * Tree: a folder as a value: the sorted list of all entries below it.
 *
 * One flat list and not a tree of trees: with the stat memo, unchanged files are not read, so nesting would save only
 * the digest of the list, which takes little beside the stats of its files.
 *
 * Gotchas:
 * - In an output, links are kept as links. In a source, a link counts as the file or folder that it leads to, wherever
 *   that lies, unless the source keeps links. A link that leads nowhere, or to a folder that it lies in itself, at any
 *   height, counts by its own text.
 * - Sockets, devices and pipes have no content and are an error.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../identity/Digest.ts"
import { figureCount, figuresOf, isSame as isSameFile, writeFigures } from "../identity/FileStat.cjs"
import { Disk, DiskError, type InspectedEntry, join, kindInWords, orAbsent, type Stat, type SyncDisk } from "./Disk.ts"
import { type StatMemo, settle } from "./StatMemo.ts"
import * as SourceLink from "./tree/SourceLink.ts"

export type TreeEntry =
  | {
      readonly kind: "file"
      readonly path: string
      readonly digest: Digest.Digest
      readonly sizeBytes: number
      /** Permission bits, at most `keptMode`; of a source, whether its owner may execute it (all three bits for that) and nothing else. */
      readonly mode: number
    }
  | {
      readonly kind: "folder"
      readonly path: string
      /** Permission bits, of a folder in an output; the owner's own are always set, or it could not be replaced. */
      readonly mode?: number
    }
  | { readonly kind: "link"; readonly path: string; readonly target: string; readonly digest: Digest.Digest | null }
export type Tree = ReadonlyArray<TreeEntry>

/** The permissions that an output keeps: others than its owner may read and execute it, not write to it. */
const keptMode = 0o755
const isMode = (mode: unknown): boolean => Number.isSafeInteger(mode) && (Number(mode) & ~keptMode) === 0

const isEntry = (value: unknown): value is TreeEntry => {
  if (typeof value !== "object" || value === null) return false
  const { kind, path, digest, sizeBytes, mode, target } = value as Readonly<Record<string, unknown>>
  if (typeof path !== "string") return false
  switch (kind) {
    case "file":
      return Digest.isDigest(digest) && Number.isSafeInteger(sizeBytes) && Number(sizeBytes) >= 0 && isMode(mode)
    case "folder":
      return mode === undefined || isMode(mode)
    case "link":
      return typeof target === "string" && (digest === null || Digest.isDigest(digest))
    default:
      return false
  }
}

/** Checked by hand and not by a Schema: a folder may have a hundred thousand entries. */
export const isTree = (value: unknown): value is Tree => Array.isArray(value) && value.every(isEntry)
export const Tree = Schema.declare(isTree)

/** The canonical JSON of an entry, as `CanonicalJson` would write it, in a fraction of the time. */
const canonical = (entry: TreeEntry): string => {
  switch (entry.kind) {
    case "file":
      return `{"digest":"${entry.digest}","kind":"file","mode":${entry.mode},"path":${JSON.stringify(entry.path)},"sizeBytes":${entry.sizeBytes}}`
    case "folder":
      return `{"kind":"folder",${entry.mode === undefined ? "" : `"mode":${entry.mode},`}"path":${JSON.stringify(entry.path)}}`
    case "link":
      return `{"digest":${JSON.stringify(entry.digest)},"kind":"link","path":${JSON.stringify(entry.path)},"target":${JSON.stringify(entry.target)}}`
  }
}

export const digest = (tree: Tree): Digest.Digest => Digest.ofCanonical("Tree/v1", `[${tree.map(canonical).join(",")}]`)

/** Whether two entries are the same; a folder of unknown mode equals one of any mode. */
export const isSameEntry = (a: TreeEntry, b: TreeEntry): boolean =>
  a.kind === "folder" && b.kind === "folder"
    ? a.path === b.path && (a.mode === undefined || b.mode === undefined || a.mode === b.mode)
    : canonical(a) === canonical(b)

/** Whether two trees have the same entries; a folder of unknown mode equals one of any mode. */
export const isSame = (a: Tree, b: Tree): boolean =>
  a.length === b.length && a.every((entry, index) => isSameEntry(entry, b[index]!))

/** The mode of a file that a step makes and does not change. */
const ordinaryMode = 0o644

/** The digest of a file in an output as the next step finds it, whose copy has its mode. */
export const fileDigest = (content: Digest.Digest, mode: number): Digest.Digest =>
  mode === ordinaryMode ? content : Digest.ofJson("File/v1", [content, mode])

interface Listing {
  /** Relative to the tree's root; empty for the root itself. */
  readonly folder: string
  /** The folder's own stat, taken before it was listed; the root of an output has none. */
  readonly stat: Stat | undefined
  readonly children: ReadonlyArray<InspectedEntry>
}

const inFolder = (folder: string, name: string): string => (folder === "" ? name : `${folder}/${name}`)

export interface SnapshotOptions {
  readonly ignore: (path: string) => boolean
  readonly of: "source" | "output"
  /** In a source, whether links count as what they lead to (as if not said) or as themselves. */
  readonly links?: "follow" | "keep"
  /** Gives the owner all permissions on folders: files could not be moved out of others. */
  readonly unlock?: boolean
}

interface Walked {
  readonly listings: ReadonlyArray<Listing>
  /** What was left out. */
  readonly ignored: ReadonlyArray<string>
  /** Those that were followed, outer ones first. */
  readonly links: ReadonlyArray<SourceLink.SourceLink>
  /** The real path of its root. */
  readonly real: string
}

/** Where a link leads in truth; undefined if it leads nowhere, or in a circle of links. */
const leadsTo = Effect.fnUntraced(function* (link: string) {
  const disk = yield* Disk
  const target = yield* orAbsent(disk.realPath(link)).pipe(
    Effect.catchIf(
      ({ code }) => code === "ELOOP",
      () => Effect.succeed(Option.none<string>())
    )
  )
  return Option.getOrUndefined(target)
})

/** What is known of a walk so far. */
interface Walking extends Walked {
  readonly listings: Array<Listing>
  readonly ignored: Array<string>
  readonly links: Array<SourceLink.SourceLink>
}

/**
 * What counts in place of the link called `name`. It lies in the last of the folders `around` it, all by their real
 * paths.
 */
const follow = Effect.fnUntraced(function* (
  { links }: Walking,
  at: string,
  name: string,
  around: ReadonlyArray<string>
) {
  const disk = yield* Disk
  const folder = around.at(-1)!
  const link = `${folder}${path.sep}${name}`
  const target = yield* disk.readLink(link)
  const real = yield* leadsTo(link)
  if (real === undefined || around.some((each) => SourceLink.isIn(each, real)))
    return { name, kind: "link", stat: undefined, real: link } as const
  const stat = yield* disk.lstat(real)
  links.push({ path: at, target, leadsTo: path.resolve(folder, target), real, kind: stat.kind })
  return { name, kind: stat.kind, stat, real }
})

/** The stat of a file of the user's, which is made readable to him if it is not. */
export const unlocked = Effect.fnUntraced(function* (file: string, stat: Stat) {
  if ((stat.mode & 0o400) !== 0) return stat
  const disk = yield* Disk
  yield* disk.setMode(file, (stat.mode & keptMode) | 0o400)
  return yield* disk.lstat(file)
})

/** The folders below `root` with their entries, outer folders first. */
const walk = Effect.fnUntraced(function* (root: string, options: SnapshotOptions) {
  const { ignore, of, links = "follow", unlock = false } = options
  const disk = yield* Disk
  const real = of === "source" ? yield* disk.realPath(root) : root
  const walking: Walking = { listings: [], ignored: [], links: [], real }
  /** `around` are the real paths of the folders where links were followed, from the outermost on, and of this one. */
  const visit: (
    folder: string,
    stat: Stat | undefined,
    around: ReadonlyArray<string>
  ) => Effect.Effect<void, DiskError, Disk> = Effect.fnUntraced(function* (folder, stat, around) {
    const location = join(root, folder)
    if (unlock && stat !== undefined && (stat.mode & 0o700) !== 0o700) yield* disk.setMode(location, folderMode(stat))
    const children: Array<InspectedEntry> = []
    const folders: Array<readonly [at: string, stat: Stat | undefined, around: ReadonlyArray<string>]> = []
    for (const entry of yield* disk.listFiles(location)) {
      const at = inFolder(folder, entry.name)
      if (ignore(at)) walking.ignored.push(at)
      else if (entry.kind === "link" && of === "source" && links === "follow") {
        const { real, ...found } = yield* follow(walking, at, entry.name, around)
        children.push(found)
        if (found.kind === "folder") folders.push([at, found.stat, [...around, real]])
      } else {
        const isFile = entry.kind === "file" && entry.stat !== undefined
        children.push(
          unlock && isFile ? { ...entry, stat: yield* unlocked(join(location, entry.name), entry.stat) } : entry
        )
        if (entry.kind === "folder")
          folders.push([at, entry.stat, [...around.slice(0, -1), `${around.at(-1)}${path.sep}${entry.name}`]])
      }
    }
    walking.listings.push({ folder, stat, children })
    for (const each of folders) yield* visit(...each)
  })
  yield* visit("", of === "source" || unlock ? yield* disk.stat(root) : undefined, [real])
  return walking as Walked
})

/** The mode of a file in an output. */
export const fileMode = (stat: Stat): number => stat.mode & keptMode

/** The mode of a folder in an output: the owner's own permissions are always set. */
export const folderMode = (stat: Stat | undefined): number => ((stat?.mode ?? 0) & keptMode) | 0o700

/** Of a file in a source, whether it may be executed counts: scripts are called by their path. */
const modeOf = (of: SnapshotOptions["of"], stat: Stat): number =>
  of === "output" ? fileMode(stat) : (stat.mode & 0o100) === 0 ? 0 : 0o111

const inOrder = (entries: Array<TreeEntry>): Tree => entries.sort((a, b) => (a.path < b.path ? -1 : 1))

const entriesOf = Effect.fnUntraced(function* (
  root: string,
  listings: ReadonlyArray<Listing>,
  memo: StatMemo,
  of: SnapshotOptions["of"]
) {
  const disk = yield* Disk
  const entries: Array<TreeEntry> = []
  for (const { folder, children } of listings) {
    const absolute = join(root, folder)
    const known = memo.within(absolute)
    for (const { name, kind, stat } of children) {
      const at = inFolder(folder, name)
      const file = `${absolute}${path.sep}${name}`
      if (kind === "file" && stat !== undefined) {
        const digest = known?.known(name, stat) ?? (yield* memo.digest(file, stat))
        entries.push({ kind, path: at, digest, sizeBytes: stat.sizeBytes, mode: modeOf(of, stat) })
      } else if (kind === "folder") {
        entries.push(of === "source" ? { kind, path: at } : { kind, path: at, mode: folderMode(stat) })
      } else if (kind === "link") {
        entries.push({ kind, path: at, target: yield* disk.readLink(file), digest: null })
      } else {
        const then = of === "source" ? ". Remove it, or leave it out: `ignore` of its source" : ""
        const reason = `expected a file, a folder or a link, but found ${kindInWords.other}${then}`
        return yield* new DiskError({ operation: "read", path: file, code: "EFTYPE", reason })
      }
    }
  }
  return inOrder(entries)
})

/** The snapshot of an output, if it is known without reading a file; undefined if it is not, or without `root`. */
export const known = (root: string, memo: StatMemo, sync: SyncDisk): Tree | undefined => {
  const entries: Array<TreeEntry> = []
  const isKnown = (folder: string): boolean => {
    const absolute = folder === "" ? root : join(root, folder)
    const digests = memo.within(absolute)
    const children = sync.files(absolute)
    if (children === undefined) return false
    for (const { name, kind, stat } of children) {
      const at = inFolder(folder, name)
      if (kind === "folder") {
        entries.push({ kind, path: at, mode: folderMode(stat) })
        if (!isKnown(at)) return false
      } else if (kind === "link") {
        const target = sync.target(`${absolute}${path.sep}${name}`)
        if (target === undefined) return false
        entries.push({ kind, path: at, target, digest: null })
      } else {
        const digest = stat === undefined ? undefined : digests?.known(name, stat)
        if (stat === undefined || digest === undefined) return false
        entries.push({ kind: "file", path: at, digest, sizeBytes: stat.sizeBytes, mode: fileMode(stat) })
      }
    }
    return true
  }
  return isKnown("") ? inOrder(entries) : undefined
}

/**
 * All entries below `root` except those that `ignore` names; digests come from the memo where it is valid. Paths have
 * forward slashes.
 */
export const snapshot = Effect.fnUntraced(function* (root: string, memo: StatMemo, options: SnapshotOptions) {
  return yield* entriesOf(root, (yield* walk(root, options)).listings, memo, options.of)
})

const filesOf = ({ children }: Listing): ReadonlyArray<InspectedEntry> =>
  children.filter(({ kind }) => kind !== "folder")

/** Whether each folder holds exactly its known files, unchanged, and folders. */
const isAsKnown = (root: string, listings: ReadonlyArray<Listing>, memo: StatMemo): boolean =>
  listings.every((listing) => {
    const files = filesOf(listing)
    return memo.within(join(root, listing.folder))?.isExactly(files) ?? files.length === 0
  })

/** The tree of a source: its digest, and its entries on demand. */
export interface SourceTree {
  readonly digest: Digest.Digest
  readonly tree: Effect.Effect<Tree, DiskError, Disk>
  /** Each folder with its own stat and those of its files, as they were when it was listed. */
  readonly seen: ReadonlyArray<Listing>
  /** What lies below it and does not count. */
  readonly ignored: ReadonlyArray<string>
  readonly links: ReadonlyArray<SourceLink.SourceLink>
  /** Its real path. */
  readonly real: string
}

/** The tree of a source that is one file. */
export const ofFile = (path: string, content: Digest.Digest, stat: Stat): SourceTree => {
  const tree: Tree = [{ kind: "file", path, digest: content, sizeBytes: stat.sizeBytes, mode: modeOf("source", stat) }]
  const seen = [{ folder: "", stat: undefined, children: [{ name: path, kind: "file", stat } as const] }]
  return { digest: digest(tree), tree: Effect.succeed(tree), seen, ignored: [], links: [], real: "" }
}

/**
 * Whether nothing was written to a source between two snapshots of it. Equal content is not enough, since it may have
 * been different in between: a file that was edited and restored has a later ctime, and so has a folder whose entries
 * changed.
 */
export const isUntouched = (before: SourceTree, now: SourceTree): boolean =>
  before.digest === now.digest &&
  before.seen.length === now.seen.length &&
  before.seen.every(({ folder, stat, children }, index) => {
    const other = now.seen[index]!
    return (
      folder === other.folder &&
      isSameFile(stat, other.stat) &&
      children.length === other.children.length &&
      children.every(({ name, kind, stat }, at) => {
        const child = other.children[at]!
        return name === child.name && kind === child.kind && (kind === "folder" || isSameFile(stat, child.stat))
      })
    )
  })

/** Path -> the text of its stat, for each entry and, with a slash at the end, each folder. */
const statsOf = ({ seen }: SourceTree): ReadonlyMap<string, string> =>
  new Map(
    seen.flatMap(({ folder, stat, children }) => [
      [`${folder}/`, JSON.stringify(figuresOf(stat))] as const,
      ...children
        .filter(({ kind }) => kind !== "folder")
        .map((each) => [inFolder(folder, each.name), JSON.stringify([each.kind, figuresOf(each.stat)])] as const)
    ])
  )

/** The entries that were added, removed or written to between two snapshots of a source; folders if no file was. */
export const touched = (before: SourceTree, now: SourceTree): ReadonlyArray<string> => {
  const [old, young] = [statsOf(before), statsOf(now)]
  const paths = Array.from(new Set([...old.keys(), ...young.keys()])).filter(
    (each) => old.get(each) !== young.get(each)
  )
  const files = paths.filter((each) => !each.endsWith("/"))
  return files.length > 0 ? files : paths.filter((each) => each !== "/")
}

/**
 * One digest of all that `isUntouched` compares: a source is untouched between two snapshots with the same digest. It
 * covers each folder's path, the kinds and names of its entries, ended by NUL, and the figures of its own stat and of
 * all entries but folders.
 */
export const statDigest = ({ digest, seen }: SourceTree): Digest.Digest => {
  const state = Digest.incremental()
  state.update(Buffer.from(digest))
  for (const { folder, stat, children } of seen) {
    state.update(Buffer.from(`${folder}\0${children.map(({ kind, name }) => `${kind}/${name}\0`).join("")}\0`))
    const stats = [stat, ...children.flatMap((child) => (child.kind === "folder" ? [] : [child.stat]))]
    const figures = new Float64Array(figureCount * stats.length)
    stats.forEach((each, at) => {
      if (each !== undefined) writeFigures(figures, figureCount * at, each)
    })
    state.update(new Uint8Array(figures.buffer))
  }
  return state.digest()
}

/** The source below `root`. If it is unchanged, the list of its files is neither made nor digested. */
export const source = Effect.fnUntraced(function* (root: string, memo: StatMemo, options: Omit<SnapshotOptions, "of">) {
  const { listings, ignored, links, real } = yield* walk(root, { ...options, of: "source" })
  const tree = entriesOf(root, listings, memo, "source")
  const folders = listings.map(({ folder }) => folder)
  const before = memo.tree(root)
  const isSameShape =
    before?.folders.length === folders.length && before.folders.every((folder, index) => folder === folders[index])
  if (before !== undefined && isSameShape && isAsKnown(root, listings, memo))
    return { digest: before.digest, tree, seen: listings, ignored, links, real } satisfies SourceTree
  const files = listings.map((each) => [join(root, each.folder), filesOf(each)] as const)
  yield* settle(memo, files)
  for (const [folder, some] of files) memo.keepOnly(folder, some)
  const made = yield* tree
  const found: SourceTree = { digest: digest(made), tree: Effect.succeed(made), seen: listings, ignored, links, real }
  if (isAsKnown(root, listings, memo)) memo.noteTree(root, { folders, digest: found.digest })
  return found
})
