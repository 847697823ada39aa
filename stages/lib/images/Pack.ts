/**
 * Packed images: fixed-size records in shard files, written in any order and read by position.
 *
 * For training: a batch is a few reads at known positions, without decoding and without the whole set in memory. The
 * layout is that of `schemas/Augment.ts`: record `i` of a split is the `i`-th of its shards taken together.
 *
 * Gotcha: a reader keeps its files open until its scope closes, and calls of `read` that run at the same time need an
 * `into` each.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Semaphore from "effect/Semaphore"
import { Stage } from "../../../core/index.ts"
import type { PackIndex, PackSplit, Shard } from "../../../schemas/Augment.ts"
import { type SplitName, splitNames } from "../../../schemas/Names.ts"

/** The number of records in a shard of at most `shardBytes`; at least one. */
export const recordsPerShard = (recordBytes: number, shardBytes: number): number =>
  Math.max(1, Math.floor(shardBytes / recordBytes))

/** The shards of a split with `count` records. File names sort in order. */
export const planShards = (split: SplitName, count: number, perShard: number): ReadonlyArray<Shard> =>
  Array.from({ length: Math.ceil(count / perShard) }, (_, i) => ({
    file: `${split}-${String(i).padStart(4, "0")}.bin`,
    records: Math.min(perShard, count - i * perShard)
  }))

const cannot = (what: "read" | "written", file: string) => (cause: { readonly message: string }) =>
  new Stage.StageFailure({
    reason: `Packed images cannot be ${what}: ${file}`,
    expected: what === "read" ? "a whole shard" : "a writable folder with room for the shards",
    actual: cause.message
  })

export interface Writer {
  /** Writes one record at its place. Safe to call from many fibers. */
  readonly write: (split: SplitName, at: number, record: Uint8Array) => Effect.Effect<void, Stage.StageFailure>
}

/** A writer of the given shards below `folder`, until the scope closes. All shards of a split but the last are full. */
export const create = Effect.fnUntraced(
  function* (folder: string, recordBytes: number, shards: Readonly<Record<SplitName, ReadonlyArray<Shard>>>) {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const open = Effect.fnUntraced(function* ({ file }: Shard) {
      const handle = yield* fs.open(paths.join(folder, file), { flag: "w" })
      // a position and the write at it belong together
      return { file, handle, lock: yield* Semaphore.make(1) }
    })
    const files = {
      train: yield* Effect.forEach(shards.train, open),
      validation: yield* Effect.forEach(shards.validation, open),
      test: yield* Effect.forEach(shards.test, open)
    }
    const write: Writer["write"] = (split, at, record) => {
      const perShard = shards[split][0]!.records
      const { file, handle, lock } = files[split][Math.floor(at / perShard)]!
      const position = BigInt((at % perShard) * recordBytes)
      return handle
        .seek(position, "start")
        .pipe(
          Effect.andThen(handle.writeAll(record)),
          Semaphore.withPermits(lock, 1),
          Effect.mapError(cannot("written", file))
        )
    }
    return { write } satisfies Writer
  },
  Effect.catchTag("PlatformError", (cause) => Effect.fail(cannot("written", "shards")(cause)))
)

export interface Pack {
  /** Width and height, pixels. */
  readonly size: number
  readonly channels: number
  /** `size * size * channels`. */
  readonly recordBytes: number
  /** Records in the split. */
  readonly count: (split: SplitName) => number
  /** Class index of every record of the split; not to be written to. */
  readonly labels: (split: SplitName) => Int32Array
  /**
   * Reads the records at `indices` one after the other into `into` (uint8, NHWC), which holds at least
   * `indices.length * recordBytes`. Neighbours in a shard are read at once.
   */
  readonly read: (
    split: SplitName,
    indices: ArrayLike<number>,
    into: Uint8Array
  ) => Effect.Effect<void, Stage.StageFailure>
}

