/** Copies of images as people make them, to be found again. */
import { loadSharp } from "../../stages/lib/images/Sharp.ts"
import * as Random from "../../stages/lib/Random.ts"

/** The changes that a copy has: one of the first five, or all of them. */
export const kinds = ["cropped", "brightened", "resized", "turned", "recompressed", "all of it"] as const

/** A copy with the changes of `kinds[kind]`, by a draw of the image's name. */
export const copyOf = async (original: Buffer, name: string, kind: number): Promise<Buffer> => {
  const sharp = await loadSharp()
  const random = Random.make(11, "plant", name)
  // as the study reads it: what is transparent is white
  let image = await sharp(original).flatten({ background: "#ffffff" }).png().toBuffer()
  const has = (k: number): boolean => kind === k || kind === 5
  const { width, height } = await sharp(image).metadata()
  if (has(0)) {
    const cut = (length: number): number => Math.round(random.between(0, 0.05) * length)
    const [left, top, right, bottom] = [cut(width), cut(height), cut(width), cut(height)] as const
    image = await sharp(image)
      .extract({ left, top, width: width - left - right, height: height - top - bottom })
      .png()
      .toBuffer()
  }
  if (has(1)) image = await sharp(image).linear(random.between(0.85, 1.15), 0).png().toBuffer()
  if (has(2)) {
    const scale = (96 + random.int(320)) / 256
    const size = { width: Math.round(width * scale), height: Math.round(height * scale) }
    image = await sharp(image)
      .resize({ ...size, fit: "fill" })
      .png()
      .toBuffer()
  }
  if (has(3)) {
    const turned = sharp(image).rotate(90 * random.int(4))
    image = await (random.float() < 0.5 ? turned.flop() : turned).png().toBuffer()
  }
  if (has(4)) {
    image = await sharp(image)
      .jpeg({ quality: 25 + random.int(60) })
      .toBuffer()
  }
  return image
}
