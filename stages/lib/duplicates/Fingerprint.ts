/**
 * Fingerprints of images, to find near-duplicates: a thumbnail, and a descriptor that flips and quarter turns do not
 * change.
 *
 * The descriptor is made of the low frequencies of the thumbnail's two-dimensional cosine transform (DCT-II), as in the
 * perceptual hash "pHash" (Zauner 2010), but with numbers in place of bits. A flip changes only the signs of odd
 * frequencies, a quarter turn also swaps (u, v) with (v, u); so the magnitudes, with each such pair sorted, are the
 * same for all eight. Division by the vector's length removes contrast; leaving out (0, 0) removes brightness.
 *
 * The thumbnail is blurred a little, so that it can be sampled between its pixels.
 *
 * Gotcha: the thumbnail squashes the image to a square, hence a resized copy has the same one whatever its aspect.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { messageOf } from "../Failure.ts"
import { openImage, reasonOf } from "../images/OpenImage.ts"
import type * as Resampler from "../images/Resampler.ts"

/** Width and height of the thumbnail. */
export const side = 48
/** Width and height of the coarse grey thumbnail. */
export const coarseSide = 12
/** Frequencies 0 to `frequencies - 1` in each direction take part. */
const frequencies = 7
/** Length of a descriptor: every (u, v) but (0, 0). */
export const descriptorLength = frequencies * frequencies - 1

/** The part of a fingerprint that stays in memory for every image. */
export interface Summary {
  /** Pixels, EXIF orientation applied. */
  readonly width: number
  readonly height: number
  /** `coarseSide * coarseSide` grey levels. */
  readonly coarse: Uint8Array
  /** `descriptorLength` numbers; length 1, or all 0 for an image of one colour. */
  readonly descriptor: Float32Array
  /**
   * Exact copies have the same: that of the thumbnail, whatever the file's format; for an image without contrast, whose
   * thumbnail says nothing, that of the file's bytes.
   */
  readonly digest: string
  /** The largest level of an image of more than eight bits. */
  readonly most?: number
  /** Whether the file holds more images than the first, which this is of. */
  readonly isFirst: boolean
}

export interface Fingerprint extends Summary {
  /** The thumbnail: `side * side * 3` levels, RGB, row by row. */
  readonly rgb: Uint8Array
}

/** Bytes of a thumbnail. */
export const thumbnailBytes = side * side * 3

const cosines = Float64Array.from({ length: frequencies * side }, (_, i) => {
  const u = Math.floor(i / side)
  const x = i % side
  return Math.cos(((2 * x + 1) * u * Math.PI) / (2 * side)) * (u === 0 ? Math.SQRT1_2 : 1)
})

/** Low frequencies of the thumbnail's DCT-II, `[v][u]`, row by row. */
const lowFrequencies = (grey: Uint8Array): Float64Array => {
  const rows = new Float64Array(side * frequencies)
  for (let y = 0; y < side; y++) {
    for (let u = 0; u < frequencies; u++) {
      let sum = 0
      for (let x = 0; x < side; x++) sum += grey[y * side + x]! * cosines[u * side + x]!
      rows[y * frequencies + u] = sum
    }
  }
  const out = new Float64Array(frequencies * frequencies)
  for (let v = 0; v < frequencies; v++) {
    for (let u = 0; u < frequencies; u++) {
      let sum = 0
      for (let y = 0; y < side; y++) sum += rows[y * frequencies + u]! * cosines[v * side + y]!
      out[v * frequencies + u] = sum
    }
  }
  return out
}

/** The descriptor of a grey thumbnail. */
export const describe = (grey: Uint8Array): Float32Array => {
  const c = lowFrequencies(grey)
  const out = new Float32Array(descriptorLength)
  let at = 0
  let sum = 0
  const put = (value: number): void => {
    out[at++] = value
    sum += value * value
  }
  for (let v = 0; v < frequencies; v++) {
    for (let u = v; u < frequencies; u++) {
      if (u === 0) continue
      const p = Math.abs(c[v * frequencies + u]!)
      const q = Math.abs(c[u * frequencies + v]!)
      if (u === v) put(p)
      else {
        put(Math.max(p, q))
        put(Math.min(p, q))
      }
    }
  }
  const length = Math.sqrt(sum)
  // below one grey level of contrast there is nothing but noise to compare
  if (length < side) return out.fill(0)
  for (let i = 0; i < at; i++) out[i] = out[i]! / length
  return out
}

/** Grey levels of an RGB thumbnail: luma of ITU-R BT.601. */
export const greyOf = (rgb: Uint8Array): Uint8Array => {
  const grey = new Uint8Array(rgb.length / 3)
  for (let i = 0; i < grey.length; i++) {
    grey[i] = Math.round(0.299 * rgb[i * 3]! + 0.587 * rgb[i * 3 + 1]! + 0.114 * rgb[i * 3 + 2]!)
  }
  return grey
}

