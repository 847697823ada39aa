/**
 * Gc: garbage collection, which bounds the size and age of the store.
 *
 * It removes a result that was not used within the age limit and is not its step's last one. While the store is above
 * the size limit, it also removes results, the least recently used first. Results of pinned runs stay. It removes a
 * blob that no remaining result names, as content or as the list of a source's files. Records are removed before blobs:
 * a crash in between leaves blobs that nothing names, which the next collection removes. And it removes what runs that were
 * killed left of leases and jobs (gc/Left.ts).
 *
 * Gotchas: a collection may happen during a run. It keeps all that was written or used within the last hour, or since
 * an hour before the oldest running step began: a training reads for hours what was used when it began. A run that
 * finds a blob missing executes the step again.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Digest from "../identity/Digest.ts"
import { readRecord } from "./Commit.ts"
import { Disk, type DiskError, orAbsent } from "./Disk.ts"
import { blobsOf, type StepResult } from "./ResultStore.ts"
import { Store } from "./Store.ts"
import { elsewhereMs, ownerOf, timesOf } from "./Sweep.ts"

export interface Limits {
  readonly maximumBytes: number
  readonly maximumAgeMs: number
}

/** 20 GiB, 60 days. */
export const defaultLimits: Limits = { maximumBytes: 20 * 2 ** 30, maximumAgeMs: 60 * 24 * 3_600_000 }

const graceMs = 3_600_000

interface StoredFile {
  readonly file: string
  readonly name: string
  readonly sizeBytes: number
  readonly modifiedMs: number
}

export interface Usage {
  readonly results: number
  readonly blobs: number
  readonly bytes: number
}

export interface Collection {
  /** Names of the results to remove. */
  readonly results: ReadonlyArray<string>
  /** Digests of the blobs to remove. */
  readonly blobs: ReadonlyArray<string>
  /** Keys of the checkpoints to remove: their step has a result, or they are older than the age limit. */
  readonly checkpoints: ReadonlyArray<string>
  /** What killed runs left of leases and jobs, as paths in the store. */
  readonly left: ReadonlyArray<string>
  /** When it was planned. */
  readonly atMs: number
  readonly freedBytes: number
  readonly before: Usage
}

/** The files of a two-level folder. */
const listSharded = Effect.fnUntraced(function* (folder: string) {
  const disk = yield* Disk
  const files: Array<StoredFile> = []
  for (const shard of Option.getOrElse(yield* orAbsent(disk.list(folder)), () => [])) {
    if (shard.kind !== "folder") continue
    for (const entry of yield* disk.list(path.join(folder, shard.name))) {
      const file = path.join(folder, shard.name, entry.name)
      const stat = yield* orAbsent(disk.lstat(file))
      if (Option.isNone(stat)) continue
      const modifiedMs = Math.floor(stat.value.mtimeMs)
      files.push({ file, name: entry.name.replace(/\.json$/, ""), sizeBytes: stat.value.sizeBytes, modifiedMs })
    }
  }
  return files
})

const totalBytes = (files: ReadonlyArray<StoredFile>): number => files.reduce((sum, each) => sum + each.sizeBytes, 0)

interface Candidate extends StoredFile {
  readonly result: StepResult | undefined
}

/** Checkpoints of steps that have a result, and those older than the age limit; not those that may be in use. */
const uselessCheckpoints = Effect.fnUntraced(function* (keys: ReadonlySet<string>, limits: Limits, nowMs: number) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const found: Array<StoredFile> = []
  for (const entry of Option.getOrElse(yield* orAbsent(disk.list(layout.checkpoints)), () => [])) {
    const file = path.join(layout.checkpoints, entry.name)
    // saving one changes the folder's time
    const stat = yield* orAbsent(disk.lstat(file))
    if (Option.isNone(stat)) continue
    const modifiedMs = Math.floor(stat.value.mtimeMs)
    const ageMs = nowMs - modifiedMs
    if (ageMs < graceMs || !(keys.has(entry.name) || ageMs > limits.maximumAgeMs)) continue
    const inside = Option.getOrElse(yield* orAbsent(disk.listFiles(file)), () => [])
    const sizeBytes = inside.reduce((sum, each) => sum + (each.stat?.sizeBytes ?? 0), 0)
    found.push({ file, name: entry.name, sizeBytes, modifiedMs })
  }
  return found
})

