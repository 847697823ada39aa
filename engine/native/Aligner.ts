/** The addon's alignment of thumbnails (src/align.cpp): the same numbers as `stages/lib/duplicates/Alignment.ts`, on other threads. */
import * as ImageBinary from "./ImageBinary.ts"

/** SHA-256 of src/align.cpp, 16 digits; a test checks it. */
export const sourceDigest = "0b94cadb7d2f5e43"

/** The binary's file name in the folder of the addon. */
export const binaryName = ImageBinary.fileName("align", sourceDigest)

/**
 * Lays the first thumbnail of each pair over the second in its orientation (0 to 7) and writes three numbers a pair:
 * correlation, worst block, overlap; NaN where the two cannot be aligned. Thumbnails are 48 x 48 x 3 levels, one
 * after another; all arrays must stay unchanged until it is done.
 */
export type Aligner = (
  orientations: Uint8Array,
  firsts: Uint8Array,
  seconds: Uint8Array,
  into: Float64Array
) => Promise<void>

/** The aligner, where the native engine was built; else undefined. */
export const openAligner = (cacheDir: string): Aligner | undefined =>
  ImageBinary.open<{ readonly align: Aligner }>(cacheDir, binaryName)?.align
