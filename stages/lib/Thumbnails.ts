/**
 * Thumbnails of many pictures: the first so many in memory, the others in a file of the step's scratch folder.
 *
 * Use it when there may be too many pictures to hold them all: memory stays the same from some thousands on, and a set of
 * ordinary size never touches the disk.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Semaphore from "effect/Semaphore"
import { Stage } from "../../core/index.ts"

export interface Thumbnails {
  /** Keeps the thumbnail of picture `at` (any order, many fibers). */
  readonly put: (at: number, rgb: Uint8Array) => Effect.Effect<void, Stage.StageFailure>
  /** The thumbnail of picture `at`, as it was put. */
  readonly get: (at: number) => Effect.Effect<Uint8Array, Stage.StageFailure>
}

const failed = (cause: { readonly message: string }): Stage.StageFailure =>
  new Stage.StageFailure({ reason: `Thumbnails cannot be kept in the scratch folder: ${cause.message}` })

/** A store of thumbnails of `bytes` bytes each, `inMemory` of them in memory, the others in `file`, until the scope closes. */
export const make = Effect.fnUntraced(function* (file: string, bytes: number, inMemory: number) {
  const fs = yield* FileSystem.FileSystem
  const near: Array<Uint8Array | undefined> = []
  const lock = yield* Semaphore.make(1)
  const open = yield* Effect.cached(fs.open(file, { flag: "w+" }).pipe(Effect.mapError(failed)))
  const scope = yield* Effect.scope
  const handle = Effect.provideService(open, yield* Effect.succeed(ScopeTag), scope)
  const put: Thumbnails["put"] = (at, rgb) =>
    at < inMemory
      ? Effect.sync(() => void (near[at] = rgb))
      : Effect.flatMap(handle, (opened) =>
          opened
            .seek(BigInt((at - inMemory) * bytes), "start")
            .pipe(Effect.andThen(opened.writeAll(rgb)), Effect.mapError(failed))
        ).pipe(Semaphore.withPermits(lock, 1))
  const get: Thumbnails["get"] = Effect.fnUntraced(function* (at) {
    const kept = at < inMemory ? near[at] : undefined
    if (kept !== undefined) return kept
    const opened = yield* handle
    const into = new Uint8Array(bytes)
    const got = yield* opened.read(into, { position: BigInt((at - inMemory) * bytes) }).pipe(Effect.mapError(failed))
    if (Number(got) !== bytes) return yield* failed({ message: `picture ${at} has none` })
    return into
  })
  return { put, get } satisfies Thumbnails
})