/** The last result of every step of every pipeline: a user who returns after months and runs one step has the others. */
const lastResults = Effect.gen(function* () {
  const disk = yield* Disk
  const { layout } = yield* Store
  const listed = (folder: string) =>
    Effect.map(
      orAbsent(disk.list(folder)),
      Option.getOrElse(() => [])
    )
  const files: Array<string> = []
  for (const { name, kind } of yield* listed(layout.lastResults)) {
    const at = path.join(layout.lastResults, name)
    // a folder for each pipeline
    if (kind === "folder") files.push(...(yield* listed(at)).map((each) => path.join(at, each.name)))
    else files.push(at)
  }
  const keys = yield* Effect.forEach(files, readRecord)
  return new Set(keys.flatMap((key) => Option.toArray(key)))
})

/** Which results stay, by age and then by size, the most recently used first. */
const choose = (
  candidates: ReadonlyArray<Candidate>,
  sizes: ReadonlyMap<string, number>,
  pinned: ReadonlySet<string>,
  last: ReadonlySet<string>,
  limits: Limits,
  nowMs: number,
  sinceMs: number
): ReadonlySet<string> => {
  const kept = new Set<string>()
  const counted = new Set<string>()
  let bytes = 0
  const young = (each: Candidate): boolean => each.modifiedMs > sinceMs || pinned.has(each.name)
  const order = candidates.slice().sort((a, b) => Number(young(b)) - Number(young(a)) || b.modifiedMs - a.modifiedMs)
  for (const each of order) {
    // a record that cannot be read has no use
    if (each.result === undefined) continue
    const fresh = blobsOf(each.result).filter((digest) => !counted.has(digest))
    const more = each.sizeBytes + fresh.reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0)
    const isOld = nowMs - each.modifiedMs > limits.maximumAgeMs && !last.has(each.name)
    const fits = bytes + more <= limits.maximumBytes && !isOld
    if (!young(each) && !fits) continue
    bytes += more
    for (const digest of fresh) counted.add(digest)
    kept.add(each.name)
  }
  return kept
}

/** Since when what was written or used may be in use. */
const inUseSince = Effect.fnUntraced(function* (nowMs: number) {
  const disk = yield* Disk
  const { layout } = yield* Store
  let sinceMs = nowMs
  for (const { name } of Option.getOrElse(yield* orAbsent(disk.list(layout.work)), () => [])) {
    const times = yield* timesOf(path.join(layout.work, name))
    if (times === undefined || ownerOf(name) === "gone") continue
    // about when the step began: what is written later lies below
    if (ownerOf(name) === "alive" || nowMs - times.aliveMs < elsewhereMs(name))
      sinceMs = Math.min(sinceMs, times.madeMs)
  }
  return sinceMs - graceMs
})

/** Blobs that list the files of the sources that results were made from: `why` compares with them. */
const listingsOf = Effect.fnUntraced(function* (results: ReadonlyArray<StepResult>) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const inputs = new Set<string>(results.flatMap(({ ingredients }) => Object.values(ingredients.inputs)))
  const known = Option.getOrElse(yield* orAbsent(disk.list(layout.sources)), () => [])
  const records = yield* Effect.forEach(
    known.filter(({ name }) => inputs.has(name)),
    ({ name }) => readRecord(layout.source(name as Digest.Digest))
  )
  return records.flatMap((record) => Option.toArray(record))
})

