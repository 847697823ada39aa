/**
 * Kept: files in `outputs/<step>/` that op-pipe did not write, which are moved to `outputs/.kept/` before the folder is replaced
 * or removed: notes that people put there, and outputs that they edited.
 *
 * The mark of a folder lists what op-pipe wrote. An empty one lists nothing, of an earlier version: then nothing is known, and
 * nothing is kept.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { few, shownName } from "../../../cache/identity/Shown.ts"
import { Disk, join, orAbsent } from "../../../cache/store/Disk.ts"
import { Store } from "../../../cache/store/Store.ts"
import { ownPrefix } from "../../../cache/store/Sweep.ts"
import * as Tree from "../../../cache/store/Tree.ts"
import { markOf } from "../../plan/OutputFolder.ts"

/** A file by its bytes, a link by its target; nothing of a folder. */
const contentOf = (entry: Tree.TreeEntry): string | undefined =>
  entry.kind === "file" ? entry.digest : entry.kind === "link" ? `to ${entry.target}` : undefined

const writtenIn = (tree: Tree.Tree): ReadonlyArray<readonly [path: string, content: string]> =>
  tree.flatMap((entry) => {
    const content = contentOf(entry)
    return content === undefined ? [] : [[entry.path, content] as const]
  })

/** Notes in the mark of `folder` that op-pipe wrote `tree` there. */
export const note = Effect.fnUntraced(function* (folder: string, tree: Tree.Tree) {
  const disk = yield* Disk
  const mark = markOf(folder)
  const aside = path.join(path.dirname(mark), ".new", `${ownPrefix}${randomUUID()}`)
  yield* disk.makeFolder(path.dirname(aside))
  yield* disk.create(aside, JSON.stringify(writtenIn(tree)))
  yield* disk.rename(aside, mark)
})

const parse = (mark: string): ReadonlyMap<string, string> | undefined => {
  try {
    return new Map(JSON.parse(mark) as ReturnType<typeof writtenIn>)
  } catch {
    return undefined
  }
}

/** A folder that is not there yet. */
const freeFolder: (folder: string, number?: number) => Effect.Effect<string, never, Disk> = Effect.fnUntraced(
  function* (folder, number = 1) {
    const disk = yield* Disk
    const at = number === 1 ? folder : `${folder}-${number}`
    return (yield* Effect.orElseSucceed(disk.exists(at), () => false)) ? yield* freeFolder(folder, number + 1) : at
  }
)

/** Moves these files out of `folder`. */
const moveTo = Effect.fnUntraced(function* (folder: string, to: string, paths: ReadonlyArray<string>) {
  const disk = yield* Disk
  for (const each of paths) {
    const at = join(to, each)
    yield* disk.makeFolder(path.dirname(at))
    yield* disk.rename(join(folder, each), at)
  }
})

/**
 * Moves what op-pipe did not write out of `folder`, which is about to be replaced or removed, and tells of it. A folder that cannot be
 * read through (a pipe, a name that is not UTF-8, a folder that is closed to this user) is moved as a whole.
 */
export const moveAside = Effect.fnUntraced(function* (folder: string, tell: (text: string) => void) {
  const disk = yield* Disk
  const { memo } = yield* Store
  const mark = yield* orAbsent(disk.readText(markOf(folder)))
  const written = Option.isNone(mark) ? undefined : parse(mark.value)
  if (written === undefined) return
  const to = yield* freeFolder(path.join(path.dirname(folder), ".kept", path.basename(folder)))
  const found = yield* Effect.result(orAbsent(Tree.snapshot(folder, memo, { ignore: () => false, of: "output" })))
  if (Result.isFailure(found)) {
    yield* disk.makeFolder(path.dirname(to))
    yield* disk.rename(folder, to)
    return tell(`${folder}: ${found.failure.message}. op-pipe did not write that; moved the whole folder to ${to}`)
  }
  const others = Option.getOrElse(found.success, () => [])
    .filter((entry) => entry.kind !== "folder" && written.get(entry.path) !== contentOf(entry))
    .map((entry) => entry.path)
  if (others.length === 0) return
  yield* moveTo(folder, to, others)
  tell(`${folder}: found ${few(others.map(shownName))}, which op-pipe did not write; moved to ${to}`)
})
