/**
 * ResultStore: the results of steps, by cache key.
 *
 * A record is written last, atomically, with a checksum, after all blobs that it names. It can be used only while every
 * one of them exists undamaged; otherwise the step runs again. Torn, corrupted or older records count as absent.
 *
 * A step that is forced to run again under its key may give other outputs. Then the earlier record stays, under its key
 * and the digest of its outputs: a run that had it can still be restored.
 */
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Ingredients, isIngredients, isRecord } from "../identity/CacheKey.ts"
import * as Digest from "../identity/Digest.ts"
import { isRacy, keepsTimes } from "../identity/FileStat.cjs"
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
  /** How many cores the step was given; records of before have none. */
  readonly cores?: number
  /** Whether nothing but what the key holds was in reach of the work; records of before have none. */
  readonly sealed?: boolean
  /** What the step said that a user should know. */
  readonly notices?: ReadonlyArray<string>
  /** Why attempts failed before this one, if any did. */
  readonly failedAttempts?: ReadonlyArray<string>
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

const partsOf = (at: string): ReadonlyArray<string> => at.split("/").filter((part) => part !== "" && part !== ".")

/** Whether an output may lie there: within the step's folder. */
const isPlace = (at: unknown): at is string =>
  isString(at) && !at.startsWith("/") && !at.includes("\0") && !partsOf(at).includes("..")

/** Whether a link at `at` leads nowhere but into `folder`, or is absolute; those were looked at when they were taken. */
export const staysIn = (folder: string, at: string, target: string): boolean => {
  if (target.startsWith("/")) return true
  const below = partsOf(at).slice(partsOf(folder).length, -1)
  for (const part of partsOf(target)) {
    if (part !== "..") below.push(part)
    else if (below.pop() === undefined) return false
  }
  return true
}

/** Whether the entries are those of a folder at `folder`: each in a folder that comes before it, in order, each once. */
const isFolderAt = (folder: string, [root, ...below]: Tree.Tree): boolean => {
  if (root?.kind !== "folder" || root.path !== folder) return false
  const folders = new Set([folder])
  let [last, parent] = [folder, folder]
  return below.every((entry) => {
    const cut = entry.path.lastIndexOf("/")
    const [above, name] = [entry.path.slice(0, cut), entry.path.slice(cut + 1)]
    if (cut < 0 || name === "" || name === "." || name === ".." || name.includes("\0")) return false
    if (entry.path <= last || (above !== parent && !folders.has(above))) return false
    ;[last, parent] = [entry.path, above]
    if (entry.kind === "folder") folders.add(entry.path)
    return entry.kind !== "link" || staysIn(folder, entry.path, entry.target)
  })
}

const isOutput = (value: unknown): value is Output => {
  if (!isRecord(value)) return false
  const { kind, path, entries } = value
  const isFitting =
    (kind === "json" || kind === "file" || kind === "folder") &&
    isString(value["tag"]) &&
    isPlace(path) &&
    typeof value["layOut"] === "boolean" &&
    Digest.isDigest(value["digest"]) &&
    Tree.isTree(entries)
  if (!isFitting) return false
  const [first] = entries
  return kind === "folder"
    ? isFolderAt(path, entries)
    : entries.length === 1 && first?.kind === "file" && first.path === path
}

/** Whether no output lies in another: an entry of the one could be reached through a link of the other. */
const lieApart = (outputs: ReadonlyArray<Output>): boolean => {
  const places = outputs.map((output) => partsOf(output.path))
  const taken = new Set(places.map((parts) => parts.join("/")))
  const isBelowAnother = (parts: ReadonlyArray<string>): boolean =>
    parts.some((_, depth) => taken.has(parts.slice(0, depth).join("/")))
  return taken.size === outputs.length && !places.some(isBelowAnother)
}

