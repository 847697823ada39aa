/** The addon's resampling of images (src/resample.cpp): the same bytes as `stages/lib/images/Resample.ts`, on other threads. */
import * as ImageBinary from "./ImageBinary.ts"

/** SHA-256 of src/resample.cpp, 16 digits; a test checks it. */
export const sourceDigest = "70eb66d43514cd05"

/** The binary's file name in the folder of the addon. */
export const binaryName = ImageBinary.fileName("resample", sourceDigest)

/** Numbers of one job, in the order of `Job` in src/resample.cpp. */
export const jobNumbers = 13

/**
 * Makes one record per job from an RGB square, each into its array of `size * size * 3` levels. The arrays must stay
 * unchanged until it is done.
 */
export type Resampler = (
  square: Uint8Array,
  side: number,
  size: number,
  jobs: Float64Array,
  into: ReadonlyArray<Uint8Array>
) => Promise<void>

/** The resampler, where the native engine was built; else undefined. */
export const openResampler = (cacheDir: string): Resampler | undefined =>
  ImageBinary.open<{ readonly resample: Resampler }>(cacheDir, binaryName)?.resample
