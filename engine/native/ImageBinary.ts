/**
 * Binaries that work on images beside the stages' own code, with the same results to the last bit.
 *
 * Since the results are the same, no key depends on them, and a machine without them uses JavaScript. They are built with
 * the native engine, each named by the digest of its source, so that a binary of another source is never used.
 */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"

/** The file name of a binary in the folder of the addon. */
export const fileName = (name: string, sourceDigest: string): string =>
  `op_pipe_${name}-${sourceDigest}-${process.platform}-${process.arch}.node`

/** What the binary `file` exports, where the native engine was built below `cacheDir`; else undefined. */
export const open = <A>(cacheDir: string, file: string): A | undefined => {
  if (!fs.existsSync(cacheDir)) return undefined
  for (const name of fs.readdirSync(cacheDir)) {
    const binary = path.join(cacheDir, name, file)
    if (!name.startsWith("addon-") || !fs.existsSync(binary)) continue
    try {
      return createRequire(binary)(binary) as A
    } catch {
      // built for another C library, for example: JavaScript does the work
    }
  }
  return undefined
}
