/** Packs: what they hold is told by the blobs alone, and one changed blob changes one of them. */
import { randomBytes } from "node:crypto"
import { describe, expect, it } from "vitest"
import * as Digest from "../../../cache/identity/Digest.ts"
import * as Pack from "../../../cache/remote/format/Pack.ts"

const blobsOf = (count: number, sizeBytes: number) => {
  const contents = Array.from({ length: count }, () => randomBytes(sizeBytes))
  return new Map(contents.map((bytes) => [Digest.ofBytes(bytes), bytes]))
}
const asBlobs = (contents: ReadonlyMap<Digest.Digest, Uint8Array>): ReadonlyArray<Pack.Blob> =>
  Array.from(contents, ([digest, { length }]) => ({ digest, sizeBytes: length }))

describe("packs", () => {
  it("give back what went in, in whatever order", async () => {
    const contents = blobsOf(100, 500)
    const [blobs] = Pack.share(asBlobs(contents), 0).values()
    const [same] = Pack.share(asBlobs(contents).toReversed(), 0).values()
    expect(same).toEqual(blobs)
    const pack = await Pack.close(blobs!.map(({ digest }) => contents.get(digest)!))
    for (const [{ digest }, bytes] of (await Pack.open(pack, blobs!))!) expect(Digest.ofBytes(bytes)).toBe(digest)
  })

  it("hold 8 MiB at most, and share all blobs among them", () => {
    const blobs = asBlobs(blobsOf(3000, 16_000))
    const bits = Pack.bitsFor(blobs)
    const packs = Array.from(Pack.share(blobs, bits).values())
    expect(packs.flat().length).toBe(3000)
    for (const pack of packs) expect(Pack.bytesOf(pack)).toBeLessThanOrEqual(Pack.mostBytes)
    expect(packs.length).toBeLessThanOrEqual(16)
    for (const [index, pack] of Pack.share(blobs, bits))
      for (const { digest } of pack) expect(Pack.indexOf(digest, bits)).toBe(index)
  })

  it("stay as they are but for the one that a changed blob is in", () => {
    const blobs = asBlobs(blobsOf(2000, 16_000))
    const changed = [...blobs.slice(1), ...asBlobs(blobsOf(1, 16_000))]
    const textOf = (each: ReadonlyArray<Pack.Blob>) =>
      new Map(Array.from(Pack.share(each, 3), ([index, pack]) => [index, pack.map(({ digest }) => digest).join()]))
    const [before, after] = [textOf(blobs), textOf(changed)]
    expect(Array.from(before).filter(([index, text]) => after.get(index) !== text).length).toBeLessThanOrEqual(2)
  })

  it("are nothing where they do not hold what they should", async () => {
    const contents = blobsOf(3, 100)
    const [blobs] = Pack.share(asBlobs(contents), 0).values()
    const whole = blobs!.map(({ digest }) => contents.get(digest)!)
    expect(await Pack.open(Buffer.from("no zstd"), blobs!)).toBeUndefined()
    expect(await Pack.open(await Pack.close(whole.slice(1)), blobs!)).toBeUndefined()
    // a bomb is not unpacked
    expect(await Pack.open(await Pack.close([new Uint8Array(2 ** 26)]), blobs!)).toBeUndefined()
    expect(await Pack.open((await Pack.close(whole)).subarray(0, -5), blobs!)).toBeUndefined()
  })

  it("have paths that say which they are", () => {
    expect(Pack.parsePath(Pack.pathOf(3, 5))).toEqual({ bits: 3, index: 5 })
    for (const wrong of ["packs/3/8", "packs/17/0", "packs/../1", "packs/1/-1", "blobs/1/1", "packs/1/0/"])
      expect(Pack.parsePath(wrong), wrong).toBeUndefined()
  })
})
