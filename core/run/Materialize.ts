/**
 * Materialize: results as files, in `outputs/` for people and in a step's folder for the step that reads them.
 *
 * `outputs/<step>/` is built aside and swapped in by rename, so nothing of an earlier run stays behind and nobody sees half of it.
 * Files are copies; writing to one cannot reach the store. A report may have placeholders, which get their values here (Template).
 */
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk, join } from "../../cache/store/Disk.ts"
import * as Lock from "../../cache/store/Lock.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import type * as Tree from "../../cache/store/Tree.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import * as ArtifactIO from "../pipeline/ArtifactIO.ts"
import { asStored, besides, difference, expectedTree, isOccupied, type Rendered } from "../plan/OutputFolder.ts"

/** A blob that a result names went away between the look at it and its use. */
export class BlobGone extends Data.TaggedError("BlobGone")<{ readonly digest: Digest.Digest }> {
  readonly fault = "stage"

  override get message(): string {
    return `the store lost the blob ${Digest.short(this.digest)} during the run; run again`
  }
}

const build = Effect.fnUntraced(function* (
  entries: Tree.Tree,
  root: string,
  how: "copy" | "link",
  rendered: Rendered = asStored
) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  yield* disk.makeFolder(root)
  for (const entry of entries) {
    const location = join(root, entry.path)
    if (entry.kind === "folder") {
      yield* disk.makeFolder(location)
      continue
    }
    yield* disk.makeFolder(path.dirname(location))
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
    // A blob cannot be executed, so what is to be is copied.
    if (how === "link" && (entry.mode & 0o111) === 0) yield* disk.symlink(blob.value, location)
    else {
      yield* disk.copy(blob.value, location)
      yield* disk.setMode(location, entry.mode)
    }
  }
  // Inner folders first: an outer one may not let anyone in afterwards.
  for (const entry of entries.toReversed()) {
    if (how === "copy" && entry.kind === "folder" && entry.mode !== undefined)
      yield* disk.setMode(join(root, entry.path), entry.mode)
  }
})

/** Documents without their volatile fields: what is no part of a digest is not seen by who reads, by whatever way. */
const withoutVolatile = Effect.fnUntraced(function* (output: Output, artifact: Artifact.Any) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  const [entry] = output.entries
  if (artifact.kind !== "json" || artifact.volatile.length === 0 || entry?.kind !== "file") return asStored
  const blob = yield* blobs.verified(entry.digest)
  if (Option.isNone(blob)) return yield* new BlobGone({ digest: entry.digest })
  const value = JSON.parse(yield* disk.readText(blob.value)) as unknown
  const text = `${JSON.stringify(ArtifactIO.withoutVolatile(value, artifact.volatile), null, 2)}\n`
  return new Map([[entry.path, Buffer.from(text)]]) as Rendered
})

/**
 * The content of an output for a step to read, below `folder`. For a module: symbolic links to blobs just verified. (A hard link would
 * change the blob's ctime, and the memo would have it read again.) For a command: copies, since programs tell links from
 * files: `find -type f` passes over them, `cp -r` and `tar` keep them as links.
 */
export const provideInput = Effect.fnUntraced(function* (
  output: Output,
  artifact: Artifact.Any,
  folder: string,
  to: "Stage" | "Command"
) {
  yield* build(output.entries, folder, to === "Stage" ? "link" : "copy", yield* withoutVolatile(output, artifact))
  return join(folder, output.path)
})

/** Something lies where a step is to be laid out, and op-pipe did not put it there. */
export class OutputsOccupied extends Data.TaggedError("OutputsOccupied")<{ readonly folder: string }> {
  readonly fault = "input"

  override get message(): string {
    return `${this.folder} holds what op-pipe did not write, and would be replaced. Move it away, or choose another folder with --outputs; the result is kept`
  }
}

const mark = Effect.fnUntraced(function* (folder: string) {
  const disk = yield* Disk
  const { mark: file } = besides(folder)
  if (yield* disk.exists(file)) return
  yield* disk.makeFolder(path.dirname(file))
  // Another run may have done so meanwhile.
  yield* Effect.catchIf(
    disk.create(file, ""),
    (error) => error.code === "EEXIST",
    () => Effect.void
  )
})

const swapIn = Effect.fnUntraced(function* (result: StepResult, folder: string, rendered: Rendered) {
  if (Option.isNone(yield* difference(result, folder, rendered))) return false
  const disk = yield* Disk
  if (yield* isOccupied(result, folder)) return yield* new OutputsOccupied({ folder })
  const { aside, old } = besides(folder)
  // Whoever left something half done here is gone: only one at a time lays out a folder.
  for (const left of [aside, old]) if (yield* disk.exists(left)) yield* disk.remove(left)
  yield* build(expectedTree(result, rendered), aside, "copy", rendered)
  yield* mark(folder)
  yield* disk.makeFolder(path.dirname(old))
  const replaces = yield* disk.exists(folder)
  if (replaces) yield* disk.rename(folder, old)
  yield* disk.rename(aside, folder)
  if (replaces) yield* disk.remove(old)
  return true
})

/** Makes `outputs/<step>/` what `result` says; true when it had to. Two runs of one project do so one after the other. */
export const materialize = Effect.fnUntraced(function* (
  result: StepResult,
  folder: string,
  rendered: Rendered = asStored
) {
  // Most often it is, and then no lock is needed; `swapIn` looks again under the lock.
  if (Option.isNone(yield* difference(result, folder, rendered))) {
    // An earlier version left no marks.
    yield* Effect.ignore(mark(folder))
    return false
  }
  return yield* Effect.scoped(
    Effect.andThen(
      Lock.hold(`outputs ${folder}`, () => undefined),
      swapIn(result, folder, rendered)
    )
  )
})
