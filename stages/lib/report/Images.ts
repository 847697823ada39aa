/** Images for the report: records of the pack, and the contact sheet, as small data URIs. */
import * as Effect from "effect/Effect"
import type { JpegOptions, Sharp } from "sharp"
import type { PackIndex } from "../../../schemas/Augment.ts"
import { type SplitName, splitNames } from "../../../schemas/Names.ts"
import type * as Pack from "../images/Pack.ts"
import { loadSharp } from "../images/Sharp.ts"

/** Largest side of an image in the report. */
export const shownSize = 112

/** An image as a JPEG data URI. */
export const jpegUri = async (image: Sharp, options: JpegOptions): Promise<string> =>
  `data:image/jpeg;base64,${(await image.jpeg({ mozjpeg: true, ...options }).toBuffer()).toString("base64")}`

const toUri = (image: Sharp): Effect.Effect<string> =>
  // packed pixels can be encoded: a failure is a bug
  Effect.promise(() => jpegUri(image, { quality: 86, chromaSubsampling: "4:4:4" }))

/** Finds an original by its path: split and position in it. */
export const locate = (index: PackIndex): ((path: string) => readonly [SplitName, number] | undefined) => {
  const places = new Map<string, readonly [SplitName, number]>()
  for (const split of splitNames) {
    for (const [at, { path, copy }] of index.splits[split].records.entries()) {
      if (copy === 0) places.set(path, [split, at])
    }
  }
  return (path) => places.get(path)
}

/** The levels of the original at a path, or undefined if it is not packed. */
export const levelsOf = Effect.fnUntraced(function* (pack: Pack.Pack, index: PackIndex, path: string) {
  const place = locate(index)(path)
  if (place === undefined) return undefined
  const levels = new Uint8Array(pack.recordBytes)
  yield* pack.read(place[0], [place[1]], levels)
  return levels
})

/** Data URIs of the originals at these paths, at most `largest` pixels wide; empty for one that is not packed. */
export const show = Effect.fnUntraced(function* (
  pack: Pack.Pack,
  index: PackIndex,
  paths: ReadonlyArray<string>,
  largest = shownSize
) {
  const find = locate(index)
  const sharp = yield* Effect.promise(loadSharp)
  return yield* Effect.forEach(
    paths,
    Effect.fnUntraced(function* (path) {
      const place = find(path)
      if (place === undefined) return { path, uri: "" }
      const pixels = new Uint8Array(pack.recordBytes)
      yield* pack.read(place[0], [place[1]], pixels)
      const { size } = index
      const image = sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
      const side = Math.min(size, largest)
      return { path, uri: yield* toUri(image.resize(side, side)) }
    })
  )
})

/** The contact sheet as a JPEG, a fraction of its size as PNG. */
export const sheetUri = (png: Uint8Array): Effect.Effect<string> =>
  Effect.flatMap(Effect.promise(loadSharp), (sharp) => toUri(sharp(png)))
