/**
 * StatSnapshot: the stats of all files that a computation looked at. While they are unchanged, its result is still
 * valid.
 *
 * A file counts by its figures (FileStat), a missing file by its absence, a link by its target. A snapshot with a file
 * that was looked at too soon after its last change is not valid, nor one on a file system that does not keep times.
 */
import * as Effect from "effect/Effect"
import { type Figures, figuresOf, isAsBefore, isRacy, keepsTimes } from "../identity/FileStat.cjs"
import { Disk, type DiskError } from "../store/Disk.ts"

/** As plain JSON. */
export interface StatSnapshot {
  readonly paths: ReadonlyArray<string>
  /** In the order of `paths`; null for a missing file. */
  readonly figures: ReadonlyArray<Figures | null>
  /** Path -> real path. */
  readonly real: Readonly<Record<string, string>>
}

/** Records the paths that are looked at. */
export interface StatRecorder {
  /** The disk, which records the paths given to `stat`, `lstat`, `exists`, `list`, `readText` and `realPath`. */
  readonly disk: Disk["Service"]
  /** Records a file that is looked at in another way, and whether it was there. */
  readonly note: (path: string, isThere?: boolean) => void
  /**
   * The snapshot of all recorded paths; undefined if one changed since, or so shortly before that a change could go
   * unnoticed.
   */
  readonly snapshot: Effect.Effect<StatSnapshot | undefined, never, Disk>
}

const leadsAsBefore = Effect.fnUntraced(function* (real: StatSnapshot["real"]) {
  const disk = yield* Disk
  for (const [path, target] of Object.entries(real)) {
    if ((yield* disk.realPath(path)) !== target) return false
  }
  return true
})

/** Whether all files are unchanged. */
export const isCurrent = Effect.fnUntraced(
  function* ({ paths, figures, real }: StatSnapshot) {
    const disk = yield* Disk
    const stats = yield* disk.stats(paths)
    return stats.every((stat, index) => isAsBefore(figures[index] ?? null, stat)) && (yield* leadsAsBefore(real))
  },
  Effect.orElseSucceed(() => false)
)

export const record = (disk: Disk["Service"]): StatRecorder => {
  const startedMs = Date.now()
  /** Path -> whether it existed. */
  const seen = new Map<string, boolean>()
  const real = new Map<string, string>()
  const noting = <A>(path: string, effect: Effect.Effect<A, DiskError>): Effect.Effect<A, DiskError> =>
    effect.pipe(
      Effect.tap(() => Effect.sync(() => seen.set(path, true))),
      Effect.tapError(() => Effect.sync(() => seen.set(path, false)))
    )
  return {
    disk: Disk.of({
      ...disk,
      stat: (path) => noting(path, disk.stat(path)),
      lstat: (path) => noting(path, disk.lstat(path)),
      exists: (path) => Effect.tap(disk.exists(path), (there) => Effect.sync(() => seen.set(path, there))),
      list: (path) => noting(path, disk.list(path)),
      readText: (path) => noting(path, disk.readText(path)),
      realPath: (path) => Effect.tap(disk.realPath(path), (target) => Effect.sync(() => real.set(path, target)))
    }),
    note: (path, isThere = true) => void seen.set(path, isThere),
    snapshot: Effect.gen(function* () {
      const paths = Array.from(seen.keys())
      const stats = yield* disk.stats(paths)
      const asSeen = stats.every(
        (stat, index) =>
          (stat !== undefined) === seen.get(paths[index]!) &&
          (stat === undefined || (!isRacy(stat, startedMs) && keepsTimes(paths[index]!, stat.device, false)))
      )
      const snapshot: StatSnapshot = {
        paths,
        figures: stats.map((stat) => figuresOf(stat)),
        real: Object.fromEntries(real)
      }
      return asSeen && (yield* leadsAsBefore(snapshot.real)) ? snapshot : undefined
    }).pipe(Effect.orElseSucceed(() => undefined))
  }
}

/** One snapshot of two. */
export const merge = (a: StatSnapshot, b: StatSnapshot): StatSnapshot => ({
  paths: [...a.paths, ...b.paths],
  figures: [...a.figures, ...b.figures],
  real: { ...a.real, ...b.real }
})
