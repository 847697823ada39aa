/**
 * Pack: many small blobs in one transfer. A result of ten thousand files of 4 KB would cost ten thousand requests.
 *
 * The small blobs of a result are shared out among packs by the first bits of their digests. A pack is the zstd of its blobs, one
 * after the other in the order of their digests: the record tells which these are, so a pack has no list of its own. One changed
 * file changes one pack, and a reader fetches only those packs that hold what it lacks.
 */
import { promisify } from "node:util"
import { constants, zstdCompress, zstdDecompress } from "node:zlib"
import * as Semaphore from "effect/Semaphore"
import type * as Digest from "../../identity/Digest.ts"

/** A blob of a result. */
export interface Blob {
  readonly digest: Digest.Digest
  readonly sizeBytes: number
}

/** Blobs below this size are small. */
export const smallBytes = 64 * 1024
/** So few small blobs are not worth a pack. */
export const fewest = 16
/** How much a pack holds at most. */
export const mostBytes = 8 * 2 ** 20
const mostBits = 16
/** So many packs are open or being made at a time, of all results together: each is in memory, packed and not. */
export const atOnce = Semaphore.makeUnsafe(4)

/** Which of the 2^bits packs holds a blob. */
export const indexOf = (digest: Digest.Digest, bits: number): number =>
  Number.parseInt(digest.slice(0, 4), 16) >>> (16 - bits)

/** The blobs of each pack that is not empty, by its index, in the order in which a pack holds them. */
export const share = (blobs: ReadonlyArray<Blob>, bits: number): ReadonlyMap<number, ReadonlyArray<Blob>> =>
  Map.groupBy(
    blobs.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
    ({ digest }) => indexOf(digest, bits)
  )

export const bytesOf = (blobs: ReadonlyArray<Blob>): number => blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

/** How many bits make packs of at most `mostBytes`. */
export const bitsFor = (blobs: ReadonlyArray<Blob>): number => {
  const isFitting = (bits: number): boolean =>
    Array.from(share(blobs, bits).values()).every((pack) => bytesOf(pack) <= mostBytes)
  let bits = Math.max(0, Math.ceil(Math.log2(bytesOf(blobs) / mostBytes)))
  while (bits < mostBits && !isFitting(bits)) bits++
  return bits
}

/** The path of a pack in an entry. */
export const pathOf = (bits: number, index: number): string => `packs/${bits}/${index}`

/** What `pathOf` says; undefined of another path. */
export const parsePath = (path: string): { readonly bits: number; readonly index: number } | undefined => {
  const found = /^packs\/(\d{1,2})\/(\d{1,5})$/u.exec(path)
  const [bits, index] = [Number(found?.[1]), Number(found?.[2])]
  return found !== null && bits <= mostBits && index < 2 ** bits ? { bits, index } : undefined
}

/** The bytes of a pack. Level 1: weights and images hardly shrink, and the rest does at once. */
export const close = (contents: ReadonlyArray<Uint8Array>): Promise<Uint8Array> =>
  promisify(zstdCompress)(Buffer.concat(contents), { params: { [constants.ZSTD_c_compressionLevel]: 1 } })

/** The blobs in a pack; undefined if it does not hold them. Their digests are not checked. */
export const open = async (
  pack: Uint8Array,
  blobs: ReadonlyArray<Blob>
): Promise<ReadonlyArray<readonly [Blob, Uint8Array]> | undefined> => {
  const expected = bytesOf(blobs)
  const bytes = await promisify(zstdDecompress)(pack, { maxOutputLength: Math.max(1, expected) }).catch(() => undefined)
  if (bytes?.length !== expected) return undefined
  let end = 0
  return blobs.map((blob) => {
    end += blob.sizeBytes
    return [blob, bytes.subarray(end - blob.sizeBytes, end)] as const
  })
}
