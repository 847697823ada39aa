/**
 * Thumbnails of many images: the first so many in memory, the others in a file of the step's scratch folder.
 *
 * For sets of any size: memory stops growing at some thousands of images, and a set of ordinary size never touches the
 * disk.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Semaphore from "effect/Semaphore"
import { Stage } from "../../../core/index.ts"

export interface Thumbnails {
  /** Keeps the thumbnail of image `at` (any order, many fibers). */
  readonly put: (at: number, rgb: Uint8Array) => Effect.Effect<void, Stage.StageFailure>
  /** The thumbnail of image `at`, as it was put. */
  readonly get: (at: number) => Effect.Effect<Uint8Array, Stage.StageFailure>
}

const failed = (cause: { readonly message: string }): Stage.StageFailure =>
  new Stage.StageFailure({
    reason: "The thumbnails cannot be kept in the scratch folder",
    expected: "a writable folder with room for them",
    actual: cause.message
  })

/** `bytes` is the size of one thumbnail; the others count images. */
export interface Room {
  readonly bytes: number
  readonly inMemory: number
  readonly total: number
}

/** A store for `total` thumbnails that uses `file` for those beyond `inMemory`, until the scope closes. */
export const make = Effect.fnUntraced(function* (file: string, { bytes, inMemory, total }: Room) {
  const fs = yield* FileSystem.FileSystem
  const near: Array<Uint8Array | undefined> = []
  const handle = total > inMemory ? yield* Effect.mapError(fs.open(file, { flag: "w+" }), failed) : undefined
  // a position and the write at it belong together
  const lock = yield* Semaphore.make(1)
  const put: Thumbnails["put"] = (at, rgb) => {
    if (handle === undefined || at < inMemory) {
      return Effect.sync(() => {
        near[at] = rgb
      })
    }
    return handle
      .seek(BigInt((at - inMemory) * bytes), "start")
      .pipe(Effect.andThen(handle.writeAll(rgb)), Effect.mapError(failed), Semaphore.withPermits(lock, 1))
  }
  const get: Thumbnails["get"] = Effect.fnUntraced(function* (at) {
    const kept = near[at]
    if (kept !== undefined) return kept
    if (handle === undefined) return yield* failed({ message: `image ${at} has no thumbnail` })
    const into = new Uint8Array(bytes)
    const got = yield* handle.read(into, { position: BigInt((at - inMemory) * bytes) }).pipe(Effect.mapError(failed))
    return Number(got) === bytes ? into : yield* failed({ message: `image ${at} has no thumbnail` })
  })
  return { put, get } satisfies Thumbnails
})