/** Whether a value that was parsed from JSON is the outputs of a result. */
export const areOutputs = (value: unknown): value is StepResult["outputs"] => {
  const outputs = isRecord(value) ? Object.values(value) : undefined
  return outputs?.every(isOutput) === true && (outputs.length === 1 || lieApart(outputs))
}

const areTexts = (value: unknown): boolean => value === undefined || (Array.isArray(value) && value.every(isString))

const isProvenance = (value: unknown): value is Provenance =>
  isRecord(value) &&
  isString(value["runId"]) &&
  !value["runId"].includes("/") &&
  isString(value["startedAt"]) &&
  Number.isFinite(value["durationMs"]) &&
  isString(value["host"]) &&
  isString(value["opPipe"]) &&
  isString(value["node"]) &&
  (value["commit"] === null || isString(value["commit"])) &&
  (value["dirty"] === null || typeof value["dirty"] === "boolean") &&
  (value["cores"] === undefined || Number.isFinite(value["cores"])) &&
  (value["sealed"] === undefined || typeof value["sealed"] === "boolean") &&
  areTexts(value["notices"]) &&
  areTexts(value["failedAttempts"])

/**
 * Checked by hand and not by a Schema: every run reads every result. Whoever can write to a store can write records: what is
 * none of op-pipe's own counts as absent, so that nothing is written outside of the folder that it is for.
 */
const isStepResult = (value: unknown): value is StepResult =>
  isRecord(value) &&
  value["format"] === "Result/v1" &&
  Digest.isDigest(value["key"]) &&
  isString(value["step"]) &&
  isIngredients(value["ingredients"]) &&
  areOutputs(value["outputs"]) &&
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

/** Why there is no result to use under a key; `refused` is a record that op-pipe did not write, or not so. */
export type Unusable = "absent" | "damaged" | "refused" | "unsealed"

/** Whether only results that were made behind walls are used. */
export const OnlySealed = Context.Reference<boolean>("op-pipe/OnlySealed", { defaultValue: () => false })

const isSealed = ({ provenance }: StepResult): boolean => provenance.sealed === true

/** The keys of last results by step, and since when that may be otherwise. */
export interface LastKeys {
  readonly keys: Readonly<Record<string, unknown>>
  readonly asOfMs: number
}
export const noLastKeys: LastKeys = { keys: {}, asOfMs: 0 }

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
   * Which is a step's last need not be read where all such notes are older than `history`, which tells them in one file.
   */
  readonly known: (
    history: LastKeys
  ) => Effect.Effect<(step: string, key: Digest.Digest, sync: SyncDisk) => StepResult | undefined>
  readonly write: (result: StepResult) => Effect.Effect<void, DiskError, Disk>
  /** The last result of a step, to compare with. */
  readonly last: (step: string) => Effect.Effect<Option.Option<StepResult>, DiskError, Disk>
  /** The key of the step's last result, which may be in the store no longer; undefined if it never had one. */
  readonly lastKey: (step: string) => Effect.Effect<Digest.Digest | undefined, DiskError, Disk>
  /**
   * Notes that the results of `keys` were used now; the collection counts their age from then. In a store that is another's,
   * or read-only, it cannot be noted: notes never fail work.
   */
  readonly noteUse: (keys: ReadonlyArray<Digest.Digest>) => Effect.Effect<void, never, Disk>
  /** Notes that `key` is the key of the step's last result, used now. */
  readonly noteLast: (step: string, key: Digest.Digest) => Effect.Effect<void, never, Disk>
}

/** The blobs that a result needs. */
export const blobsOf = (result: StepResult): ReadonlyArray<Digest.Digest> =>
  Object.values(result.outputs).flatMap((output) =>
    output.entries.flatMap((entry) => (entry.kind === "file" ? [entry.digest] : []))
  )

/** One digest of all outputs of a result. */
export const outputsOf = (result: StepResult): Digest.Digest => {
  const digests: Record<string, Digest.Digest> = {}
  for (const name in result.outputs) digests[name] = result.outputs[name]!.digest
  return Digest.ofJson("Outputs/v1", digests)
}

