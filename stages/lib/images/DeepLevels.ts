/**
 * Images of more than eight bits a level. libvips takes the whole range of the type for black to white, and of
 * floating-point values 0 to 255: twelve bits in sixteen come out black, and so does 0 to 1. Here levels are read by the
 * range that their largest value tells: that of the set, where there is one, since of one camera a field of dim cells must
 * not come out brighter than one of bright cells.
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

export interface Deep {
  /** The largest of whole numbers. */
  readonly most?: number
  /** How many images the file holds. */
  readonly pages: number
  /** Undefined where libvips reads the image as it is meant. */
  readonly levels?: Levels
}

/** Values that do not say what is black and what is white. */
export class LevelsError extends Error {}

const isTiff = (bytes: Uint8Array): boolean =>
  (bytes[0] === 0x49 && bytes[1] === 0x49 && bytes[2] === 42) ||
  (bytes[0] === 0x4d && bytes[1] === 0x4d && bytes[3] === 42)

/** PNG tells the bits of a level in its header. */
const isDeepPng = (bytes: Uint8Array): boolean => bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[24] === 16

/** White of whole numbers, by the largest of them: cameras and scanners have 8, 10, 12, 14 or 16 bits. */
const whites: ReadonlyArray<number> = [255, 1023, 4095, 16_383, 65_535, 4_294_967_296]

const wholeWhite = (most: number): number => whites.find((white) => most <= white)!

/** So many of a set's images have all their levels below its white; a few with a hot pixel must not darken the others. */
const shareBelow = 0.99

/** White of a set, by the largest value of each of its images of whole numbers; undefined where there are none. */
export const whiteOfSet = (mosts: ReadonlyArray<number>): number | undefined => {
  const most = mosts.toSorted((a, b) => a - b)[Math.ceil(shareBelow * mosts.length) - 1]
  return most === undefined ? undefined : wholeWhite(most)
}

const whiteOf = (least: number, most: number, isFloat: boolean): number => {
  if (!isFloat) return wholeWhite(most)
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

/** Levels from 0 to 255; undefined for images of eight bits. `setWhite` is white for whole numbers. */
export const read = async (
  bytes: Uint8Array,
  options: { readonly failOn: "error"; readonly limitInputPixels: number },
  setWhite?: number
): Promise<Deep | undefined> => {
  if (!isTiff(bytes) && !isDeepPng(bytes)) return undefined
  const sharp = await loadSharp()
  const { depth, space, channels, hasAlpha, pages = 1 } = await sharp(bytes, options).metadata()
  if (depth === "uchar" || hasAlpha || (channels !== 1 && channels !== 3)) return undefined
  const { data, info } = await sharp(bytes, options)
    .autoOrient()
    .toColourspace(space)
    .raw({ depth: "float" })
    .toBuffer({ resolveWithObject: true })
  const values = new Float32Array(new Uint8Array(data).buffer)
  const isFloat = depth === "float"
  const [least, most] = rangeOf(values)
  const own = whiteOf(least, most, isFloat)
  const white = isFloat ? own : (setWhite ?? own)
  const deep = isFloat ? { pages } : { pages, most }
  if ((depth === "ushort" && white === 65_535) || (space === "scrgb" && white === 1)) return deep
  const levels = Uint8Array.from(values, (value) => Math.min(255, Math.round((255 * value) / white)))
  return { ...deep, levels: { width: info.width, height: info.height, channels, levels } }
}
