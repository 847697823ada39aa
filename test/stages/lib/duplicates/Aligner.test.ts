/** The engine's alignment of thumbnails against the reference in TypeScript: the same numbers to the last bit. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { openAligner, sourceDigest } from "../../../../engine/native/Aligner.ts"
import * as Aligner from "../../../../stages/lib/duplicates/Aligner.ts"
import { side } from "../../../../stages/lib/duplicates/Fingerprint.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { cacheDir } from "../../../engine/support.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

/** Blobs of colour, seen through a shift, a scale and a brightness of their own. */
const drawing = (seed: number, change: number): Uint8Array => {
  const blobs = Random.make(seed, "blobs")
  const all = Array.from({ length: 5 }, () => ({
    x: blobs.between(0.2, 0.8),
    y: blobs.between(0.2, 0.8),
    reach: blobs.between(0.05, 0.3),
    level: [0, 1, 2].map(() => blobs.between(-200, 200))
  }))
  const random = Random.make(seed, "change", change)
  const amount = change === 0 ? 0 : 1
  const [scale, left, top, gain, noise] = [
    1 + amount * random.between(-0.15, 0.15),
    amount * random.between(-0.1, 0.1),
    amount * random.between(-0.1, 0.1),
    1 + amount * random.between(-0.4, 0.4),
    amount * random.between(0, 12)
  ]
  return Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3)
    const x = ((pixel % side) / side) * scale + left
    const y = (Math.floor(pixel / side) / side) * scale + top
    const sum = all.reduce(
      (s, b) => s + b.level[i % 3]! * Math.exp(-((x - b.x) ** 2 + (y - b.y) ** 2) / b.reach ** 2),
      128
    )
    return Math.round(Math.min(255, Math.max(0, sum * gain + random.between(-noise, noise))))
  })
}

const jobs = fc.record({
  seed: fc.nat(50),
  other: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.nat(50)),
  change: fc.nat(20),
  orientation: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(7))
})

describe("the engine's alignment", () => {
  it("gives the numbers of the reference, to the last bit, for any share of the work", async () => {
    expect(openAligner(cacheDir), "the engine is built with it").toBeDefined()
    const native = await Effect.runPromise(Aligner.open(() => cacheDir, 2))
    expect(native).not.toBe(Aligner.javascript)
    let aligned = 0
    await fc.assert(
      fc.asyncProperty(fc.array(jobs, { minLength: 1, maxLength: 9 }), async (all) => {
        const work = all.map(({ seed, other, change, orientation }) => ({
          orientation,
          first: drawing(seed, 0),
          second: drawing(other ?? seed, change)
        }))
        const expected = await Effect.runPromise(Aligner.javascript.agreements(work))
        expect(await Effect.runPromise(native.agreements(work))).toEqual(expected)
        aligned += expected.filter((one) => one !== undefined).length
      }),
      { numRuns: 60 }
    )
    expect(aligned).toBeGreaterThan(50)
  })

  it("agrees where there is nothing to align, or nothing to see", async () => {
    const native = await Effect.runPromise(Aligner.open(() => cacheDir, 1))
    const plain = new Uint8Array(side * side * 3).fill(120)
    const white = new Uint8Array(side * side * 3).fill(255)
    const half = plain.map((_, i) => (i < plain.length / 2 ? 0 : 255))
    const pairs = [plain, white, half, drawing(1, 0)].flatMap((first, _, all) =>
      all.map((second) => ({ first, second }))
    )
    const work = pairs.flatMap((pair) => [0, 1, 2, 3, 4, 5, 6, 7].map((orientation) => ({ ...pair, orientation })))
    const expected = await Effect.runPromise(Aligner.javascript.agreements(work))
    expect(await Effect.runPromise(native.agreements(work))).toEqual(expected)
    expect(await Effect.runPromise(native.agreements([]))).toEqual([])
  })

  it("is left alone where the engine was not built, and by a binary from another source", async () => {
    expect(await Effect.runPromise(Aligner.open(() => temporaryFolder(), 2))).toBe(Aligner.javascript)
    const source = readFileSync(new URL("../../../../engine/native/src/align.cpp", import.meta.url))
    expect(sourceDigest, "sourceDigest in engine/native/Aligner.ts").toBe(
      createHash("sha256").update(source).digest("hex").slice(0, 16)
    )
  })
})
