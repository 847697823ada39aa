/**
 * Alignment of many pairs of thumbnails: by the native engine's threads where the engine is built, else in JavaScript.
 * Both give the same numbers.
 */
import * as Effect from "effect/Effect"
import { type Aligner as NativeAligner, openAligner } from "../../../engine/native/Aligner.ts"
import { toolchainName } from "../images/Resampler.ts"
import { type Agreement, agreementIn } from "./Alignment.ts"
import { thumbnailBytes } from "./Fingerprint.ts"

/** Two thumbnails, and the orientation of the second in which they are compared (0 to 7). */
export interface Job {
  readonly orientation: number
  readonly first: Uint8Array
  readonly second: Uint8Array
}

export interface Aligner {
  /** The agreement of each pair; undefined where the two cannot be aligned. */
  readonly agreements: (jobs: ReadonlyArray<Job>) => Effect.Effect<ReadonlyArray<Agreement | undefined>>
}

/** The reference. */
export const javascript: Aligner = {
  agreements: (jobs) =>
    Effect.sync(() => jobs.map(({ orientation, first, second }) => agreementIn(orientation, first, second)))
}

const alignPart = async (align: NativeAligner, jobs: ReadonlyArray<Job>): Promise<Array<Agreement | undefined>> => {
  const numbers = new Float64Array(jobs.length * 3)
  const orientations = Uint8Array.from(jobs, (job) => job.orientation)
  const firsts = new Uint8Array(jobs.length * thumbnailBytes)
  const seconds = new Uint8Array(jobs.length * thumbnailBytes)
  for (const [i, job] of jobs.entries()) {
    firsts.set(job.first, i * thumbnailBytes)
    seconds.set(job.second, i * thumbnailBytes)
  }
  await align(orientations, firsts, seconds, numbers)
  return jobs.map((_, i) => {
    const [correlation, worstBlock, overlap] = numbers.subarray(i * 3, i * 3 + 3) as unknown as [number, number, number]
    return Number.isNaN(overlap) ? undefined : { correlation, worstBlock, overlap }
  })
}

const native = (align: NativeAligner, cores: number): Aligner => ({
  agreements: (jobs) =>
    Effect.promise(async () => {
      const length = Math.max(1, Math.ceil(jobs.length / cores))
      const parts = Array.from({ length: Math.ceil(jobs.length / length) }, (_, k) =>
        alignPart(align, jobs.slice(k * length, (k + 1) * length))
      )
      return (await Promise.all(parts)).flat()
    })
})

/** `toolchainDir` gives the folder in which a toolchain keeps what it built; `cores` threads work at a time. */
export const open = (toolchainDir: (name: string) => string, cores: number): Effect.Effect<Aligner> =>
  Effect.sync(() => {
    const align = openAligner(toolchainDir(toolchainName))
    return align === undefined ? javascript : native(align, cores)
  })
