/**
 * StatMemo: the digest of a file without reading it, while its stat shows that it is the same.
 *
 * An entry is valid while the file is the same by its stat, and is made only for a file that was old enough for its
 * stat to be trusted, on a file system that keeps its times (FileStat). The memo is a hint: if it is lost or torn, everything is hashed again and nothing else
 * happens.
 */
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Digest from "../identity/Digest.ts"
import { isRacy, keepsTimes } from "../identity/FileStat.cjs"
import { readRecordBytes, writeHint } from "./Commit.ts"
import { Disk, type DiskError, type InspectedEntry, type Stat } from "./Disk.ts"
import { decode, encode, FolderMemo, type Memo, type TreeMemo } from "./FolderMemo.ts"
import type { Layout } from "./Layout.ts"

export interface StatMemo {
  /** The known files in `folder`, if there are any. */
  readonly within: (folder: string) => FolderMemo | undefined
  /** The digest of the tree at `root`; valid while each of its folders holds exactly its known files. */
  readonly tree: (root: string) => TreeMemo | undefined
  /** Forgets all other files in `folder`, which no longer exist. */
  readonly keepOnly: (folder: string, files: ReadonlyArray<InspectedEntry>) => void
  readonly noteTree: (root: string, tree: TreeMemo) => void
  /** The digest of the file at `path` (absolute) that has `stat`, if it is known without reading it. */
  readonly known: (path: string, stat: Stat) => Digest.Digest | undefined
  /** The content digest of the file at `path`, which must be absolute. */
  readonly digest: (path: string, stat?: Stat) => Effect.Effect<Digest.Digest, DiskError, Disk>
  /** Forgets `path`, so that it is read next time. */
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

/** The known files and trees, and whether any of them is new. */
class KnownFiles {
  private readonly memo: Memo
  private isNew = false

  constructor(memo: Memo) {
    this.memo = memo
  }

  /** A known file in `folder` changed: every tree around it is no longer known. */
  private noteChange(folder: string): void {
    this.isNew = true
    const { trees } = this.memo
    for (const root of trees.keys()) if (isIn(folder, root)) trees.delete(root)
  }

  within(folder: string): FolderMemo | undefined {
    return this.memo.folders.get(folder)
  }

  known(file: string, stat: Stat): Digest.Digest | undefined {
    const [folder, name] = split(file)
    return this.within(folder)?.known(name, stat)
  }

  note(file: string, stat: Stat, digest: Digest.Digest): void {
    const [folder, name] = split(file)
    const known = this.within(folder) ?? FolderMemo.empty()
    this.memo.folders.set(folder, known)
    known.note(name, stat, digest)
    this.noteChange(folder)
  }

  drop(file: string): void {
    const [folder, name] = split(file)
    if (this.within(folder)?.drop(name)) this.noteChange(folder)
  }

  keepOnly(folder: string, files: ReadonlyArray<InspectedEntry>): void {
    if (this.within(folder)?.keepOnly(files)) this.noteChange(folder)
  }

  tree(root: string): TreeMemo | undefined {
    return this.memo.trees.get(root)
  }

  noteTree(root: string, tree: TreeMemo): void {
    this.memo.trees.set(root, tree)
    this.isNew = true
  }

  /**
   * All that is known outside of `scratch`, whose names never come again; undefined if nothing is new since the last
   * call.
   */
  takeNew(scratch: string): Memo | undefined {
    if (!this.isNew) return undefined
    this.isNew = false
    for (const known of [this.memo.folders, this.memo.trees]) {
      for (const folder of known.keys()) if (isIn(folder, scratch)) known.delete(folder)
    }
    return this.memo
  }
}

/** A page that was written to is on the disk by then: the kernel writes after 30 seconds, and looks every 5. */
const settledMs = 60_000

/**
 * Has unseen changes of these files be seen: of those that are not known and changed so short a time ago that a program
 * may have them mapped, with pages that are not on the disk. To be done after their stats were taken, and before they
 * are read.
 */
export const settle = Effect.fnUntraced(function* (
  memo: StatMemo,
  folders: ReadonlyArray<readonly [folder: string, files: ReadonlyArray<InspectedEntry>]>
) {
  const disk = yield* Disk
  const sinceMs = Date.now() - settledMs
  const young: Array<readonly [string, number]> = []
  for (const [folder, files] of folders) {
    const known = memo.within(folder)
    for (const { name, stat } of files) {
      if (stat === undefined || Math.max(stat.mtimeMs, stat.ctimeMs) < sinceMs) continue
      if (known?.known(name, stat) === undefined) young.push([`${folder}${path.sep}${name}`, stat.device])
    }
  }
  if (young.length > 0) yield* disk.settle(young)
})

/** Whether all is to be read again, whatever is known. */
export const Rehash = Context.Reference<boolean>("op-pipe/Rehash", { defaultValue: () => false })

/** Loads the memo called `name`. */
export const load = Effect.fnUntraced(function* (layout: Layout, name: string) {
  const disk = yield* Disk
  const body = (yield* Rehash) ? Option.none<Uint8Array>() : yield* readRecordBytes(layout.memo(name))
  const known = new KnownFiles(
    Option.match(body, { onNone: (): Memo => ({ folders: new Map(), trees: new Map() }), onSome: decode })
  )
  let filesRead = 0

  const digest: StatMemo["digest"] = Effect.fnUntraced(function* (file: string, found?: Stat) {
    const stat = found ?? (yield* disk.stat(file))
    const remembered = known.known(file, stat)
    if (remembered !== undefined) return remembered
    const startedMs = Date.now()
    filesRead++
    const hashed = yield* disk.hash(file)
    if (!isRacy(stat, startedMs) && keepsTimes(file, stat.device, true)) known.note(file, stat, hashed.digest)
    else known.drop(file)
    return hashed.digest
  })

  const flush = Effect.suspend(() => {
    const memo = known.takeNew(layout.work)
    return memo === undefined ? Effect.void : writeHint(layout, layout.memo(name), encode(memo))
  })

  const memo: StatMemo = {
    within: (folder) => known.within(folder),
    known: (file, stat) => known.known(file, stat),
    keepOnly: (folder, files) => known.keepOnly(folder, files),
    tree: (root) => known.tree(root),
    noteTree: (root, tree) => known.noteTree(root, tree),
    digest,
    forget: (file) => known.drop(file),
    filesRead: () => filesRead,
    flush
  }
  return memo
})
