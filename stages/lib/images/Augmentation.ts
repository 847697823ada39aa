/**
 * From an image file to packed records: the original at the given size, and copies that are flipped, rotated and
 * cropped.
 *
 * A file is decoded once, to a working square that is large enough for the smallest crop; original and copies are made
 * from that. A copy's draws come from a stream named by the seed, the path and the copy's number, so they depend
 * neither on order nor on concurrency. Transforms, as torchvision has them: rotation about the centre on an unchanged
 * canvas, then a random resized crop (area share uniform, aspect ratio log-uniform), then a horizontal flip.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { AugmentParams, Preparation, Transforms } from "../../../schemas/Augment.ts"
import { messageOf } from "../Failure.ts"
import * as Random from "../Random.ts"
import { openImage, reasonOf } from "./OpenImage.ts"
import type { Colour, Job, Square } from "./Resample.ts"

/** The draws for one copy. Lengths are in pixels of the working square. */
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

/** The draws of copy `copy` (from 1) of the image at `path`, for a working square of `side` pixels. */
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

/** Working size: enough that the smallest crop is not enlarged, no more than the image has, at least the wanted size. */
const workingSide = ({ size, leastCrop }: Preparation, width: number, height: number): number =>
  Math.max(size, Math.min(Math.min(width, height), Math.ceil(size / Math.sqrt(leastCrop))))

/** Decodes an image to its working square. `width` and `height` are those of the manifest. Fails with a reason in words. */
export const decode = Effect.fnUntraced(function* (
  file: string,
  width: number,
  height: number,
  preparation: Preparation
) {
  const fs = yield* FileSystem.FileSystem
  // libvips would read the file in many small pieces, which takes as long as the decoding
  const bytes = yield* fs.readFile(file).pipe(Effect.mapError(messageOf))
  return yield* decodeBytes(bytes, width, height, preparation)
})

/** The same for bytes. */
export const decodeBytes = Effect.fnUntraced(function* (
  bytes: Uint8Array,
  width: number,
  height: number,
  preparation: Preparation
) {
  const side = workingSide(preparation, width, height)
  const rgb = yield* Effect.tryPromise({
    try: async () => {
      const opened = await openImage(bytes, width * height, preparation.white)
      const image = opened.image.autoOrient().flatten({ background: "#ffffff" })
      // asking for a size costs time, even where it is the image's own
      if (width !== side || height !== side) image.resize(side, side, { fit: preparation.fit, background: "#ffffff" })
      return image.toColourspace("srgb").raw({ depth: "uchar" }).toBuffer()
    },
    catch: (cause) => reasonOf(cause, bytes)
  })
  return { side, rgb: new Uint8Array(rgb.buffer, rgb.byteOffset, rgb.length) } satisfies Square
})

/** Mean colour of the outermost pixels. */
export const borderColour = ({ side, rgb }: Square): Colour => {
  const sums: [number, number, number] = [0, 0, 0]
  const add = (x: number, y: number): void => {
    for (let channel = 0; channel < 3; channel++) sums[channel]! += rgb[(y * side + x) * 3 + channel]!
  }
  for (let i = 0; i < side - 1; i++) {
    add(i, 0)
    add(side - 1, i)
    add(side - 1 - i, side - 1)
    add(0, side - 1 - i)
  }
  const count = Math.max(1, 4 * (side - 1))
  return [Math.round(sums[0] / count), Math.round(sums[1] / count), Math.round(sums[2] / count)]
}

/** The job for the original. */
export const original = ({ side }: Square): Job => ({
  part: { left: 0, top: 0, width: side, height: side },
  angle: 0,
  flip: false,
  fill: [0, 0, 0],
  brightness: 1,
  saturation: 1
})

/** The job for copy `copy`. */
export const copyOf = (square: Square, { transforms, seed }: AugmentParams, path: string, copy: number): Job => {
  const { flip, angle, brightness, saturation, ...part } = draw(transforms, seed, path, copy, square.side)
  return {
    part,
    // below a tenth of a degree nothing moves by a pixel
    angle: Math.abs(angle) < 0.1 ? 0 : angle,
    flip,
    fill: transforms.fill === "black" ? [0, 0, 0] : borderColour(square),
    brightness,
    saturation
  }
}

/** How many copies each of the train images gets. */
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
