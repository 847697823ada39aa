/**
 * StatSnapshot: what was looked at to find something out, so that it need not be found out again while all of it is as it was.
 *
 * A file counts by its figures (FileStat), what is not there by not being there, a link by where it leads. Nothing is remembered that
 * was looked at too soon after its last change.
 */
import * as Effect from "effect/Effect"
import { type Figures, figuresOf, isAsBefore, isRacy } from "../identity/FileStat.cjs"
import { Disk, type DiskError } from "../store/Disk.ts"

/** What was seen, as plain JSON. */
export interface StatSnapshot {
  readonly paths: ReadonlyArray<string>
  /** In the order of `paths`; null for what is not there. */
  readonly figures: ReadonlyArray<Figures | null>
  /** Where paths lead to. */
  readonly real: Readonly<Record<string, string>>
}

/** Notes what is looked at. */
export interface StatRecorder {
  /** The disk, which notes what it is asked for by `stat`, `lstat`, `exists`, `list`, `readText` and `realPath`. */
  readonly disk: Disk["Service"]
  /** Notes a file that is read in another way. */
  readonly note: (path: string) => void
  /** All that was noted; undefined when some of it changed since, or so shortly before that a change could go unseen. */
  readonly snapshot: Effect.Effect<StatSnapshot | undefined, never, Disk>
}

const leadsAsBefore = Effect.fnUntraced(function* (real: StatSnapshot["real"]) {
  const disk = yield* Disk
  for (const [path, target] of Object.entries(real)) {
    if ((yield* disk.realPath(path)) !== target) return false
  }
  return true
})

/** Whether everything is as it was seen. */
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
  /** Path -> whether something was there. */
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
    note: (path) => void seen.set(path, true),
    snapshot: Effect.gen(function* () {
      const paths = Array.from(seen.keys())
      const stats = yield* disk.stats(paths)
      const asSeen = stats.every(
        (stat, index) =>
          (stat !== undefined) === seen.get(paths[index]!) && (stat === undefined || !isRacy(stat, startedMs))
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

/** Both of two snapshots. */
export const merge = (a: StatSnapshot, b: StatSnapshot): StatSnapshot => ({
  paths: [...a.paths, ...b.paths],
  figures: [...a.figures, ...b.figures],
  real: { ...a.real, ...b.real }
})