/** The name of a record of `key` that another one has replaced. */
export const replacedName = (key: Digest.Digest, outputs: Digest.Digest): string => `${key}~${outputs.slice(0, 16)}`

/** The result that the record called `name` holds; none if it is another's. */
const named = (name: string, body: string): Option.Option<StepResult> =>
  Option.filter(parse(body), (result) => name === result.key || name === replacedName(result.key, outputsOf(result)))

const makeKnown = (layout: Layout, blobs: BlobStore, { keys, asOfMs }: LastKeys) =>
  Effect.map(Effect.all([Commit.bodies, OnlySealed]), ([bodyOf, onlySealed]) => {
    const bodyAt = (file: string, sync: SyncDisk): string | undefined => {
      const text = sync.record(file)
      return text === undefined ? undefined : bodyOf(text)
    }
    let told: ReadonlySet<string> | undefined
    /** Whether a note is there, and none was written since the history was: each is a new file. */
    const isAsTold = (note: string, sync: SyncDisk): boolean => {
      if (told === undefined) {
        const folder = path.dirname(note)
        const stat = sync.stat(folder)
        const isOlder = stat !== undefined && !isRacy(stat, asOfMs) && keepsTimes(folder, stat.device, true)
        told = new Set(isOlder ? sync.names(folder) : [])
      }
      return told.has(path.basename(note))
    }
    const isLast = (step: string, key: Digest.Digest, sync: SyncDisk): boolean => {
      const note = layout.lastResult(step)
      return (keys[step] === key && isAsTold(note, sync)) || bodyAt(note, sync) === key
    }
    return (step: string, key: Digest.Digest, sync: SyncDisk): StepResult | undefined => {
      const body = bodyAt(layout.result(key), sync)
      const result = body === undefined ? undefined : Option.getOrUndefined(named(key, body))
      if (result === undefined || !isLast(step, key, sync)) return undefined
      if (onlySealed && !isSealed(result)) return undefined
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
  const isThere = (key: Digest.Digest) => Effect.flatMap(Disk, (disk) => disk.exists(layout.result(key)))
  const usable: ResultStore["usable"] = Effect.fnUntraced(function* (key, outputs) {
    const result = yield* withOutputs(key, outputs)
    if (Option.isNone(result)) return (yield* isThere(key)) ? "refused" : "absent"
    if ((yield* OnlySealed) && !isSealed(result.value)) return "unsealed"
    for (const digest of blobsOf(result.value)) {
      if (Option.isNone(yield* blobs.verified(digest))) return "damaged"
    }
    return result.value
  })
  return { read, withOutputs, usable, known: (history) => makeKnown(layout, blobs, history) }
}

export const make = (layout: Layout, blobs: BlobStore): ResultStore => {
  const reading = makeReading(layout, blobs)
  const { read } = reading
  const lastKey = Effect.fnUntraced(function* (step: string) {
    const last = yield* Commit.readHint(layout.lastResult(step))
    return Option.getOrUndefined(Option.filter(last, Digest.isDigest))
  })
  const noteUse: ResultStore["noteUse"] = (keys) =>
    Effect.flatMap(Disk, (disk) => Effect.ignore(disk.touch(keys.map(layout.result))))
  const noteLast: ResultStore["noteLast"] = Effect.fnUntraced(function* (step, key) {
    yield* noteUse([key])
    const before = yield* Effect.option(lastKey(step))
    if (Option.getOrUndefined(before) === key) return
    yield* Effect.ignore(Commit.writeHint(layout, layout.lastResult(step), key))
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
    lastKey,
    last: Effect.fnUntraced(function* (step) {
      const key = yield* lastKey(step)
      return key === undefined ? Option.none<StepResult>() : yield* read(key)
    })
  }
}
