/**
 * The addon's resampling of images (src/resample.cpp): the same bytes as `stages/lib/images/Resample.ts`, on other
 * threads.
 *
 * Since the bytes are the same, no key depends on it, and a machine without it uses JavaScript. It is built with the
 * native engine, into a binary of its own that is named by the digest of its source, so that a binary of another source
 * is never used.
 */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"

/** SHA-256 of src/resample.cpp, 16 digits; a test checks it. */
export const sourceDigest = "57a7cdeefaea9d15"

/** The binary's file name in the folder of the addon. */
export const binaryName = `op_pipe_resample-${sourceDigest}-${process.platform}-${process.arch}.node`

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
export const openResampler = (cacheDir: string): Resampler | undefined => {
  if (!fs.existsSync(cacheDir)) return undefined
  for (const name of fs.readdirSync(cacheDir)) {
    const file = path.join(cacheDir, name, binaryName)
    if (!name.startsWith("addon-") || !fs.existsSync(file)) continue
    try {
      return (createRequire(file)(file) as { readonly resample: Resampler }).resample
    } catch {
      // built for another C library, for example: JavaScript does the work
    }
  }
  return undefined
}