/** What killed runs left; what looks for it is loaded where there ever were leases or jobs. */
const leftOf = Effect.fnUntraced(function* (keys: ReadonlySet<string>, limits: Limits, nowMs: number) {
  const { layout } = yield* Store
  const disk = yield* Disk
  if (!(yield* disk.exists(layout.leases)) && !(yield* disk.exists(layout.jobs))) return []
  const Left = yield* Effect.promise(() => import("./gc/Left.ts"))
  return yield* Left.plan(keys, { inUseMs: nowMs - graceMs, oldestMs: nowMs - limits.maximumAgeMs })
})

/** What a collection would remove now. */
export const plan = Effect.fn("Gc.plan")(function* (limits: Limits, pinned: ReadonlySet<string>, nowMs: number) {
  const { layout, results } = yield* Store
  const records = yield* listSharded(layout.results)
  const blobs = yield* listSharded(layout.blobs)
  const candidates = yield* Effect.forEach(records, (record) =>
    Effect.map(results.read(record.name), (result) => ({
      ...record,
      result: Option.getOrUndefined(result)
    }))
  )
  const sizes = new Map(blobs.map((blob) => [blob.name, blob.sizeBytes]))
  const sinceMs = yield* inUseSince(nowMs)
  const kept = choose(candidates, sizes, pinned, yield* lastResults, limits, nowMs, sinceMs)
  const staying = candidates.flatMap(({ name, result }) => (kept.has(name) && result !== undefined ? [result] : []))
  const named = new Set<string>([...staying.flatMap(blobsOf), ...(yield* listingsOf(staying))])
  const gone = candidates.filter((each) => !kept.has(each.name))
  const loose = blobs.filter((blob) => !named.has(blob.name) && blob.modifiedMs <= sinceMs)
  const keys = new Set(records.map((each) => each.name))
  const checkpoints = yield* uselessCheckpoints(keys, limits, nowMs)
  const collection: Collection = {
    results: gone.map((each) => each.name),
    blobs: loose.map((each) => each.name),
    checkpoints: checkpoints.map((each) => each.name),
    left: yield* leftOf(keys, limits, nowMs),
    atMs: nowMs,
    freedBytes: totalBytes(gone) + totalBytes(loose) + totalBytes(checkpoints),
    before: { results: records.length, blobs: blobs.length, bytes: totalBytes(records) + totalBytes(blobs) }
  }
  return collection
})

/** Removes what `plan` found, records first. */
export const collect = (collection: Collection): Effect.Effect<void, DiskError, Disk | Store> =>
  Effect.gen(function* () {
    const disk = yield* Disk
    const { layout } = yield* Store
    for (const key of collection.results) yield* disk.remove(layout.result(key))
    for (const key of collection.checkpoints) yield* disk.remove(layout.checkpoint(key as Digest.Digest))
    for (const digest of collection.blobs) yield* disk.remove(layout.blob(digest as Digest.Digest))
    if (collection.left.length === 0) return
    const Left = yield* Effect.promise(() => import("./gc/Left.ts"))
    yield* Left.collect(collection.left, collection.atMs - graceMs)
  })

/** Reads every record and blob, removes damaged ones, and returns what it found. */
export const verify = Effect.gen(function* () {
  const disk = yield* Disk
  const { layout, results } = yield* Store
  const blobs = yield* listSharded(layout.blobs)
  const records = yield* listSharded(layout.results)
  const damaged: Array<string> = []
  for (const { file, name } of blobs) {
    // read, whatever the memo says: this finds bytes that a disk changed without a new stat
    const hashed = yield* disk.hash(file).pipe(
      Effect.map(({ digest }): string => digest),
      Effect.catchIf(
        ({ code }) => code === "EINVAL",
        () => Effect.succeed("no file")
      )
    )
    if (hashed !== name) {
      damaged.push(name)
      yield* disk.remove(file)
    }
  }
  for (const { file, name } of records) {
    if (Option.isNone(yield* results.read(name))) {
      damaged.push(name)
      yield* disk.remove(file)
    }
  }
  return { blobs: blobs.length, results: records.length, bytes: totalBytes(blobs), damaged }
})
