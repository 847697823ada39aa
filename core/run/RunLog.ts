/**
 * RunLog: earlier runs, their results, and which of them are pinned.
 *
 * A run's record names the key of each step's result; parameters, durations and versions are in the results. The key
 * stays when the result was collected.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isRecord } from "../../cache/identity/CacheKey.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import { readRecord, writeHint, writeRecord } from "../../cache/store/Commit.ts"
import { Disk, orAbsent } from "../../cache/store/Disk.ts"
import { noLastKeys, replacedName } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { ownerOf } from "../../cache/store/Sweep.ts"
import { SettingsError } from "../plan/SettingsError.ts"

export const RunRecord = Schema.Struct({
  runId: Schema.String,
  /** `running` of one that has begun and has not said how it ended; older records have none. */
  state: Schema.Literals(["running", "interrupted", "finished"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("finished" as const))
  ),
  /** The process of a running one, as in the names of its scratch. */
  owner: Schema.optionalKey(Schema.String),
  startedMs: Schema.Finite,
  durationMs: Schema.Finite,
  executed: Schema.Array(Schema.String),
  cached: Schema.Array(Schema.String),
  failed: Schema.Array(Schema.String),
  skipped: Schema.Array(Schema.String),
  /** The pipeline's name; older records have none. */
  pipeline: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed(""))),
  profile: Schema.NullOr(Schema.String),
  seed: Schema.Int,
  /** How many seeds; older records have none. */
  seeds: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** What else was asked for: assignments, as `--set` takes them, and sources, as `--data` does, by absolute paths. */
  asked: Schema.Struct({ set: Schema.Array(Schema.String), data: Schema.Array(Schema.String) }).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed({ set: [], data: [] }))
  ),
  /** Of a run that tried one setting of a sweep: which. Such a run left `outputs/` as it was. */
  sweep: Schema.optionalKey(Schema.Struct({ id: Schema.String, number: Schema.Int, of: Schema.Int })),
  /** Step id -> cache key of its result. */
  keys: Schema.Record(Schema.String, Digest.Digest),
  /** Step id -> digest of its outputs, which distinguishes results of one key; older records have none. */
  outputs: Schema.Record(Schema.String, Digest.Digest).pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
})
export type RunRecord = typeof RunRecord.Type

const Stored = Schema.fromJsonString(RunRecord)
/** A pinned run with the names of its results: the record of a run is a hint and may be lost, a pin must not be. */
const Pin = Schema.Struct({ runId: Schema.String, results: Schema.Array(Schema.String) })
const Pins = Schema.fromJsonString(Schema.Array(Schema.Union([Pin, Schema.String])))

export const write = Effect.fnUntraced(function* (record: RunRecord) {
  const { layout } = yield* Store
  yield* writeHint(layout, layout.run(record.runId), JSON.stringify(record))
})

/** A run whose process was killed could not say so. */
const asItIs = (run: RunRecord): RunRecord =>
  run.state === "running" && ownerOf(run.owner ?? "") === "gone" ? { ...run, state: "interrupted" } : run

/** The run with this id, if it is known. */
export const readRun = Effect.fnUntraced(function* (runId: string) {
  const { layout } = yield* Store
  const body = yield* readRecord(layout.run(runId))
  const record = Option.flatMap(body, Schema.decodeUnknownOption(Stored))
  return Option.map(
    Option.filter(record, (run) => run.runId === runId),
    asItIs
  )
})

/** All runs, the latest last. */
export const list = Effect.gen(function* () {
  const { layout } = yield* Store
  const disk = yield* Disk
  const entries = Option.getOrElse(yield* orAbsent(disk.list(layout.runs)), () => [])
  const names = entries.filter((entry) => entry.name.endsWith(".json")).map((entry) => entry.name.slice(0, -5))
  const records = yield* Effect.forEach(names, readRun)
  return records.flatMap((record) => Option.toArray(record)).sort((a, b) => a.startedMs - b.startedMs)
})

/** All runs of the pipeline that the store is open for, the latest last. */
const ofPipeline = Effect.gen(function* () {
  const { layout } = yield* Store
  return (yield* list).filter(({ pipeline }) => ["", layout.pipeline].includes(pipeline) || layout.pipeline === "")
})

/** The same but for the settings of sweeps, which leave `outputs/` as it is. */
const besidesSweeps = Effect.map(ofPipeline, (runs) => runs.filter(({ sweep }) => sweep === undefined))

/** The latest run of the pipeline that has ended by itself: the one that `outputs/` is of. */
export const latest = Effect.map(besidesSweeps, (runs) =>
  Option.fromUndefinedOr(runs.findLast(({ state }) => state === "finished"))
)

/** How much of a run's id tells the second that it began in. */
const secondLength = 15
/** A run's record is put into its folder so soon after it was written. */
const putMs = 50

/**
 * The keys that the steps of the newest run came to, if it was one of the pipeline, and its record was the last that was written: those
 * of the last results, but for what was noted since. A run that went on beside it may have noted others before that record, and writes
 * its own later. By hand and not by a Schema, since each run asks.
 */
