/** Copies of small images with fewer pixels: as much alike as their detail allows. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import sharp from "sharp"
import { describe, expect, it } from "vitest"
import { agreement } from "../../../../stages/lib/duplicates/Alignment.ts"
import { agreesAsCopy, isSparse } from "../../../../stages/lib/duplicates/CopyRules.ts"
import { type Fingerprint, ofBytes } from "../../../../stages/lib/duplicates/Fingerprint.ts"
import { matched, passes } from "../../../../stages/lib/duplicates/Resolution.ts"
import * as Resampler from "../../../../stages/lib/images/Resampler.ts"
import * as Random from "../../../../stages/lib/Random.ts"

const fingerprintOf = (png: Buffer): Promise<Fingerprint> =>
  Effect.runPromise(
    Effect.flatMap(
      Resampler.open(() => "nowhere"),
      (resampler) => ofBytes(png, 1e8, resampler)
    )
  )

/** A pattern of 28 x 28 pixels whose details are of three. */
const small = (seed: number): Promise<Buffer> => {
  const random = Random.make(seed, "small")
  const raw = Uint8Array.from({ length: 10 * 10 }, () => random.int(256))
  return sharp(raw, { raw: { width: 10, height: 10, channels: 1 } })
    .resize(28, 28, { kernel: "linear" })
    .png()
    .toBuffer()
}

describe("copies with fewer pixels than a thumbnail", () => {
  it("agree once the original has no more detail than they have, and not before", async () => {
    let [found, before] = [0, 0]
    for (let seed = 0; seed < 20; seed++) {
      const png = await small(seed)
      const original = await fingerprintOf(png)
      const copy = await fingerprintOf(await sharp(png).resize(14, 14).png().toBuffer())
      const alike = (rgb: Uint8Array): boolean =>
        Option.exists(Option.fromUndefinedOr(agreement({ ...original, rgb }, copy)), (one) => agreesAsCopy(one, false))
      if (alike(original.rgb)) before += 1
      if (alike(matched(original.rgb, original, copy))) found += 1
      const other = await fingerprintOf(await small(seed + 100))
      expect(Option.fromUndefinedOr(agreement({ ...other, rgb: matched(other.rgb, other, copy) }, copy))).toEqual(
        Option.none()
      )
    }
    expect(found, `${before} before`).toBeGreaterThanOrEqual(19)
    expect(before).toBeLessThan(found / 2)
  })

  it("leave images alone that have as much detail, or more", () => {
    const size = (width: number) => ({ width, height: width })
    expect(passes(size(300), size(100))).toBe(0)
    expect(passes(size(12), size(300))).toBe(0)
    expect(passes(size(28), size(28))).toBe(0)
    expect(passes(size(28), size(14))).toBeGreaterThan(0)
    expect(passes(size(28), size(1))).toBeLessThan(10)
  })
})

it("an image is sparse where more than half of it is one level", () => {
  const ground = new Uint8Array(144).fill(255)
  expect(isSparse(ground)).toBe(true)
  expect(isSparse(ground.map((level, i) => (i < 60 ? i : level)))).toBe(true)
  expect(isSparse(ground.map((level, i) => (i < 80 ? i : level)))).toBe(false)
})
