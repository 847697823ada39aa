/** The filters of the first convolution as small colour images: grey is 0, and a network's largest weight a full colour. */
import * as Result from "effect/Result"
import { variantNames } from "../../../../charts/Theme.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import * as Safetensors from "../../tables/Safetensors.ts"
import { label, svg } from "./Svg.ts"

/** Filters of one network: `count` of `side` x `side` pixels, in PyTorch's order (filter, colour, row, column). */
export interface Filters {
  readonly count: number
  readonly side: number
  readonly data: Float32Array
}

const colours = 3

/** Undefined where a network's first layer with weights is no convolution of images in colour. */
export const filtersOf = (weights: Uint8Array): Filters | undefined => {
  const tensors = Safetensors.decode(weights)
  if (Result.isFailure(tensors)) return undefined
  const first = tensors.success.find(({ name }) => name.endsWith(".weight"))
  if (first === undefined || first.dtype !== "F32" || first.shape.length !== 4) return undefined
  const [count = 0, channels, side = 0, width] = first.shape
  return channels === colours && side === width ? { count, side, data: first.data } : undefined
}

const perRow = 8
const shown = 40
const gap = 8

const drawFilters = ({ count, side, data }: Filters, top: number): string => {
  const largest = data.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1e-12)
  const pixel = shown / side
  const level = (filter: number, colour: number, at: number): number =>
    Math.round(127.5 + (127.5 * data[(filter * colours + colour) * side * side + at]!) / largest)
  return Array.from({ length: count }, (_, filter) => {
    const x = (filter % perRow) * (shown + gap)
    const y = top + Math.floor(filter / perRow) * (shown + gap)
    return Array.from({ length: side * side }, (_, at) => {
      const rgb = [0, 1, 2].map((colour) => level(filter, colour, at)).join(",")
      const [px, py] = [x + (at % side) * pixel, y + Math.floor(at / side) * pixel]
      return `<rect x="${px.toFixed(2)}" y="${py.toFixed(2)}" width="${pixel.toFixed(2)}" height="${pixel.toFixed(2)}" fill="rgb(${rgb})"/>`
    }).join("")
  }).join("")
}

/** Both networks' filters, one below the other; nothing where neither has such filters. */
export const drawFirstFilters = (of: Readonly<Record<VariantName, Filters | undefined>>): string | undefined => {
  const parts: Array<string> = []
  let top = 0
  for (const variant of variants) {
    const filters = of[variant]
    if (filters === undefined) continue
    parts.push(label(0, top + 14, variantNames[variant], 'font-weight="600"'), drawFilters(filters, top + 24))
    top += 24 + Math.ceil(filters.count / perRow) * (shown + gap) + 8
  }
  return parts.length === 0 ? undefined : svg(perRow * (shown + gap), top, parts.join(""))
}
