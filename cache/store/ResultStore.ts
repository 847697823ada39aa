/**
 * ResultStore: what a step gave, under its cache key.
 *
 * A result is written last, whole, with a checksum, after all blobs it names. It can be used only while every one of them
 * is there and undamaged; otherwise it is no result, and the step runs again. Torn, flipped or older records are absent ones.
 *
 * A step that is executed again under its key, because somebody forces it, may come out otherwise. The earlier record stays then, under
 * its key and outputs: a run that had it can still be restored.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Ingredients } from "../identity/CacheKey.ts"
import * as Digest from "../identity/Digest.ts"
import type { BlobStore } from "./BlobStore.ts"
import * as Commit from "./Commit.ts"
import { Disk, type DiskError, orAbsent } from "./Disk.ts"
import type { Layout } from "./Layout.ts"
import * as Tree from "./Tree.ts"

/** One artifact of a result. `digest` is what downstream keys see; `entries` are its files, relative to the step's folder. */
export const Output = Schema.Struct({
  kind: Schema.Literals(["json", "file", "folder"]),
  tag: Schema.String,
  path: Schema.String,
  layOut: Schema.Boolean,
  digest: Digest.Digest,
  entries: Tree.Tree
})
export type Output = typeof Output.Type

/** Who made a result, when, on what. Never part of a key. */
export const Provenance = Schema.Struct({
  runId: Schema.String,
  startedAt: Schema.String,
  durationMs: Schema.Finite,
  host: Schema.String,
  opPipe: Schema.String,
  node: Schema.String,
  commit: Schema.NullOr(Schema.String),
  dirty: Schema.NullOr(Schema.Boolean)
})
export type Provenance = typeof Provenance.Type

export const StepResult = Schema.Struct({
  format: Schema.Literal("Result/v1"),
  key: Digest.Digest,
  step: Schema.String,
  ingredients: Ingredients,
  outputs: Schema.Record(Schema.String, Output),
  provenance: Provenance
})
export type StepResult = typeof StepResult.Type

const Stored = Schema.fromJsonString(StepResult)

/** Why a record that is there cannot be served. */
export type Unusable = "absent" | "damaged"

export interface ResultStore {
  /** The record of a name, which is a key or gives one of several results of it, without a look at its blobs. */
  readonly read: (name: string) => Effect.Effect<Option.Option<StepResult>, DiskError, Disk>
  /** The record if every blob it names is there and undamaged; of a key's results that which has `outputs`, if these are given. */
  readonly usable: (
    key: Digest.Digest,
    outputs?: Digest.Digest
  ) => Effect.Effect<StepResult | Unusable, DiskError, Disk>
  /** The record of a key that has `outputs`, without a look at its blobs. */
  readonly withOutputs: (
    key: Digest.Digest,
    outputs: Digest.Digest | undefined
  ) => Effect.Effect<Option.Option<StepResult>, DiskError, Disk>
  readonly write: (result: StepResult) => Effect.Effect<void, DiskError, Disk>
  /** The last result of a step, to compare with. */
  readonly last: (step: string) => Effect.Effect<Option.Option<StepResult>, DiskError, Disk>
  /** Whether the step had a result, be it in the store or no longer. */
  readonly hadResult: (step: string) => Effect.Effect<boolean, DiskError, Disk>
  /** Notes that `key` is the step's result now, and that it was used now. */
  readonly noteLast: (step: string, key: Digest.Digest) => Effect.Effect<void, DiskError, Disk>
}

/** The blobs that a result cannot do without. */
export const blobsOf = (result: StepResult): ReadonlyArray<Digest.Digest> =>
  Object.values(result.outputs).flatMap((output) =>
    output.entries.flatMap((entry) => (entry.kind === "file" ? [entry.digest] : []))
  )

/** What a result's outputs are, in one digest. */
export const outputsOf = (result: StepResult): Digest.Digest => {
  const digests = Object.entries(result.outputs).map(([name, { digest }]) => [name, digest] as const)
  return Digest.ofJson("Outputs/v1", Object.fromEntries(digests))
}

/** The name of an earlier record of `key`, which another one has replaced. */
export const replacedName = (key: Digest.Digest, outputs: Digest.Digest): string => `${key}~${outputs.slice(0, 16)}`

export const make = (layout: Layout, blobs: BlobStore): ResultStore => {
  const read: ResultStore["read"] = (name) =>
    Commit.readRecord(layout.result(name)).pipe(
      Effect.map(Option.flatMap(Schema.decodeUnknownOption(Stored))),
      Effect.map(Option.filter((result) => name === result.key || name === replacedName(result.key, outputsOf(result))))
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
  const lastKey = Effect.fnUntraced(function* (step: string) {
    const last = yield* Commit.readRecord(layout.lastResult(step))
    return Option.getOrUndefined(Option.filter(last, Digest.isDigest))
  })
  const noteLast: ResultStore["noteLast"] = Effect.fnUntraced(function* (step, key) {
    const disk = yield* Disk
    // The age of a result, for the collection, is the time since its last use.
    yield* orAbsent(disk.touch(layout.result(key)))
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
    read,
    withOutputs,
    usable,
    write,
    noteLast,
    hadResult: (step) => Effect.map(lastKey(step), (key) => key !== undefined),
    last: Effect.fnUntraced(function* (step) {
      const key = yield* lastKey(step)
      return key === undefined ? Option.none<StepResult>() : yield* read(key)
    })
  }
}