/** One read: `records` records from position `at` of a shard to position `to` of the batch. */
interface Piece {
  readonly shard: number
  readonly at: number
  readonly to: number
  readonly records: number
}

/** The fewest reads that bring the records in the wanted order. */
const piecesOf = (indices: ArrayLike<number>, perShard: number): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  for (let to = 0; to < indices.length; ) {
    const first = indices[to]!
    let records = 1
    while (
      to + records < indices.length &&
      indices[to + records] === first + records &&
      (first + records) % perShard !== 0
    ) {
      records += 1
    }
    pieces.push({ shard: Math.floor(first / perShard), at: first % perShard, to, records })
    to += records
  }
  return pieces
}

/** Opens one shard and checks that it has the length that the index says. */
const openShard = Effect.fnUntraced(
  function* (folder: string, { file, records }: Shard, recordBytes: number) {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const handle = yield* fs.open(paths.join(folder, file), { flag: "r" })
    const { size } = yield* handle.stat
    if (Number(size) !== records * recordBytes) {
      return yield* new Stage.StageFailure({
        reason: `A shard of packed images has the wrong size: ${file}`,
        expected: `${records * recordBytes} bytes`,
        actual: `${size} bytes`
      })
    }
    return { file, handle }
  },
  (effect, _folder, { file }) =>
    Effect.catchTag(effect, "PlatformError", (cause) => Effect.fail(cannot("read", file)(cause)))
)

const outOfRange = (split: SplitName, count: number, actual: string): Stage.StageFailure =>
  new Stage.StageFailure({
    reason: `The ${split} split has no packed image at a position that was asked for`,
    expected: `positions from 0 to ${count - 1} and room for their records`,
    actual
  })

const readerOf = (
  split: SplitName,
  { shards, records }: PackSplit,
  files: ReadonlyArray<{ readonly file: string; readonly handle: FileSystem.File }>,
  recordBytes: number
) =>
  Effect.fnUntraced(function* (indices: ArrayLike<number>, into: Uint8Array) {
    if (into.length < indices.length * recordBytes) {
      return yield* outOfRange(split, records.length, `room for ${into.length} bytes`)
    }
    for (let i = 0; i < indices.length; i++) {
      const at = indices[i]!
      if (!Number.isInteger(at) || at < 0 || at >= records.length) {
        return yield* outOfRange(split, records.length, `position ${at}`)
      }
    }
    const perShard = shards[0]?.records ?? 1
    for (const piece of piecesOf(indices, perShard)) {
      const { file, handle } = files[piece.shard]!
      const target = into.subarray(piece.to * recordBytes, (piece.to + piece.records) * recordBytes)
      for (let done = 0; done < target.length; ) {
        const position = BigInt(piece.at * recordBytes + done)
        const got = yield* handle.read(target.subarray(done), { position }).pipe(Effect.mapError(cannot("read", file)))
        if (got === 0) return yield* cannot("read", file)({ message: "the file ends too early" })
        done += Number(got)
      }
    }
  })

/** Opens the packed images below `folder` as `index` describes them, until the scope closes. */
export const open = Effect.fnUntraced(function* (folder: string, index: PackIndex) {
  const recordBytes = index.size * index.size * index.channels
  const readers = {} as Record<
    SplitName,
    (indices: ArrayLike<number>, into: Uint8Array) => Effect.Effect<void, Stage.StageFailure>
  >
  for (const split of splitNames) {
    const files = yield* Effect.forEach(index.splits[split].shards, (shard) => openShard(folder, shard, recordBytes))
    readers[split] = readerOf(split, index.splits[split], files, recordBytes)
  }
  const labels = Object.fromEntries(
    splitNames.map((split) => [split, Int32Array.from(index.splits[split].records, (record) => record.label)])
  ) as Record<SplitName, Int32Array>
  return {
    size: index.size,
    channels: index.channels,
    recordBytes,
    count: (split) => labels[split].length,
    labels: (split) => labels[split],
    read: (split, indices, into) => readers[split](indices, into)
  } satisfies Pack
})
