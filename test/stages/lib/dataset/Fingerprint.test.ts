/** Whatever a picture's colour space, it comes to three channels of eight bits: what makes thumbnails reads no others. */
import * as Effect from "effect/Effect"
import sharp, { type Sharp } from "sharp"
import { expect, it } from "vitest"
import * as Fingerprint from "../../../../stages/lib/dataset/Fingerprint.ts"
import * as Records from "../../../../stages/lib/images/Resampler.ts"

const [width, height] = [70, 50]
/** A light square on a dark ground. */
const grey = Uint8Array.from({ length: width * height }, (_, i) =>
  i % width >= 20 && i % width < 40 && i >= 15 * width && i < 35 * width ? 220 : 40
)
const picture = (): Sharp => sharp(grey, { raw: { width, height, channels: 1 } })

it.each<readonly [name: string, make: () => Sharp]>([
  ["grey PNG", () => picture().toColourspace("b-w").png()],
  ["grey JPEG", () => picture().toColourspace("b-w").jpeg()],
  ["grey PNG with alpha", () => picture().toColourspace("b-w").ensureAlpha(1).png()],
  ["16-bit PNG", () => picture().toColourspace("rgb16").png()],
  ["16-bit grey PNG", () => picture().toColourspace("grey16").png()],
  ["PNG with a palette", () => picture().png({ palette: true, colours: 4 })],
  ["CMYK JPEG", () => picture().toColourspace("cmyk").jpeg()],
  ["GIF", () => picture().gif()],
  ["WebP", () => picture().webp({ lossless: true })]
])("%s", async (_, make) => {
  const maker = await Effect.runPromise(Records.maker(() => "nowhere"))
  const seen = (bytes: Buffer) => Effect.runPromise(Fingerprint.ofBytes(bytes, width * height, maker))
  const bytes = await make().toBuffer()
  const expected = await seen(await sharp(bytes).toColourspace("srgb").png().toBuffer())
  const found = await seen(bytes)
  expect([found.width, found.height]).toEqual([width, height])
  const furthest = found.rgb.reduce((most, level, i) => Math.max(most, Math.abs(level - expected.rgb[i]!)), 0)
  expect(furthest).toBeLessThanOrEqual(1)
  // the square is there
  expect(Math.max(...found.rgb) - Math.min(...found.rgb)).toBeGreaterThan(100)
})
