/** BranchFolders: the folders of branches in `outputs/`, of which those that are no more are removed. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk, type DiskError, orAbsent } from "../../../cache/store/Disk.ts"
import { branchOf } from "../../pipeline/Step.ts"
import * as OutputFolder from "../../plan/OutputFolder.ts"
import * as Kept from "./Kept.ts"

/** The folders below `folder` that op-pipe wrote, by their paths in it. */
const writtenBelow: (folder: string, at?: string) => Effect.Effect<ReadonlyArray<string>, DiskError, Disk> =
  Effect.fnUntraced(function* (folder, at = "") {
    const disk = yield* Disk
    const around = path.join(folder, at)
    const listed = (place: string) =>
      Effect.map(
        orAbsent(disk.list(place)),
        Option.getOrElse(() => [])
      )
    const marks = (yield* listed(OutputFolder.marksIn(around))).filter(({ kind }) => kind === "file")
    const written = new Set(marks.map(({ name }) => name))
    const others = (yield* listed(around)).filter(
      ({ name, kind }) => kind === "folder" && !written.has(name) && !name.startsWith(".")
    )
    const deeper = yield* Effect.forEach(others, ({ name }) => writtenBelow(folder, path.posix.join(at, name)))
    return [...Array.from(written, (name) => path.posix.join(at, name)), ...deeper.flat()]
  })

/**
 * Removes from the folder of `step` what op-pipe wrote there for others than `names`: for branches that are no more, or for the
 * step as it was before it had branches.
 */
export const keepOnly = Effect.fnUntraced(function* (
  outputsDir: string,
  step: string,
  names: ReadonlyArray<string>,
  tell: (text: string) => void
) {
  const disk = yield* Disk
  const folder = OutputFolder.of(outputsDir, step)
  const kept = new Set(names)
  for (const name of yield* writtenBelow(folder)) {
    if (kept.has(name)) continue
    const gone = path.join(folder, ...name.split("/"))
    yield* Kept.moveAside(gone, tell)
    yield* disk.remove(gone)
    yield* disk.remove(OutputFolder.markOf(gone))
  }
})

/** Makes the folders for exactly these steps, as far as they are branches. */
export const prepare = Effect.fnUntraced(function* (
  outputsDir: string,
  ids: ReadonlyArray<string>,
  tell: (text: string) => void
) {
  const branches = Map.groupBy(
    ids.flatMap((id) => branchOf(id) ?? []),
    ({ of }) => of
  )
  for (const [step, some] of branches) {
    yield* makeRoom(outputsDir, step, tell)
    yield* keepOnly(
      outputsDir,
      step,
      some.map(({ name }) => name),
      tell
    )
  }
})

/** Makes room for the folders of a step's branches, if the step had a folder of its own before. */
export const makeRoom = Effect.fnUntraced(function* (outputsDir: string, step: string, tell: (text: string) => void) {
  const disk = yield* Disk
  const folder = OutputFolder.of(outputsDir, step)
  const mark = OutputFolder.markOf(folder)
  if (yield* disk.exists(OutputFolder.marksIn(folder))) return
  if (yield* disk.exists(mark)) {
    yield* Kept.moveAside(folder, tell)
    yield* disk.remove(folder)
    // it is of a folder that holds branches from now on
    yield* disk.remove(mark)
  }
  yield* disk.makeFolder(OutputFolder.marksIn(folder))
  yield* disk.makeFolder(path.dirname(mark))
  if (!(yield* disk.exists(mark))) yield* Effect.ignore(disk.create(mark, ""))
})
