/**
 * StatMemo: the digest of a file without reading it, while its stat says that it is the same.
 *
 * An entry is trusted while the file is the same by its stat, and is made only of a file that was old enough to be told so
 * (FileStat). The memo is a hint: lost or torn, everything is hashed again and nothing else happens.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Digest from "../identity/Digest.ts"
import { isRacy } from "../identity/FileStat.cjs"
import { readRecordBytes, writeHint } from "./Commit.ts"
import { Disk, type DiskError, type InspectedEntry, type Stat } from "./Disk.ts"
import { decode, encode, FolderMemo, type Memo, type TreeMemo } from "./FolderMemo.ts"
import type { Layout } from "./Layout.ts"

export interface StatMemo {
  /** What is known of the files in `folder`, if anything is. */
  readonly within: (folder: string) => FolderMemo | undefined
  /** The digest of the tree at `root`, for as long as each of its folders holds exactly what is known of it. */
  readonly tree: (root: string) => TreeMemo | undefined
  /** Drops what is known of other files in `folder`: they are gone. */
  readonly keepOnly: (folder: string, files: ReadonlyArray<InspectedEntry>) => void
  readonly noteTree: (root: string, tree: TreeMemo) => void
  /** The digest of the file at `path` (absolute) that has `stat`, if it is known without reading it. */
  readonly known: (path: string, stat: Stat) => Digest.Digest | undefined
  /** The content digest of the file at `path`, which must be absolute. */
  readonly digest: (path: string, stat?: Stat) => Effect.Effect<Digest.Digest, DiskError, Disk>
  /** Drops what is known of `path`, so that it is read next time. */
  readonly forget: (path: string) => void
  /** How many files were read since the start. */
  readonly filesRead: () => number
  /** Writes the memo, if anything is new. */
  readonly flush: Effect.Effect<void, DiskError, Disk>
}

const isIn = (folder: string, root: string): boolean =>
  folder === root || (folder.startsWith(root) && folder[root.length] === path.sep)

/** The folder of a file, and its name in it. */
const split = (file: string): readonly [folder: string, name: string] => {
  const at = file.lastIndexOf(path.sep)
  return [at === 0 ? path.sep : file.slice(0, at), file.slice(at + 1)]
}

/** Loads the memo called `name`. */
export const load = Effect.fnUntraced(function* (layout: Layout, name: string) {
  const disk = yield* Disk
  const body = yield* readRecordBytes(layout.memo(name))
  const { folders, trees } = Option.match(body, {
    onNone: (): Memo => ({ folders: new Map(), trees: new Map() }),
    onSome: decode
  })
  let dirty = false
  let filesRead = 0

  const folderOf = (folder: string): FolderMemo => {
    const found = folders.get(folder) ?? FolderMemo.empty()
    folders.set(folder, found)
    return found
  }

  /** What is known of files in `folder` is another thing now, and so is every tree that it is in. */
  const noteChange = (folder: string): void => {
    dirty = true
    for (const root of trees.keys()) if (isIn(folder, root)) trees.delete(root)
  }

  const digest: StatMemo["digest"] = Effect.fnUntraced(function* (file: string, found?: Stat) {
    const stat = found ?? (yield* disk.stat(file))
    const [at, base] = split(file)
    const folder = folderOf(at)
    const remembered = folder.known(base, stat)
    if (remembered !== undefined) return remembered
    const startedMs = Date.now()
    filesRead++
    const hashed = yield* disk.hash(file)
    if (!isRacy(stat, startedMs)) {
      folder.note(base, stat, hashed.digest)
      noteChange(at)
    } else if (folder.drop(base)) noteChange(at)
    return hashed.digest
  })

  const flush = Effect.suspend(() => {
    if (!dirty) return Effect.void
    dirty = false
    // scratch has another name each time
    for (const known of [folders, trees]) {
      for (const folder of known.keys()) if (isIn(folder, layout.work)) known.delete(folder)
    }
    return writeHint(layout, layout.memo(name), encode({ folders, trees }))
  })

  const memo: StatMemo = {
    within: (folder) => folders.get(folder),
    known: (file, stat) => {
      const [folder, name] = split(file)
      return folders.get(folder)?.known(name, stat)
    },
    keepOnly: (folder, files) => {
      if (folders.get(folder)?.keepOnly(files)) noteChange(folder)
    },
    tree: (root) => trees.get(root),
    noteTree: (root, tree) => {
      trees.set(root, tree)
      dirty = true
    },
    digest,
    forget: (file) => {
      const [folder, name] = split(file)
      if (folders.get(folder)?.drop(name)) noteChange(folder)
    },
    filesRead: () => filesRead,
    flush
  }
  return memo
})
