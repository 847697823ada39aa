/**
 * Images of more than eight bits a level. libvips takes the whole range of the type for black to white, and of
 * floating-point values 0 to 255: twelve bits in sixteen come out black, and so does 0 to 1. Here levels are read by the
 * range that their largest value tells.
 *
 * Full 16-bit images, and linear light from 0 to 1 in colour (scRGB), are left to libvips; so are images with alpha.
 */
import { loadSharp } from "./Sharp.ts"

export interface Levels {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
  readonly levels: Uint8Array
}

/** Values that do not say what is black and what is white. */
export class LevelsError extends Error {}

const isTiff = (bytes: Uint8Array): boolean =>
  (bytes[0] === 0x49 && bytes[1] === 0x49 && bytes[2] === 42) ||
  (bytes[0] === 0x4d && bytes[1] === 0x4d && bytes[3] === 42)

/** PNG tells the bits of a level in its header. */
const isDeepPng = (bytes: Uint8Array): boolean => bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[24] === 16

/** White of whole numbers, by the largest of them: cameras and scanners have 8, 10, 12 or 16 bits. */
const whites: ReadonlyArray<number> = [255, 1023, 4095, 65_535, 4_294_967_296]

const whiteOf = (least: number, most: number, isFloat: boolean): number => {
  if (!isFloat) return whites.find((white) => most <= white)!
  if (least >= 0 && most <= 1) return 1
  if (least >= 0 && most <= 255) return 255
  throw new LevelsError(
    Number.isFinite(least) && Number.isFinite(most)
      ? `floating-point values from ${least} to ${most}, where 0 to 1 or 0 to 255 is expected: rescale them`
      : "floating-point values that are not numbers, or infinite: replace them"
  )
}

/** Least and largest value; NaN where one is not a number. */
const rangeOf = (values: Float32Array): readonly [least: number, most: number] => {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    if (Number.isNaN(value)) return [value, value]
    if (value < least) least = value
    if (value > most) most = value
  }
  return [least, most]
}

/** Levels from 0 to 255; undefined for images that libvips reads as they are meant. */
export const read = async (
  bytes: Uint8Array,
  options: { readonly failOn: "error"; readonly limitInputPixels: number }
): Promise<Levels | undefined> => {
  if (!isTiff(bytes) && !isDeepPng(bytes)) return undefined
  const sharp = await loadSharp()
  const { depth, space, channels, hasAlpha } = await sharp(bytes, options).metadata()
  if (depth === "uchar" || hasAlpha || (channels !== 1 && channels !== 3)) return undefined
  const { data, info } = await sharp(bytes, options)
    .autoOrient()
    .toColourspace(space)
    .raw({ depth: "float" })
    .toBuffer({ resolveWithObject: true })
  const values = new Float32Array(new Uint8Array(data).buffer)
  const white = whiteOf(...rangeOf(values), depth === "float")
  if ((depth === "ushort" && white === 65_535) || (space === "scrgb" && white === 1)) return undefined
  const levels = Uint8Array.from(values, (value) => Math.round((255 * value) / white))
  return { width: info.width, height: info.height, channels, levels }
}
