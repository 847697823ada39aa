/**
 * Resampling of images to packed records: by the native engine's threads where the engine is built, else in JavaScript.
 * Both give the same bytes.
 */
import * as Effect from "effect/Effect"
import { jobNumbers, type Resampler as NativeResampler, openResampler } from "../../../engine/native/Resampler.ts"
import * as Resample from "./Resample.ts"

export interface Resampler {
  /** Makes one record a job, `size * size * 3` levels each. */
  readonly records: (
    square: Resample.Square,
    jobs: ReadonlyArray<Resample.Job>,
    size: number
  ) => Effect.Effect<ReadonlyArray<Uint8Array>>
  /** A whole image squashed to a square, `size * size * 3` levels. */
  readonly squashed: (image: Resample.Image, size: number) => Effect.Effect<Uint8Array>
}

const wholeOf = ({ width, height }: Resample.Image): Resample.Part => ({ left: 0, top: 0, width, height })

const javascript: Resampler = {
  records: (square, jobs, size) => Effect.sync(() => jobs.map((job) => Resample.make(square, job, size))),
  squashed: (image, size) => Effect.sync(() => Resample.straight(image, wholeOf(image), size, false))
}

const numbersOf = ({ part, angle, flip, fill, brightness, saturation }: Resample.Job): ReadonlyArray<number> => {
  const [cos, sin] = Resample.turnOf(angle)
  const { left, top, width, height } = part
  return [angle === 0 ? 0 : 1, left, top, width, height, cos, sin, flip ? 1 : 0, ...fill, brightness, saturation]
}

const plain = { angle: 0, flip: false, fill: [0, 0, 0], brightness: 1, saturation: 1 } as const

const native = (resample: NativeResampler): Resampler => ({
  records: ({ side, rgb }, jobs, size) =>
    Effect.promise(async () => {
      const numbers = new Float64Array(jobs.length * jobNumbers)
      for (const [i, job] of jobs.entries()) numbers.set(numbersOf(job), i * jobNumbers)
      const records = jobs.map(() => new Uint8Array(size * size * 3))
      await resample(rgb, side, size, numbers, records)
      return records
    }),
  squashed: (image, size) =>
    Effect.promise(async () => {
      const squashed = new Uint8Array(size * size * 3)
      const numbers = Float64Array.from(numbersOf({ ...plain, part: wholeOf(image) }))
      await resample(image.rgb, image.width, size, numbers, [squashed])
      return squashed
    })
})

/**
 * The toolchain whose threads are used. Only its name is known here, since the bytes, and so the keys, do not depend on
 * it.
 */
export const toolchainName = "engine"

/** `toolchainDir` gives the folder in which a toolchain keeps what it built. */
export const open = (toolchainDir: (name: string) => string): Effect.Effect<Resampler> =>
  Effect.sync(() => {
    const resample = openResampler(toolchainDir(toolchainName))
    return resample === undefined ? javascript : native(resample)
  })
