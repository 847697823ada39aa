/**
 * An image with what speaks for a class: as it is where the evidence is, flat and grey where there is none. So it can be read
 * on light and dark pages, and by who sees no colours.
 */
import { loadSharp } from "../../images/Sharp.ts"
import { jpegUri } from "../Images.ts"

/** Of a class: `size` x `size` values, whose middles begin at `from` and are `step` pixels apart. */
export interface Evidence {
  readonly size: number
  readonly values: Float64Array
  readonly from: number
  readonly step: number
}

/** The evidence at each pixel of an image, from 0 to 1: between middles linear, beyond the last as there. */
export const atPixels = ({ from, size, step, values }: Evidence, side: number): Float64Array => {
  const most = Math.max(...values)
  const at = (pixel: number): readonly [low: number, high: number, share: number] => {
    const place = Math.max(0, Math.min(size - 1, (pixel - from) / step))
    const low = Math.floor(place)
    return [low, Math.min(size - 1, low + 1), place - low]
  }
  const out = new Float64Array(side * side)
  if (most === 0) return out
  const places = Array.from({ length: side }, (_, pixel) => at(pixel))
  for (const [y, [top, bottom, down]] of places.entries()) {
    for (const [x, [left, right, along]] of places.entries()) {
      const row = (r: number): number => values[r * size + left]! * (1 - along) + values[r * size + right]! * along
      out[y * side + x] = (row(top) * (1 - down) + row(bottom) * down) / most
    }
  }
  return out
}

/** The grey of what does not matter, and how much is left of its light and dark. */
const [flat, contrast] = [128, 0.25]

/** The image and the evidence in one, as levels. */
export const spotlight = (levels: Uint8Array, evidence: Evidence, side: number): Uint8Array => {
  const share = atPixels(evidence, side)
  return Uint8Array.from(levels, (level, at) => {
    const i = Math.floor(at / 3)
    const light = (levels[3 * i]! + levels[3 * i + 1]! + levels[3 * i + 2]!) / 3
    const grey = flat + contrast * (light - flat)
    return Math.round(share[i]! * level + (1 - share[i]!) * grey)
  })
}

/** The same as a data URI, `shown` pixels wide. */
export const spotlightUri = async (
  levels: Uint8Array,
  evidence: Evidence,
  side: number,
  shown: number
): Promise<string> => {
  const sharp = await loadSharp()
  const size = { width: side, height: side }
  const large = await sharp(levels, { raw: { ...size, channels: 3 } })
    .resize(shown, shown)
    .raw()
    .toBuffer()
  const scale = shown / side
  const moved = { ...evidence, from: (evidence.from + 0.5) * scale - 0.5, step: evidence.step * scale }
  const drawn = spotlight(large, moved, shown)
  const image = sharp(drawn, { raw: { width: shown, height: shown, channels: 3 } })
  return jpegUri(image, { quality: 86, chromaSubsampling: "4:4:4" })
}
