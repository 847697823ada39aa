/**
 * Decodes every image once, to a thumbnail and a descriptor, or finds why it cannot be decoded.
 *
 * Memory holds a few hundred bytes per image and the first ten thousand thumbnails; the others are in the scratch
 * folder.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Stage } from "../../../core/index.ts"
import type { SetAside } from "../../../schemas/Split.ts"
import * as Fingerprint from "../duplicates/Fingerprint.ts"
import * as Thumbnails from "../duplicates/Thumbnails.ts"
import { toFailure } from "../Failure.ts"
import * as Resampler from "../images/Resampler.ts"
import type { ListedFile } from "./ImageListing.ts"
import type { Scanned } from "./LeakageGroups.ts"

/** 10,000 thumbnails are 69 MB. */
const inMemory = 10_000

export interface ScanOptions {
  /** The data root. */
  readonly root: string
  readonly files: ReadonlyArray<ListedFile>
  readonly pixelLimit: number
  readonly cores: number
  /** A scratch folder. */
  readonly workdir: string
  /** Where a toolchain keeps what it built. */
  readonly toolchainDir: (name: string) => string
  readonly progress: (progress: Stage.Progress) => Effect.Effect<void>
}

export interface Scan {
  /** In the order of the files. `at` is the image's place in `thumbnails`. */
  readonly scanned: ReadonlyArray<Scanned>
  readonly setAside: ReadonlyArray<SetAside>
  readonly thumbnails: Thumbnails.Thumbnails
}

/**
 * Scans all files. Concurrency hides the wait for the disk; libvips and, where it is built, the native engine work on
 * threads of their own.
 */
export const scan = Effect.fnUntraced(function* (options: ScanOptions) {
  const { root, files, pixelLimit, cores, workdir, toolchainDir, progress } = options
  const resampler = yield* Resampler.open(toolchainDir)
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  yield* fs.makeDirectory(workdir, { recursive: true }).pipe(Effect.mapError(toFailure))
  const room = { bytes: Fingerprint.thumbnailBytes, inMemory, total: files.length }
  const thumbnails = yield* Thumbnails.make(paths.join(workdir, "thumbnails.bin"), room)
  const decode = Effect.fnUntraced(function* (file: ListedFile, at: number) {
    const result = yield* Effect.result(
      Fingerprint.ofFile(paths.join(root, ...file.path.split("/")), pixelLimit, resampler)
    )
    if (result._tag === "Failure") return { ...file, reason: result.failure } satisfies SetAside
    const { rgb, ...fingerprint } = result.success
    yield* thumbnails.put(at, rgb)
    return { ...file, at, fingerprint } satisfies Scanned
  })
  let done = 0
  const first = yield* Effect.forEach(
    files,
    Effect.fnUntraced(function* (file, at) {
      const entry = yield* decode(file, at)
      done += 1
      if (done % 64 === 0 || done === files.length) {
        yield* progress({ label: "scan", done, total: files.length, unit: "images" })
      }
      return entry
    }),
    { concurrency: Math.max(2, cores * 3) }
  )
  // libvips keeps one buffer of messages for all threads: a reason is certain only when nothing else is decoded at the time
  const certain = yield* Effect.forEach(first, (entry, at) =>
    "reason" in entry ? decode(files[at]!, at) : Effect.succeed(entry)
  )
  return {
    scanned: certain.flatMap((entry) => ("reason" in entry ? [] : [entry])),
    setAside: certain.flatMap((entry) => ("reason" in entry ? [entry] : [])),
    thumbnails
  } satisfies Scan
})
