/**
 * Materialize: writes results as files, to `outputs/` for people and to a step's work folder as its inputs.
 *
 * `outputs/<step>/` is built aside and swapped in by rename, so that no file of an earlier run stays and no reader sees
 * half of it. Files are copies: a write to one does not reach the store. Placeholders of a report get their values
 * (Template).
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk, join, orAbsent } from "../../cache/store/Disk.ts"
import * as Lock from "../../cache/store/Lock.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { ownerOf, ownPrefix } from "../../cache/store/Sweep.ts"
import type * as Tree from "../../cache/store/Tree.ts"
import { stepUmask } from "../executor/Executor.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import * as Document from "../pipeline/Document.ts"
import { asStored, difference, expectedTree, isOccupied, markOf, marksIn, type Rendered } from "../plan/OutputFolder.ts"
import * as Kept from "./outputs/Kept.ts"

/** A blob that a result names disappeared between its check and its use. */
export class BlobGone extends Data.TaggedError("BlobGone")<{ readonly digest: Digest.Digest }> {
  readonly fault = "stage"

  override get message(): string {
    return `expected the blob ${Digest.short(this.digest)} in the store, but it disappeared during the run. Run again`
  }
}

const build = Effect.fnUntraced(function* (
  entries: Tree.Tree,
  root: string,
  how: "copy" | "link",
  rendered: Rendered = asStored,
  umask?: number
) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  yield* disk.makeFolder(root, umask)
  for (const entry of entries) {
    const location = join(root, entry.path)
    if (entry.kind === "folder") {
      yield* disk.makeFolder(location, umask)
      continue
    }
    yield* disk.makeFolder(path.dirname(location), umask)
    if (entry.kind === "link") {
      yield* disk.symlink(entry.target, location)
      continue
    }
    const bytes = rendered.get(entry.path)
    if (bytes !== undefined) {
      yield* disk.create(location, bytes)
      yield* disk.setMode(location, entry.mode)
      continue
    }
    const blob = yield* blobs.verified(entry.digest)
    if (Option.isNone(blob)) return yield* new BlobGone({ digest: entry.digest })
    // blobs are not executable, so executable files are copied
    if (how === "link" && (entry.mode & 0o111) === 0) yield* disk.symlink(blob.value, location)
    else {
      yield* disk.copy(blob.value, location)
      yield* disk.setMode(location, entry.mode)
    }
  }
  // inner folders first: the mode of an outer one may forbid access afterwards
  for (const entry of entries.toReversed()) {
    if (how === "copy" && entry.kind === "folder" && entry.mode !== undefined)
      yield* disk.setMode(join(root, entry.path), entry.mode)
  }
})

/** A document without its volatile fields: they are not part of its digest, so a step must not see them. */
const withoutVolatile = Effect.fnUntraced(function* (output: Output, artifact: Artifact.Any) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  const [entry] = output.entries
  if (artifact.kind !== "json" || artifact.volatile.length === 0 || entry?.kind !== "file") return asStored
  const blob = yield* blobs.verified(entry.digest)
  if (Option.isNone(blob)) return yield* new BlobGone({ digest: entry.digest })
  return new Map([[entry.path, Document.handedOn(artifact, yield* disk.read(blob.value))]]) as Rendered
})

/**
 * Writes the content of an output below `folder`, for a step to read. A module gets symbolic links to verified blobs.
 * (A hard link would change the blob's ctime, and the memo would read it again.) A command gets copies, since programs
 * treat links differently: `find -type f` skips them, `cp -r` and `tar` keep them as links.
 */
export const provideInput = Effect.fnUntraced(function* (
  output: Output,
  artifact: Artifact.Any,
  folder: string,
  to: "Stage" | "Command"
) {
  const rendered = yield* withoutVolatile(output, artifact)
  yield* build(output.entries, folder, to === "Stage" ? "link" : "copy", rendered, stepUmask)
  return join(folder, output.path)
})

/** The folder for a step's outputs holds files that are not op-pipe's. */
export class OutputsOccupied extends Data.TaggedError("OutputsOccupied")<{ readonly folder: string }> {
  readonly fault = "input"

