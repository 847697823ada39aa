/** Records: what jobs come to, by the native engine's threads where they are there, else right here. The bytes are the same. */
import * as Effect from "effect/Effect"
import { jobNumbers, openResampler, type Resampler } from "../../../engine/index.ts"
import * as Resample from "./Resample.ts"

export interface Maker {
  /** Makes one record a job, `size * size * 3` levels each. */
  readonly records: (
    square: Resample.Square,
    jobs: ReadonlyArray<Resample.Job>,
    size: number
  ) => Effect.Effect<ReadonlyArray<Uint8Array>>
  /** A whole picture squeezed to a square, `size * size * 3` levels. */
  readonly squeezed: (picture: Resample.Picture, size: number) => Effect.Effect<Uint8Array>
}

const wholeOf = ({ width, height }: Resample.Picture): Resample.Part => ({ left: 0, top: 0, width, height })

const here: Maker = {
  records: (square, jobs, size) => Effect.sync(() => jobs.map((job) => Resample.make(square, job, size))),
  squeezed: (picture, size) => Effect.sync(() => Resample.straight(picture, wholeOf(picture), size, false))
}

const numbersOf = ({ part, angle, flip, fill, brightness, saturation }: Resample.Job): ReadonlyArray<number> => {
  const [cos, sin] = Resample.turnOf(angle)
  const { left, top, width, height } = part
  return [angle === 0 ? 0 : 1, left, top, width, height, cos, sin, flip ? 1 : 0, ...fill, brightness, saturation]
}

const plain = { angle: 0, flip: false, fill: [0, 0, 0], brightness: 1, saturation: 1 } as const

const elsewhere = (resampler: Resampler): Maker => ({
  records: ({ side, rgb }, jobs, size) =>
    Effect.promise(async () => {
      const numbers = new Float64Array(jobs.length * jobNumbers)
      for (const [i, job] of jobs.entries()) numbers.set(numbersOf(job), i * jobNumbers)
      const records = jobs.map(() => new Uint8Array(size * size * 3))
      await resampler(rgb, side, size, numbers, records)
      return records
    }),
  squeezed: (picture, size) =>
    Effect.promise(async () => {
      const squeezed = new Uint8Array(size * size * 3)
      const numbers = Float64Array.from(numbersOf({ ...plain, part: wholeOf(picture) }))
      await resampler(picture.rgb, picture.width, size, numbers, [squeezed])
      return squeezed
    })
})

/** The toolchain whose threads these are; by name, since nothing else of it may count for who makes records. */
export const toolchainName = "engine"

/** `toolchainDir` tells where a toolchain keeps what it built. */
export const maker = (toolchainDir: (name: string) => string): Effect.Effect<Maker> =>
  Effect.sync(() => {
    const resampler = openResampler(toolchainDir(toolchainName))
    return resampler === undefined ? here : elsewhere(resampler)
  })
