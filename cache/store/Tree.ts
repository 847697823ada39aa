/**
 * Tree: a folder as a value, namely the sorted list of what lies below it.
 *
 * One flat list and not a tree of trees: the stat memo already spares unchanged files the reading, so nesting would save
 * nothing but the digesting of the list itself, which is little beside the stats of its files.
 *
 * Gotchas:
 * - Links are kept as links. In a source, a link that points inside the folder also counts by the content of its target;
 *   one that leaves it counts by its target's name only and is never followed.
 * - Sockets, devices and pipes have no content and are an error.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../identity/Digest.ts"
import { Disk, DiskError, orAbsent } from "./Disk.ts"
import type { StatMemo } from "./StatMemo.ts"

export const TreeEntry = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("file"),
    path: Schema.String,
    digest: Digest.Digest,
    sizeBytes: Schema.Int,
    /** Permission bits; 0 in the snapshot of a source, where they do not count. */
    mode: Schema.Int
  }),
  Schema.Struct({ kind: Schema.Literal("folder"), path: Schema.String }),
  Schema.Struct({
    kind: Schema.Literal("link"),
    path: Schema.String,
    target: Schema.String,
    digest: Schema.NullOr(Digest.Digest)
  })
])
export type TreeEntry = typeof TreeEntry.Type
export const Tree = Schema.Array(TreeEntry)
export type Tree = typeof Tree.Type

export const digest = (tree: Tree): Digest.Digest => Digest.ofJson("Tree/v1", tree)

/** The tree of a source that is one file. */
export const ofFile = (path: string, digest: Digest.Digest, sizeBytes: number): Tree => [
  { kind: "file", path, digest, sizeBytes, mode: 0 }
]

/** Everything below `root` that `ignore` does not name, by the memo where it can be trusted. Paths have forward slashes. */
export const snapshot = Effect.fnUntraced(function* (
  root: string,
  memo: StatMemo,
  options: { readonly ignore: (path: string) => boolean; readonly of: "source" | "output" }
) {
  const disk = yield* Disk
  const real = yield* disk.realPath(root)
  const entries: Array<TreeEntry> = []

  const linkDigest = Effect.fnUntraced(function* (absolute: string) {
    if (options.of === "output") return null
    // A link in a circle leads nowhere, as one to what is not there.
    const target = yield* orAbsent(disk.realPath(absolute)).pipe(
      Effect.catchIf(
        (error) => error.code === "ELOOP",
        () => Effect.succeed(Option.none<string>())
      )
    )
    if (Option.isNone(target) || !target.value.startsWith(real + path.sep)) return null
    const stat = yield* disk.lstat(target.value)
    return stat.kind === "file" ? yield* memo.digest(target.value, stat) : null
  })

  const visit: (absolute: string, relative: string) => Effect.Effect<void, DiskError, Disk> = Effect.fnUntraced(
    function* (absolute, relative) {
      for (const child of yield* disk.listFiles(absolute)) {
        const at = relative === "" ? child.name : `${relative}/${child.name}`
        if (options.ignore(at)) continue
        const file = `${absolute}${path.sep}${child.name}`
        if (child.kind === "folder") {
          entries.push({ kind: "folder", path: at })
          yield* visit(file, at)
        } else if (child.kind === "link") {
          entries.push({ kind: "link", path: at, target: yield* disk.readLink(file), digest: yield* linkDigest(file) })
        } else if (child.stat !== undefined) {
          const { stat } = child
          const digest = memo.known(file, stat) ?? (yield* memo.digest(file, stat))
          const mode = options.of === "output" ? stat.mode : 0
          entries.push({ kind: "file", path: at, digest, sizeBytes: stat.sizeBytes, mode })
        } else {
          return yield* new DiskError({
            operation: "take in",
            path: file,
            code: "ENOTSUP",
            reason: "it is neither a file, a folder nor a link"
          })
        }
      }
    }
  )
  yield* visit(real, "")
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1)) as Tree
})

const list = (verb: string, paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  paths.length === 0
    ? []
    : [`${paths.length} ${verb} (${paths.slice(0, 3).join(", ")}${paths.length > 3 ? ", ..." : ""})`]

/** `2 added (a/1.png, a/2.png), 1 changed (b/3.png)`; a file that moved with its content unchanged is `renamed`. */
export const describeChange = (before: Tree, after: Tree): string => {
  const identity = (entry: TreeEntry): string => JSON.stringify(entry)
  const old = new Map(before.map((entry) => [entry.path, entry]))
  const now = new Map(after.map((entry) => [entry.path, entry]))
  const added = after.filter((entry) => !old.has(entry.path))
  const removed = before.filter((entry) => !now.has(entry.path))
  const changed = after.filter((entry) => old.has(entry.path) && identity(old.get(entry.path)!) !== identity(entry))
  const renamed = added.flatMap((entry) => {
    const from = removed.find((gone) => entry.kind === "file" && gone.kind === "file" && gone.digest === entry.digest)
    return from === undefined ? [] : [{ from: from.path, to: entry.path }]
  })
  const moved = new Set(renamed.flatMap((each) => [each.from, each.to]))
  const rest = (entries: Tree): ReadonlyArray<string> =>
    entries.map((each) => each.path).filter((each) => !moved.has(each))
  return [
    ...list("added", rest(added)),
    ...list("removed", rest(removed)),
    ...list("changed", rest(changed)),
    ...list(
      "renamed",
      renamed.map((each) => `${each.from} -> ${each.to}`)
    )
  ].join(", ")
}
