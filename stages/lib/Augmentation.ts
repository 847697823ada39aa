/**
 * From a picture file to packed records: the original at the wanted size, and copies that are flipped, turned and cropped.
 *
 * A file is decoded once, to a square of working size that leaves a crop its detail; original and copies are made from that.
 * What a copy looks like is drawn from a stream named by the seed, the path and the copy's number, hence depends neither
 * on order nor on concurrency. Transforms, as torchvision has them: rotation about the centre on an unchanged canvas, then a
 * random resized crop (area share uniform, aspect ratio log-uniform), then a horizontal flip.
 */
import * as Effect from "effect/Effect"
import type { Sharp } from "sharp"
import type { AugmentParams, Transforms } from "../../schemas/Augment.ts"
import * as Random from "./Random.ts"
import { loadSharp } from "./Sharp.ts"

/** What was drawn for one copy. Lengths in pixels of the working square. */
export interface Drawn {
  readonly flip: boolean
  /** Degrees, clockwise. */
  readonly angle: number
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
  readonly brightness: number
  readonly saturation: number
}

/** An RGB square. */
export interface Square {
  readonly side: number
  /** `side * side * 3` levels. */
  readonly rgb: Uint8Array
}

/** The draws of copy `copy` (from 1) of the picture at `path`, for a working square of `side` pixels. */
export const draw = (transforms: Transforms, seed: number, path: string, copy: number, side: number): Drawn => {
  const random = Random.make(seed, "augment", path, copy)
  const flip = random.float() < transforms.flip
  const angle = random.between(-transforms.rotation, transforms.rotation)
  const area = random.between(transforms.cropScale[0], transforms.cropScale[1])
  const ratio = Math.exp(random.between(Math.log(transforms.cropRatio[0]), Math.log(transforms.cropRatio[1])))
  const cut = (share: number): number => Math.max(1, Math.min(side, Math.round(side * share)))
  const width = cut(Math.sqrt(area * ratio))
  const height = cut(Math.sqrt(area / ratio))
  return {
    flip,
    angle,
    left: random.int(side - width + 1),
    top: random.int(side - height + 1),
    width,
    height,
    brightness: random.between(1 - transforms.brightness, 1 + transforms.brightness),
    saturation: random.between(1 - transforms.saturation, 1 + transforms.saturation)
  }
}

/** Working size: enough that the smallest crop is not enlarged, no more than the picture has, at least the wanted size. */
const workingSide = (params: AugmentParams, width: number, height: number): number =>
  Math.max(
    params.size,
    Math.min(Math.min(width, height), Math.ceil(params.size / Math.sqrt(params.transforms.cropScale[0])))
  )

const message = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Decodes a picture to its working square. `width` and `height` are those of the manifest. */
export const decode = (
  file: string,
  width: number,
  height: number,
  params: AugmentParams
): Effect.Effect<Square, string> =>
  Effect.tryPromise({
    try: async () => {
      const side = workingSide(params, width, height)
      const sharp = await loadSharp()
      const rgb = await sharp(file, { failOn: "error", limitInputPixels: width * height })
        .autoOrient()
        .flatten({ background: "#ffffff" })
        .resize(side, side, { fit: params.fit, background: "#ffffff" })
        .toColourspace("srgb")
        .raw({ depth: "uchar" })
        .toBuffer()
      return { side, rgb }
    },
    catch: message
  })

const open = async ({ side, rgb }: Square): Promise<Sharp> =>
  (await loadSharp())(rgb, { raw: { width: side, height: side, channels: 3 } })

/** Mean colour of the outermost pixels. */
export const borderColour = ({ side, rgb }: Square): { readonly r: number; readonly g: number; readonly b: number } => {
  const sums = [0, 0, 0]
  let count = 0
  for (let i = 0; i < side * side; i++) {
    const x = i % side
    const y = Math.floor(i / side)
    if (x > 0 && y > 0 && x < side - 1 && y < side - 1) continue
    for (let channel = 0; channel < 3; channel++) sums[channel]! += rgb[i * 3 + channel]!
    count += 1
  }
  return { r: Math.round(sums[0]! / count), g: Math.round(sums[1]! / count), b: Math.round(sums[2]! / count) }
}

/** The record of the original. */
export const original = (square: Square, size: number): Effect.Effect<Uint8Array, string> =>
  square.side === size
    ? Effect.succeed(square.rgb)
    : Effect.tryPromise({
        try: async () => (await open(square)).resize(size, size, { fit: "fill" }).raw().toBuffer(),
        catch: message
      })

/** A square on a canvas of its own that a rotation has made larger, its corners filled. */
interface Turned extends Square {
  /** Where the square as it was, unturned, would lie on the canvas: the same from the left and from the top. */
  readonly offset: number
}

/** Turns the square about its centre. */
const turn = async (square: Square, angle: number, fill: Transforms["fill"]): Promise<Turned> => {
  // below a tenth of a degree nothing moves by a pixel
  if (Math.abs(angle) < 0.1) return { ...square, offset: 0 }
  const background = fill === "black" ? "#000000" : borderColour(square)
  const image = (await open(square)).rotate(angle, { background })
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true })
  return { side: info.width, rgb: data, offset: Math.floor((info.width - square.side) / 2) }
}

/** The record of copy `copy`. */
export const copyOf = (
  square: Square,
  params: AugmentParams,
  path: string,
  copy: number
): Effect.Effect<Uint8Array, string> =>
  Effect.tryPromise({
    try: async () => {
      const { transforms, size, seed } = params
      const { flip, angle, left, top, width, height, brightness, saturation } = draw(
        transforms,
        seed,
        path,
        copy,
        square.side
      )
      const turned = await turn(square, angle, transforms.fill)
      const image = (await open(turned))
        .extract({ left: turned.offset + left, top: turned.offset + top, width, height })
        .resize(size, size, { fit: "fill" })
      if (flip) image.flop()
      if (brightness !== 1 || saturation !== 1) image.modulate({ brightness, saturation })
      return await image.raw().toBuffer()
    },
    catch: message
  })

/** How many copies each of the train pictures gets. */
export const copiesOf = (
  paths: ReadonlyArray<string>,
  params: Pick<AugmentParams, "trainSize" | "copies" | "seed">
): ReadonlyArray<number> => {
  if (params.trainSize === 0) return paths.map(() => params.copies)
  const extra = Math.max(0, params.trainSize - paths.length)
  const each = Math.floor(extra / Math.max(1, paths.length))
  const rest = extra - each * paths.length
  const lucky = new Set(
    paths
      .map((path) => ({ path, key: Random.make(params.seed, "copies", path).float() }))
      .sort((a, b) => a.key - b.key)
      .slice(0, rest)
      .map(({ path }) => path)
  )
  return paths.map((path) => each + (lucky.has(path) ? 1 : 0))
}
