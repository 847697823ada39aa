/**
 * Left: what runs that were killed left in the store and nobody takes any more: leases, and jobs of clusters.
 *
 * A job is left if nothing is there that it could work in, or if its outcome is there and of no use: its key has a result by now,
 * or it is older than the age limit. Until then the next run that wants the key takes it.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk, orAbsent } from "../Disk.ts"
import * as Lease from "../lock/Lease.ts"
import { Store } from "../Store.ts"
import { jobWork } from "../Sweep.ts"

export interface Since {
  /** What was written later may be in use. */
  readonly inUseMs: number
  /** What is older is kept for nobody. */
  readonly oldestMs: number
}

const namesIn = Effect.fnUntraced(function* (folder: string) {
  const disk = yield* Disk
  return Option.getOrElse(yield* orAbsent(disk.list(folder)), () => []).map(({ name }) => name)
})

/** The latest change in a folder. */
const changedMs = Effect.fnUntraced(function* (folder: string, names: ReadonlyArray<string>) {
  const disk = yield* Disk
  const stats = yield* disk.stats([folder, ...names.map((name) => path.join(folder, name))])
  return Math.max(0, ...stats.map((stat) => stat?.mtimeMs ?? 0))
})

/** The places of jobs that are left, in the store; `keys` are those that have a result. */
const jobs = Effect.fnUntraced(function* (keys: ReadonlySet<string>, { inUseMs, oldestMs }: Since) {
  const { layout } = yield* Store
  const works = new Set(yield* namesIn(layout.work))
  const found: Array<string> = []
  for (const key of yield* namesIn(layout.jobs)) {
    const folder = path.join(layout.jobs, key)
    const names = yield* namesIn(folder)
    const tokens = names.flatMap((name) => /^task-([0-9a-f]+)\.json$/u.exec(name)?.[1] ?? [])
    const own = tokens.map(jobWork).filter((name) => works.has(name))
    const atMs = yield* changedMs(folder, names)
    const isOver = tokens.every((token) => names.includes(`outcome-${token}.json`))
    const isUseless = own.length === 0 || (isOver && (keys.has(key) || atMs < oldestMs))
    if (atMs < inUseMs && isUseless) found.push(`jobs/${key}`, ...own.map((name) => `work/${name}`))
  }
  return found
})

/** What is left, as paths in the store. */
export const plan = Effect.fnUntraced(function* (keys: ReadonlySet<string>, since: Since) {
  const { layout } = yield* Store
  const leases = yield* Lease.left(layout, since.inUseMs)
  return [...leases.map(({ name }) => `leases/${name}`), ...(yield* jobs(keys, since))]
})

/** Removes what `plan` found, but of leases those that somebody has taken meanwhile. */
export const collect = Effect.fnUntraced(function* (left: ReadonlyArray<string>, inUseMs: number) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const leases = left.filter((place) => place.startsWith("leases/"))
  yield* Lease.discard(layout, new Set(leases.map((place) => path.basename(place))), inUseMs)
  for (const place of left) if (!leases.includes(place)) yield* disk.remove(path.join(layout.root, place))
})