/** Mean grey level of each block of pixels. */
const coarsen = (grey: Uint8Array): Uint8Array => {
  const block = side / coarseSide
  const sums = new Float64Array(coarseSide * coarseSide)
  for (let i = 0; i < grey.length; i++) {
    sums[Math.floor(i / side / block) * coarseSide + Math.floor((i % side) / block)]! += grey[i]!
  }
  return Uint8Array.from(sums, (sum) => Math.round(sum / (block * block)))
}

/** Of the weights below, in squared pixels. */
export const blurVariance = 1.5

/** One line of pixels with its ends repeated three times on either side. */
const padded = new Uint8Array((side + 6) * 3)

/**
 * Blurs along one axis with the binomial weights 1 6 15 20 15 6 1 (standard deviation 1.2 pixels). `step` is the distance
 * of neighbours, `line` that of lines, both in pixels.
 */
const blurAlong = (from: Uint8Array, to: Uint8Array, step: number, line: number): void => {
  for (let l = 0; l < side; l++) {
    for (let i = -3; i < side + 3; i++) {
      const at = (l * line + Math.min(side - 1, Math.max(0, i)) * step) * 3
      const p = (i + 3) * 3
      padded[p] = from[at]!
      padded[p + 1] = from[at + 1]!
      padded[p + 2] = from[at + 2]!
    }
    for (let k = 0; k < side * 3; k++) {
      const sum =
        padded[k]! +
        padded[k + 18]! +
        6 * (padded[k + 3]! + padded[k + 15]!) +
        15 * (padded[k + 6]! + padded[k + 12]!) +
        20 * padded[k + 9]!
      const pixel = (k / 3) | 0
      to[(l * line + pixel * step) * 3 + k - pixel * 3] = (sum + 32) >> 6
    }
  }
}

/** One pass adds `blurVariance` to the variance of what each pixel is a mean of. */
export const blur = (rgb: Uint8Array): Uint8Array => {
  const across = new Uint8Array(rgb.length)
  const out = new Uint8Array(rgb.length)
  blurAlong(rgb, across, 1, side)
  blurAlong(across, out, side, 1)
  return out
}

const digestOf = async (bytes: Uint8Array): Promise<string> =>
  Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toString("hex")

/** What is known of an image besides its pixels. */
type Known = Pick<Summary, "width" | "height" | "most" | "isFirst">

/** Everything from `side * side` RGB pixels and the bytes of the file. */
const fromPixels = Effect.fnUntraced(function* (pixels: Uint8Array, known: Known, bytes: Uint8Array) {
  const rgb = blur(pixels)
  const grey = greyOf(rgb)
  const descriptor = describe(grey)
  const digest = yield* Effect.promise(() => digestOf(descriptor.some((value) => value !== 0) ? rgb : bytes))
  return { ...known, rgb, coarse: coarsen(grey), descriptor, digest } satisfies Fingerprint
})

/** Images of up to so many pixels are decoded in full: asking libvips for a smaller size costs more than it saves. */
const smallPixels = 1 << 18

/**
 * Decodes an image once, a large one as far as its thumbnail needs (JPEG: at a fraction of its size). Fails with a
 * reason in words when the file is not an image, is truncated, or has more than `pixelLimit` pixels.
 */
export const ofBytes = Effect.fnUntraced(function* (
  bytes: Uint8Array,
  pixelLimit: number,
  resampler: Pick<Resampler.Resampler, "squashed">
) {
  const { known, decoded } = yield* Effect.tryPromise({
    try: async () => {
      const { image, deep } = await openImage(bytes, pixelLimit)
      const { autoOrient: size, pages = 1 } = await image.metadata()
      const upright = image.autoOrient().flatten({ background: "#ffffff" })
      if (size.width * size.height > smallPixels) upright.resize(side, side, { fit: "fill", kernel: "linear" })
      const { data, info } = await upright
        .toColourspace("srgb")
        .raw({ depth: "uchar" })
        .toBuffer({ resolveWithObject: true })
      const known: Known = {
        ...size,
        isFirst: (deep?.pages ?? pages) > 1,
        ...(deep?.most === undefined ? {} : { most: deep.most })
      }
      return { known, decoded: { width: info.width, height: info.height, rgb: data } }
    },
    catch: (cause) => reasonOf(cause, bytes)
  })
  const small = decoded.width === side && decoded.height === side
  const thumbnail = small ? decoded.rgb : yield* resampler.squashed(decoded, side)
  return yield* fromPixels(thumbnail, known, bytes)
})

/** The same for a file, read at once: libvips would read many small pieces, which takes as long as the decoding. */
export const ofFile = Effect.fnUntraced(function* (
  file: string,
  pixelLimit: number,
  resampler: Pick<Resampler.Resampler, "squashed">
) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(file).pipe(Effect.mapError(messageOf))
  return yield* ofBytes(bytes, pixelLimit, resampler)
})
