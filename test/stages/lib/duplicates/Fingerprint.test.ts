/** Whatever an image's colour space, it comes to three channels of eight bits: what makes thumbnails reads no others. */
import * as Effect from "effect/Effect"
import sharp, { type Sharp } from "sharp"
import { expect, it } from "vitest"
import * as Fingerprint from "../../../../stages/lib/duplicates/Fingerprint.ts"
import * as Resampler from "../../../../stages/lib/images/Resampler.ts"

const [width, height] = [70, 50]
/** A light square on a dark ground. */
const grey = Uint8Array.from({ length: width * height }, (_, i) =>
  i % width >= 20 && i % width < 40 && i >= 15 * width && i < 35 * width ? 220 : 40
)
const image = (): Sharp => sharp(grey, { raw: { width, height, channels: 1 } })

it.each<readonly [name: string, make: () => Sharp]>([
  ["grey PNG", () => image().toColourspace("b-w").png()],
  ["grey JPEG", () => image().toColourspace("b-w").jpeg()],
  ["grey PNG with alpha", () => image().toColourspace("b-w").ensureAlpha(1).png()],
  ["16-bit PNG", () => image().toColourspace("rgb16").png()],
  ["16-bit grey PNG", () => image().toColourspace("grey16").png()],
  ["PNG with a palette", () => image().png({ palette: true, colours: 4 })],
  ["CMYK JPEG", () => image().toColourspace("cmyk").jpeg()],
  ["GIF", () => image().gif()],
  ["WebP", () => image().webp({ lossless: true })]
])("%s", async (_, make) => {
  const resampler = await Effect.runPromise(Resampler.open(() => "nowhere"))
  const seen = (bytes: Buffer) => Effect.runPromise(Fingerprint.ofBytes(bytes, width * height, resampler))
  const bytes = await make().toBuffer()
  const expected = await seen(await sharp(bytes).toColourspace("srgb").png().toBuffer())
  const found = await seen(bytes)
  expect([found.width, found.height]).toEqual([width, height])
  const furthest = found.rgb.reduce((most, level, i) => Math.max(most, Math.abs(level - expected.rgb[i]!)), 0)
  expect(furthest).toBeLessThanOrEqual(1)
  // the square is there
  expect(Math.max(...found.rgb) - Math.min(...found.rgb)).toBeGreaterThan(100)
})