  override get message(): string {
    return `${this.folder}: expected a folder that op-pipe may replace, but found files that op-pipe did not write. Move them away, or choose another folder with --outputs; the result is kept`
  }
}

/** Marks `folder`, unless it is marked; whether it did. Marks of earlier versions are empty, and list nothing. */
const mark = Effect.fnUntraced(function* (folder: string, tree: Tree.Tree) {
  const disk = yield* Disk
  const before = yield* orAbsent(disk.lstat(markOf(folder)))
  if (Option.isSome(before) && before.value.sizeBytes > 0) return false
  yield* Kept.note(folder, tree)
  return true
})

/**
 * Where the next content of outputs is built, and where the old goes. Names begin with their owner: a container, or another
 * machine, that shares the folder does not share the lock, and must not build in the same place.
 */
const scratchIn = (outputsDir: string): ReadonlyArray<string> =>
  [".new", ".old"].map((name) => path.join(marksIn(outputsDir), name))

/** Folders of outputs that were swept since a store was opened. */
const swept = new WeakMap<object, Set<string>>()

/** Removes what dead processes of this machine have left there, once a run. */
const sweepScratch = Effect.fnUntraced(function* (outputsDir: string) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const own = swept.get(layout) ?? new Set()
  if (own.has(outputsDir)) return
  swept.set(layout, own.add(outputsDir))
  for (const folder of scratchIn(outputsDir)) {
    for (const { name } of Option.getOrElse(yield* orAbsent(disk.list(folder)), () => [])) {
      if (ownerOf(name) === "gone") yield* Effect.ignore(disk.remove(path.join(folder, name)))
    }
  }
})

const swapIn = Effect.fnUntraced(function* (result: StepResult, folder: string, rendered: Rendered, told: Told) {
  if (Option.isNone(yield* difference(result, folder, rendered))) return false
  const disk = yield* Disk
  if (yield* isOccupied(result, folder)) return yield* new OutputsOccupied({ folder })
  yield* sweepScratch(path.dirname(folder))
  const name = `${ownPrefix}${randomUUID()}`
  const [aside, old] = scratchIn(path.dirname(folder)).map((each) => path.join(each, name)) as [string, string]
  const swap = Effect.gen(function* () {
    const tree = expectedTree(result, rendered)
    yield* build(tree, aside, "copy", rendered)
    yield* Kept.moveAside(folder, told.kept)
    // what is there already is its own, should the process end before the other is in its place
    const isNoted = yield* mark(folder, tree)
    yield* disk.makeFolder(path.dirname(old))
    const replaces = yield* disk.exists(folder)
    if (replaces) yield* disk.rename(folder, old)
    yield* disk.rename(aside, folder)
    if (!isNoted) yield* Kept.note(folder, tree)
    return true
  })
  return yield* Effect.ensuring(
    swap,
    Effect.forEach([aside, old], (left) => Effect.ignore(disk.remove(left)))
  )
})

/** What a call says when another machine or container swaps the same folder at that moment. */
const isRace = (error: { readonly _tag: string; readonly code?: string }): boolean =>
  error._tag === "DiskError" && ["ENOENT", "EEXIST", "ENOTEMPTY"].includes(error.code ?? "")
const mostRaces = 20

/** What is told meanwhile: for whom it waits, and what of a user's was moved aside. */
export interface Told {
  readonly waits: (owner: string) => void
  readonly kept: (text: string) => void
}

/** Makes `outputs/<step>/` hold `result`; true if it did not yet. A lock keeps runs of one project apart. */
export const materialize = Effect.fnUntraced(function* (
  result: StepResult,
  folder: string,
  rendered: Rendered,
  told: Told
) {
  // mostly there is no difference, and then no lock is needed; `swapIn` compares again under the lock
  if (Option.isNone(yield* difference(result, folder, rendered))) {
    // earlier versions left no marks
    yield* Effect.ignore(mark(folder, expectedTree(result, rendered)))
    return false
  }
  const swapped = Effect.retry(swapIn(result, folder, rendered, told), { while: isRace, times: mostRaces })
  return yield* Effect.scoped(Effect.andThen(Lock.hold(`outputs ${folder}`, told.waits), swapped))
})
