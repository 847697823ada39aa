/**
 * OutputFolder: the expected content of `outputs/<step>/`, and whether the folder has it.
 *
 * A step's folder holds exactly the files of its result. `outputs/.laid-out/` holds a mark for each folder that op-pipe
 * wrote, with what it wrote: only such a folder is replaced, and what a user put there is moved aside (core/run/outputs/Kept.ts). The marks lie in the outputs and not in the store, since the store may be
 * removed while the outputs stay.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk, join, orAbsent } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import * as SourceLink from "../../cache/store/tree/SourceLink.ts"
import * as TreeChange from "../../cache/store/tree/TreeChange.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import { branchOf } from "../pipeline/Step.ts"

/** Bytes of files that differ from those in the store, by path: a report whose placeholders have values. */
export type Rendered = ReadonlyMap<string, Uint8Array>
export const asStored: Rendered = new Map()

/** The folders among the entries, and their parent folders, which may have any mode. */
const folders = (entries: Tree.Tree): Tree.Tree => {
  const modes = new Map<string, number | undefined>()
  for (const entry of entries) {
    for (let cut = entry.path.indexOf("/"); cut > 0; cut = entry.path.indexOf("/", cut + 1)) {
      const at = entry.path.slice(0, cut)
      modes.set(at, modes.get(at))
    }
    if (entry.kind === "folder") modes.set(entry.path, entry.mode ?? modes.get(entry.path))
  }
  return Array.from(modes, ([at, mode]) =>
    mode === undefined ? { kind: "folder", path: at } : { kind: "folder", path: at, mode }
  )
}

const asRendered =
  (rendered: Rendered) =>
  (entry: Tree.TreeEntry): Tree.TreeEntry => {
    const bytes = rendered.get(entry.path)
    if (bytes === undefined || entry.kind !== "file") return entry
    return { ...entry, digest: Digest.ofBytes(bytes), sizeBytes: bytes.length }
  }

/** The expected content of `outputs/<step>/` for `result`. */
export const expectedTree = (result: StepResult, rendered: Rendered = asStored): Tree.Tree => {
  const outputs = Object.values(result.outputs).filter((output) => output.layOut)
  const entries = outputs.flatMap((output) => output.entries).map(asRendered(rendered))
  return [...folders(entries), ...entries.filter((entry) => entry.kind !== "folder")].sort((a, b) =>
    a.path < b.path ? -1 : 1
  )
}

/** How `outputs/<step>/` differs from `result`, in words; none if it does not. */
export const difference = Effect.fnUntraced(function* (
  result: StepResult,
  folder: string,
  rendered: Rendered = asStored
) {
  const { memo } = yield* Store
  const expected = expectedTree(result, rendered)
  const snapshot = yield* Effect.result(orAbsent(Tree.snapshot(folder, memo, { ignore: () => false, of: "output" })))
  // a pipe, a name that is not UTF-8: no result has such
  if (Result.isFailure(snapshot)) return Option.some(snapshot.failure.message)
  const found = Option.getOrUndefined(snapshot.success)
  if (found === undefined) return Option.some("not there")
  return Tree.isSame(found, expected) ? Option.none() : Option.some(TreeChange.describe(expected, found))
})

/** A name as that of one folder. Those of steps are names of folders; a record that somebody else wrote may hold others. */
const asFolder = (name: string): string =>
  name === "" || name.startsWith(".") || /[\\/\0]/u.test(name) ? `%${encodeURIComponent(name)}` : name

/** The folder of a step in `outputs/`; of a branch, in that of the step that it was placed for. */
export const of = (outputsDir: string, stepId: string): string => {
  const branch = branchOf(stepId)
  if (branch === undefined) return `${outputsDir}${path.sep}${asFolder(stepId)}`
  return [outputsDir, branch.of, ...branch.name.split("/")].reduce((at, name) => `${at}${path.sep}${asFolder(name)}`)
}

/** The folder of the marks. */
export const marksIn = (outputsDir: string): string => `${outputsDir}${path.sep}.laid-out`

/** The mark of a step's folder. */
export const markOf = (folder: string): string => path.join(marksIn(path.dirname(folder)), path.basename(folder))

/**
 * The folders that op-pipe wrote for steps that `pipeline` does not have. Those of a step for further seeds are not: they
 * come and go with `--seeds`.
 */
export const leftovers = Effect.fnUntraced(function* (outputsDir: string, pipeline: Pipeline) {
  const disk = yield* Disk
  const ids = new Set(pipeline.steps.map(({ id }) => id.replace(/#\d+$/u, "")))
  const marks = Option.getOrElse(yield* orAbsent(disk.list(marksIn(outputsDir))), () => [])
  const marked = marks.filter(({ name, kind }) => kind === "file" && !ids.has(name.replace(/#\d+$/u, "")))
  const there = yield* Effect.filter(marked, ({ name }) => disk.exists(join(outputsDir, name)))
  return there.map(({ name }) => name)
})

/** Whether `folder` holds files that are not op-pipe's. */
export const isOccupied = Effect.fnUntraced(function* (result: StepResult, folder: string) {
  const disk = yield* Disk
  const { memo, results } = yield* Store
  const stat = yield* orAbsent(disk.lstat(folder))
  if (Option.isNone(stat)) return false
  if (stat.value.kind !== "folder") return true
  if (yield* disk.exists(markOf(folder))) return false
  const found = yield* Tree.snapshot(folder, memo, { ignore: () => false, of: "output" })
  const files = found.filter(({ kind }) => kind !== "folder")
  if (files.length === 0) return false
  // earlier versions left no marks: if the step ran before, files at the paths of its outputs count as outputs
  const last = yield* results.last(path.basename(folder))
  const known = Option.isNone(last) ? [] : [last.value, result].flatMap((each) => Object.values(each.outputs))
  const isOutput = (at: string): boolean => known.some((each) => SourceLink.isIn(join("/", at), join("/", each.path)))
  return !files.every((file) => isOutput(file.path))
})
