/**
 * ResultStore: the results of steps, by cache key.
 *
 * A record is written last, atomically, with a checksum, after all blobs that it names. It can be used only while every
 * one of them exists undamaged; otherwise the step runs again. Torn, corrupted or older records count as absent.
 *
 * A step that is forced to run again under its key may give other outputs. Then the earlier record stays, under its key
 * and the digest of its outputs: a run that had it can still be restored.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Ingredients, isIngredients, isRecord } from "../identity/CacheKey.ts"
import * as Digest from "../identity/Digest.ts"
import type { BlobStore } from "./BlobStore.ts"
import * as Commit from "./Commit.ts"
import { Disk, type DiskError, type SyncDisk } from "./Disk.ts"
import type { Layout } from "./Layout.ts"
import * as Tree from "./Tree.ts"

/** One artifact of a result. Downstream keys hold `digest`; `entries` are its files, relative to the step's folder. */
export interface Output {
  readonly kind: "json" | "file" | "folder"
  readonly tag: string
  readonly path: string
  /** Whether `outputs/` holds its files too: the artifact's `materialize`, under the name that records have for it. */
  readonly layOut: boolean
  readonly digest: Digest.Digest
  readonly entries: Tree.Tree
}

/** When, where and by which run a result was made. Never part of a key. */
export interface Provenance {
  readonly runId: string
  readonly startedAt: string
  readonly durationMs: number
  readonly host: string
  readonly opPipe: string
  readonly node: string
  readonly commit: string | null
  readonly dirty: boolean | null
  /** Whether nothing but what the key holds was in reach of the work; records of before have none. */
  readonly sealed?: boolean
}

export interface StepResult {
  readonly format: "Result/v1"
  readonly key: Digest.Digest
  readonly step: string
  readonly ingredients: Ingredients
  readonly outputs: Readonly<Record<string, Output>>
  readonly provenance: Provenance
}

const isString = (value: unknown): value is string => typeof value === "string"

const isOutput = (value: unknown): value is Output =>
  isRecord(value) &&
  (value["kind"] === "json" || value["kind"] === "file" || value["kind"] === "folder") &&
  isString(value["tag"]) &&
  isString(value["path"]) &&
  typeof value["layOut"] === "boolean" &&
  Digest.isDigest(value["digest"]) &&
  Tree.isTree(value["entries"])

const isProvenance = (value: unknown): value is Provenance =>
  isRecord(value) &&
  isString(value["runId"]) &&
  isString(value["startedAt"]) &&
  Number.isFinite(value["durationMs"]) &&
  isString(value["host"]) &&
  isString(value["opPipe"]) &&
  isString(value["node"]) &&
  (value["commit"] === null || isString(value["commit"])) &&
  (value["dirty"] === null || typeof value["dirty"] === "boolean") &&
  (value["sealed"] === undefined || typeof value["sealed"] === "boolean")

/** Checked by hand and not by a Schema: every run reads every result. */
const isStepResult = (value: unknown): value is StepResult =>
  isRecord(value) &&
  value["format"] === "Result/v1" &&
  Digest.isDigest(value["key"]) &&
  isString(value["step"]) &&
  isIngredients(value["ingredients"]) &&
  isRecord(value["outputs"]) &&
  Object.values(value["outputs"]).every(isOutput) &&
  isProvenance(value["provenance"])

/** The result in a record's body; none if the body is something else. */
export const parse = (body: string): Option.Option<StepResult> => {
  try {
    const value: unknown = JSON.parse(body)
    return isStepResult(value) ? Option.some(value) : Option.none()
  } catch {
    return Option.none()
  }
}

/** Why there is no result to use under a key. */
export type Unusable = "absent" | "damaged"

export interface ResultStore {
  /** The record of a name (a key, or the name of one of its replaced records); its blobs are not checked. */
  readonly read: (name: string) => Effect.Effect<Option.Option<StepResult>, DiskError, Disk>
  /** The record, if every blob that it names exists undamaged. `outputs` chooses among several results of a key. */
  readonly usable: (
    key: Digest.Digest,
    outputs?: Digest.Digest
  ) => Effect.Effect<StepResult | Unusable, DiskError, Disk>
  /** The record of a key that has `outputs`; its blobs are not checked. */
  readonly withOutputs: (
    key: Digest.Digest,
    outputs: Digest.Digest | undefined
  ) => Effect.Effect<Option.Option<StepResult>, DiskError, Disk>
  /**
   * A synchronous function that returns the record if it is certain that `usable` gives it and that it is the step's
   * last. Undefined means that this is not certain: a blob may have to be read first, or there is no such record.
   */
  readonly known: Effect.Effect<(step: string, key: Digest.Digest, sync: SyncDisk) => StepResult | undefined>
  readonly write: (result: StepResult) => Effect.Effect<void, DiskError, Disk>
  /** The last result of a step, to compare with. */
  readonly last: (step: string) => Effect.Effect<Option.Option<StepResult>, DiskError, Disk>
  /** Whether the step ever had a result, in the store or no longer. */
  readonly hadResult: (step: string) => Effect.Effect<boolean, DiskError, Disk>
  /** Notes that the results of `keys` were used now; the collection counts their age from then. */
  readonly noteUse: (keys: ReadonlyArray<Digest.Digest>) => Effect.Effect<void, DiskError, Disk>
  /** Notes that `key` is the key of the step's last result, used now. */
  readonly noteLast: (step: string, key: Digest.Digest) => Effect.Effect<void, DiskError, Disk>
}