export const lastKeys = Effect.gen(function* () {
  const { layout } = yield* Store
  const disk = yield* Disk
  const entries = Option.getOrElse(yield* orAbsent(disk.list(layout.runs)), () => [])
  const names = entries.flatMap(({ name }) => (name.endsWith(".json") ? [name.slice(0, -5)] : []))
  if (names.length === 0) return noLastKeys
  const latest = names.reduce((later, name) => (name > later ? name : later), "")
  // a second may have several
  const newest = yield* Effect.forEach(
    names.filter((name) => name.slice(0, secondLength) === latest.slice(0, secondLength)).map(layout.run),
    (file) => Effect.map(disk.lstat(file), (stat) => ({ file, ...stat }))
  )
  const { file, mtimeMs, ctimeMs } = newest.reduce((a, b) => (b.ctimeMs > a.ctimeMs ? b : a))
  const folder = yield* disk.lstat(layout.runs)
  if (folder.mtimeMs > ctimeMs + putMs) return noLastKeys
  const body = Option.getOrElse(yield* readRecord(file), () => "{}")
  const run = yield* Effect.try(() => JSON.parse(body) as unknown)
  const isMeant =
    isRecord(run) && run["state"] === "finished" && run["sweep"] === undefined && run["pipeline"] === layout.pipeline
  return isMeant && isRecord(run["keys"]) ? { keys: run["keys"], asOfMs: mtimeMs } : noLastKeys
}).pipe(Effect.orElseSucceed(() => noLastKeys))

/**
 * The run that `asked` names: an id, the beginning of one, `last` and `last~1`, `last~2`, ... before it, or a setting of a sweep,
 * `sweep/3` of the latest one. The last run is none of a sweep's.
 */
export const find = Effect.fn("RunLog.find")(function* (asked: string) {
  const [, sweep, number] = /^(sweep[^/]*)\/(\d+)$/u.exec(asked) ?? []
  if (sweep !== undefined) {
    const settings = yield* ofSweep(sweep)
    const setting = settings.find((run) => run.sweep?.number === Number(number))
    if (setting !== undefined) return setting
    const expected = `a number from 1 to ${settings.at(-1)?.sweep?.of}`
    return yield* new SettingsError({ asked: `run ${asked}`, expected, actual: number! })
  }
  const runs = yield* asked.startsWith("last") ? besidesSweeps : list
  const back = /^last(?:~(\d+))?$/.exec(asked)
  const found =
    back === null
      ? runs.filter((run) => asked !== "" && run.runId.startsWith(asked))
      : runs.slice(-1 - Number(back[1] ?? 0)).slice(0, 1)
  const enough = back === null || runs.length > Number(back[1] ?? 0)
  const [run] = found
  if (run !== undefined && found.length === 1 && enough) return run
  const near = runs.slice(-3).map((each) => each.runId)
  return yield* new SettingsError({
    asked: `run ${asked}`,
    expected: `the id of a run, its first characters, or last~N (the latest: ${near.join(", ") || "none yet"})`,
    actual: found.length > 1 ? `${found.length} runs that begin with it` : "no such run"
  })
})

/**
 * The runs that each of `asked` names: one, as for `find`, or all of a sweep, by its id, the beginning of that, or `sweep` for the
 * latest. All runs, if none is asked for.
 */
export const findAll = Effect.fn("RunLog.findAll")(function* (asked: ReadonlyArray<string>) {
  if (asked.length === 0) return yield* ofPipeline
  const found: Array<RunRecord> = []
  for (const text of asked) {
    const runs = /^sweep[^/]*$/u.test(text) ? yield* ofSweep(text) : [yield* find(text)]
    found.push(...runs)
  }
  return found
})

/** How the id of a sweep begins. */
export const sweepPrefix = "sweep-"

const ofSweep = Effect.fnUntraced(function* (asked: string) {
  const runs = (yield* ofPipeline).flatMap((run) => (run.sweep === undefined ? [] : [{ ...run, sweep: run.sweep }]))
  const ids = Array.from(new Set(runs.map(({ sweep }) => sweep.id))).sort()
  const found = asked === "sweep" ? ids.slice(-1) : ids.filter((id) => asked !== "" && id.startsWith(asked))
  const [id] = found
  if (id !== undefined && found.length === 1) {
    return runs.filter(({ sweep }) => sweep.id === id).sort((a, b) => a.sweep.number - b.sweep.number)
  }
  return yield* new SettingsError({
    asked,
    expected: `the id of a sweep or its first characters (the latest: ${ids.slice(-3).join(", ") || "none yet"})`,
    actual: found.length > 1 ? `${found.length} sweeps that begin with it` : "no such sweep"
  })
})

/** The names of a run's results, now or once they are replaced. */
const resultNames = ({ keys, outputs }: RunRecord): ReadonlyArray<string> =>
  Object.entries(keys).flatMap(([step, key]) => {
    const made = outputs[step]
    return made === undefined ? [key] : [key, replacedName(key, made)]
  })

/** Pins of earlier versions name the run alone. */
const pinned = Effect.gen(function* () {
  const { layout } = yield* Store
  const body = yield* readRecord(layout.pins)
  const found = Option.getOrElse(Option.flatMap(body, Schema.decodeUnknownOption(Pins)), () => [])
  return yield* Effect.forEach(found, (pin) =>
    typeof pin !== "string"
      ? Effect.succeed(pin)
      : Effect.map(readRun(pin), (run) => ({ runId: pin, results: Option.isNone(run) ? [] : resultNames(run.value) }))
  )
})

/** Ids of pinned runs. */
export const pins = Effect.map(pinned, (found): ReadonlyArray<string> => found.map(({ runId }) => runId))

/** Pins a run, so that its results are never collected, or unpins it. */
export const setPinned = Effect.fn("RunLog.setPinned")(function* (run: RunRecord, isPinned: boolean) {
  const { layout } = yield* Store
  const others = (yield* pinned).filter(({ runId }) => runId !== run.runId)
  const own = isPinned ? [{ runId: run.runId, results: resultNames(run) }] : []
  yield* writeRecord(layout, layout.pins, JSON.stringify([...others, ...own]))
})

/** Names of the results of pinned runs. */
export const pinnedResults = Effect.map(pinned, (found) => new Set(found.flatMap(({ results }) => results)))
