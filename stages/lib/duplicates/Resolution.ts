/**
 * Thumbnails of images that are smaller than a thumbnail are enlarged, and so have less detail than those of larger
 * images. Of two images the one with more detail is blurred to that of the other before they are compared: what a copy
 * lost with its pixels is no difference.
 */
import { blur, blurVariance, type Summary, side } from "./Fingerprint.ts"

/** Pixels of the thumbnail between two of the image's, on its shorter side. */
const pitch = ({ width, height }: Size): number => Math.max(1, side / Math.min(width, height))

type Size = Pick<Summary, "width" | "height">

/** Of an image of a few pixels nothing is left to compare. */
const mostPasses = 8

/**
 * How often the thumbnail of `own` is to be blurred to have the detail of `other`'s. A pixel of an enlarged thumbnail is a
 * mean over an image's pixel, and over the place between two: variances of 1/12 and 1/6 of the squared pitch.
 */
export const passes = (own: Size, other: Size): number => {
  const lacking = (pitch(other) ** 2 - pitch(own) ** 2) / 4
  return Math.min(mostPasses, Math.max(0, Math.round(lacking / blurVariance)))
}

/** The thumbnail of `own` with no more detail than `other`'s has. */
export const matched = (rgb: Uint8Array, own: Size, other: Size): Uint8Array => {
  let out = rgb
  for (let n = passes(own, other); n > 0; n--) out = blur(out)
  return out
}