/** The blobs that a result needs. */
export const blobsOf = (result: StepResult): ReadonlyArray<Digest.Digest> =>
  Object.values(result.outputs).flatMap((output) =>
    output.entries.flatMap((entry) => (entry.kind === "file" ? [entry.digest] : []))
  )

/** One digest of all outputs of a result. */
export const outputsOf = (result: StepResult): Digest.Digest => {
  const digests = Object.entries(result.outputs).map(([name, { digest }]) => [name, digest] as const)
  return Digest.ofJson("Outputs/v1", Object.fromEntries(digests))
}

/** The name of a record of `key` that another one has replaced. */
export const replacedName = (key: Digest.Digest, outputs: Digest.Digest): string => `${key}~${outputs.slice(0, 16)}`

/** The result that the record called `name` holds; none if it is another's. */
const named = (name: string, body: string): Option.Option<StepResult> =>
  Option.filter(parse(body), (result) => name === result.key || name === replacedName(result.key, outputsOf(result)))

const makeKnown = (layout: Layout, blobs: BlobStore): ResultStore["known"] =>
  Effect.map(Commit.bodies, (bodyOf) => {
    const bodyAt = (file: string, sync: SyncDisk): string | undefined => {
      const text = sync.text(file)
      return text === undefined ? undefined : bodyOf(text)
    }
    return (step, key, sync) => {
      const body = bodyAt(layout.result(key), sync)
      const result = body === undefined ? undefined : Option.getOrUndefined(named(key, body))
      if (result === undefined || bodyAt(layout.lastResult(step), sync) !== key) return undefined
      return blobsOf(result).every((digest) => blobs.isKnown(digest, sync)) ? result : undefined
    }
  })

type Reading = Pick<ResultStore, "read" | "withOutputs" | "usable" | "known">

const makeReading = (layout: Layout, blobs: BlobStore): Reading => {
  const read: ResultStore["read"] = (name) =>
    Effect.map(
      Commit.readRecord(layout.result(name)),
      Option.flatMap((body) => named(name, body))
    )
  const withOutputs: ResultStore["withOutputs"] = Effect.fnUntraced(function* (key, outputs) {
    const current = yield* read(key)
    if (outputs === undefined || Option.exists(current, (result) => outputsOf(result) === outputs)) return current
    return yield* read(replacedName(key, outputs))
  })
  const usable: ResultStore["usable"] = Effect.fnUntraced(function* (key, outputs) {
    const result = yield* withOutputs(key, outputs)
    if (Option.isNone(result)) return "absent"
    for (const digest of blobsOf(result.value)) {
      if (Option.isNone(yield* blobs.verified(digest))) return "damaged"
    }
    return result.value
  })
  return { read, withOutputs, usable, known: makeKnown(layout, blobs) }
}

export const make = (layout: Layout, blobs: BlobStore): ResultStore => {
  const reading = makeReading(layout, blobs)
  const { read } = reading
  const lastKey = Effect.fnUntraced(function* (step: string) {
    const last = yield* Commit.readRecord(layout.lastResult(step))
    return Option.getOrUndefined(Option.filter(last, Digest.isDigest))
  })
  const noteUse: ResultStore["noteUse"] = (keys) => Effect.flatMap(Disk, (disk) => disk.touch(keys.map(layout.result)))
  const noteLast: ResultStore["noteLast"] = Effect.fnUntraced(function* (step, key) {
    yield* noteUse([key])
    const before = yield* lastKey(step)
    if (before !== key) yield* Commit.writeHint(layout, layout.lastResult(step), key)
  })
  const write: ResultStore["write"] = Effect.fnUntraced(function* (result) {
    const disk = yield* Disk
    const before = yield* read(result.key)
    if (Option.isSome(before) && outputsOf(before.value) !== outputsOf(result)) {
      const replaced = layout.result(replacedName(result.key, outputsOf(before.value)))
      if (!(yield* disk.exists(replaced))) yield* disk.link(layout.result(result.key), replaced)
    }
    yield* Commit.writeRecord(layout, layout.result(result.key), JSON.stringify(result))
  })
  return {
    ...reading,
    noteUse,
    write,
    noteLast,
    hadResult: (step) => Effect.map(lastKey(step), (key) => key !== undefined),
    last: Effect.fnUntraced(function* (step) {
      const key = yield* lastKey(step)
      return key === undefined ? Option.none<StepResult>() : yield* read(key)
    })
  }
}
