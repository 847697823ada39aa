/**
 * Resampling: parts of an RGB square at another size, straight or rotated.
 *
 * An imaging library spends far longer on its setup than on so few pixels, and a rotation, a crop and a resize one
 * after the other blur three times. Here each record is made in one pass from the working square: `straight` weighs all
 * pixels below an output pixel by a triangle (as Pillow's BILINEAR does), `turned` reads between four pixels, at
 * several places an output pixel where the image gets smaller.
 *
 * All arithmetic is on integers, so the same square gives the same bytes on every machine.
 */

/** An RGB square. */
export interface Square {
  readonly side: number
  /** `side * side * 3` levels. */
  readonly rgb: Uint8Array
}

/** RGB rows of any width and height. */
export interface Image {
  readonly width: number
  readonly height: number
  /** `width * height * 3` levels. */
  readonly rgb: Uint8Array
}

/** A part of an image, pixels. */
export interface Part {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

export type Colour = readonly [r: number, g: number, b: number]

/** One record to be made: a part of a square, turned, mirrored and recoloured. */
export interface Job {
  readonly part: Part
  /** Degrees, clockwise; 0: not turned. */
  readonly angle: number
  readonly flip: boolean
  /** What a turn uncovers. */
  readonly fill: Colour
  /** Factors; 1: as it is. */
  readonly brightness: number
  readonly saturation: number
}

/** Rounds halves up, as `Math.round` does, with arithmetic that is the same in C++. */
const nearest = (x: number): number => Math.floor(x + 0.5)

/** The weights of an output pixel add up to this. */
const unit = 1 << 14
/** Most input pixels an output pixel has while the image gets no smaller than half. */
const few = 4

/**
 * The input pixels of each output pixel: `most` of them from `firsts[i]` on, with their weights one after the other.
 */
interface Taps {
  readonly firsts: Int32Array
  readonly weights: Int32Array
  readonly most: number
}

/**
 * Triangle weights from `span` pixels to `size`. Every output pixel has the same number of taps; some may have weight
 * 0.
 */
const tapsOf = (span: number, size: number): Taps => {
  const scale = span / size
  const reach = Math.max(1, scale)
  const most = Math.min(span, Math.max(few, Math.ceil(2 * reach)))
  const firsts = new Int32Array(size)
  const weights = new Int32Array(size * most)
  const exact = new Float64Array(most)
  for (let i = 0; i < size; i++) {
    const centre = (i + 0.5) * scale
    const first = Math.max(0, Math.min(span - most, Math.floor(centre - reach + 0.5)))
    let sum = 0
    for (let k = 0; k < most; k++) {
      exact[k] = Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / reach)
      sum += exact[k]!
    }
    // weights are rounded so that they add up: each is the growth of the rounded running sum
    let before = 0
    let upTo = 0
    for (let k = 0; k < most; k++) {
      upTo += exact[k]! / sum
      const rounded = nearest(upTo * unit)
      weights[i * most + k] = rounded - before
      before = rounded
    }
    firsts[i] = first
  }
  return { firsts, weights, most }
}

type Rows = Pick<Image, "width" | "rgb">

/** The part's columns at their new height: `size` rows of the part's width, levels times 256. */
const squeezeDown = ({ width, rgb }: Rows, part: Part, size: number): Uint16Array => {
  const { firsts, weights, most } = tapsOf(part.height, size)
  const row = part.width * 3
  const line = width * 3
  const out = new Uint16Array(size * row)
  const sums = new Int32Array(row)
  for (let y = 0; y < size; y++) {
    const from = ((part.top + firsts[y]!) * width + part.left) * 3
    const at = y * most
    const to = y * row
    if (most === few) {
      const w0 = weights[at]!
      const w1 = weights[at + 1]!
      const w2 = weights[at + 2]!
      const w3 = weights[at + 3]!
      for (let i = 0; i < row; i++) {
        const a = from + i
        const upper = rgb[a]! * w0 + rgb[a + line]! * w1
        const lower = rgb[a + 2 * line]! * w2 + rgb[a + 3 * line]! * w3
        out[to + i] = (upper + lower + 32) >> 6
      }
    } else {
      sums.fill(32)
      for (let k = 0; k < most; k++) {
        const weight = weights[at + k]!
        for (let i = 0; i < row; i++) sums[i]! += rgb[from + k * line + i]! * weight
      }
      for (let i = 0; i < row; i++) out[to + i] = sums[i]! >> 6
    }
  }
  return out
}

/** A part of an image, `size * size * 3` levels; mirrored if `flip`. */
export const straight = (rows: Rows, part: Part, size: number, flip: boolean): Uint8Array => {
  const lines = squeezeDown(rows, part, size)
  const { firsts, weights, most } = tapsOf(part.width, size)
  const out = new Uint8Array(size * size * 3)
  const half = 1 << 21
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = (y * part.width + firsts[x]!) * 3
      const to = (y * size + (flip ? size - 1 - x : x)) * 3
      const at = x * most
      if (most === few) {
        const w0 = weights[at]!
        const w1 = weights[at + 1]!
        const w2 = weights[at + 2]!
        const w3 = weights[at + 3]!
        for (let i = from, k = to; k < to + 3; i++, k++) {
          const left = lines[i]! * w0 + lines[i + 3]! * w1
          const right = lines[i + 6]! * w2 + lines[i + 9]! * w3
          out[k] = (left + right + half) >> 22
        }
      } else {
        for (let k = 0; k < 3; k++) {
          let sum = half
          for (let tap = 0; tap < most; tap++) sum += lines[from + k + tap * 3]! * weights[at + tap]!
          out[to + k] = sum >> 22
        }
      }
    }
  }
  return out
}

/** Positions are in units of 1/65,536 pixel. */
const one = 65_536
const halfOne = one / 2

/** Cosine and sine of an angle in degrees. */
export const turnOf = (angle: number): readonly [cos: number, sin: number] => {
  const radians = (angle * Math.PI) / 180
  return [Math.cos(radians), Math.sin(radians)]
}

/** How sample positions move over the square along a line of the rotated image. */
interface Turn {
  /** Samples per output pixel along one axis. */
  readonly n: number
  /** Samples along a line. */
  readonly fine: number
  readonly dx: number
  readonly dy: number
}

/** Level `k` of the pixel at (x, y), or of `fill` beyond the square. */
const levelAt = ({ side, rgb }: Square, fill: Colour, k: number, x: number, y: number): number =>
  x < 0 || y < 0 || x >= side || y >= side ? fill[k]! : rgb[(y * side + x) * 3 + k]!

/** Adds the levels of one line of samples, from (x, y) on, to the sums of their output pixels. */
const addLine = (square: Square, fill: Colour, { n, fine, dx, dy }: Turn, x: number, y: number, sums: Int32Array) => {
  const { side, rgb } = square
  const last = side - 1
  const row = side * 3
  let [placeX, placeY] = [x, y]
  let to = 0
  for (let place = 0; place < fine; place++) {
    const left = placeX >> 16
    const top = placeY >> 16
    const u = (placeX >> 8) & 255
    const v = (placeY >> 8) & 255
    const bottomRight = u * v
    const topRight = (u << 8) - bottomRight
    const bottomLeft = (v << 8) - bottomRight
    const topLeft = one - topRight - bottomLeft - bottomRight
    if (left >= 0 && top >= 0 && left < last && top < last) {
      const at = top * row + left * 3
      const under = at + row
      for (let k = 0; k < 3; k++) {
        const above = rgb[at + k]! * topLeft + rgb[at + k + 3]! * topRight
        const below = rgb[under + k]! * bottomLeft + rgb[under + k + 3]! * bottomRight
        sums[to + k]! += (above + below + halfOne) >> 16
      }
    } else {
      for (let k = 0; k < 3; k++) {
        const above = levelAt(square, fill, k, left, top) * topLeft + levelAt(square, fill, k, left + 1, top) * topRight
        const below =
          levelAt(square, fill, k, left, top + 1) * bottomLeft +
          levelAt(square, fill, k, left + 1, top + 1) * bottomRight
        sums[to + k]! += (above + below + halfOne) >> 16
      }
    }
    if ((place + 1) % n === 0) to += 3
    placeX += dx
    placeY += dy
  }
}

/**
 * A part of the square, rotated about its centre by `angle` degrees clockwise, `size * size * 3` levels; mirrored if
 * `flip`. Pixels beyond the square are `fill`. An output pixel is the mean of `n * n` samples where it covers that many
 * pixels.
 */
export const turned = (
  square: Square,
  part: Part,
  angle: number,
  size: number,
  flip: boolean,
  fill: Colour
): Uint8Array => {
  const [cos, sin] = turnOf(angle)
  const n = Math.max(1, nearest(Math.max(part.width, part.height) / size))
  const fine = size * n
  const stepX = ((flip ? -1 : 1) * part.width) / fine
  const stepY = part.height / fine
  const centre = square.side / 2
  const turn: Turn = { n, fine, dx: nearest(stepX * cos * one), dy: nearest(-stepX * sin * one) }
  const firstX = (flip ? part.left + part.width : part.left) + stepX / 2 - centre
  const out = new Uint8Array(size * size * 3)
  const sums = new Int32Array(size * 3)
  const places = n * n
  const half = places >> 1
  for (let y = 0; y < size; y++) {
    sums.fill(0)
    for (let fineY = y * n; fineY < (y + 1) * n; fineY++) {
      const offY = part.top + (fineY + 0.5) * stepY - centre
      const placeX = nearest((centre + firstX * cos + offY * sin - 0.5) * one)
      const placeY = nearest((centre - firstX * sin + offY * cos - 0.5) * one)
      addLine(square, fill, turn, placeX, placeY, sums)
    }
    const line = y * size * 3
    if (places === 1) out.set(sums, line)
    else for (let x = 0; x < size * 3; x++) out[line + x] = (sums[x]! + half) / places
  }
  return out
}

/**
 * Multiplies brightness, then scales the distance of colours from grey (luma of ITU-R BT.601) by `saturation`; in
 * place.
 */
export const recolour = (rgb: Uint8Array, brightness: number, saturation: number): void => {
  const level = (value: number): number => Math.max(0, Math.min(255, nearest(value)))
  for (let i = 0; i < rgb.length; i += 3) {
    const r = rgb[i]! * brightness
    const g = rgb[i + 1]! * brightness
    const b = rgb[i + 2]! * brightness
    const grey = 0.299 * r + 0.587 * g + 0.114 * b
    rgb[i] = level(grey + saturation * (r - grey))
    rgb[i + 1] = level(grey + saturation * (g - grey))
    rgb[i + 2] = level(grey + saturation * (b - grey))
  }
}

/** The record of a job. */
export const make = (square: Square, job: Job, size: number): Uint8Array => {
  const { part, angle, flip, fill, brightness, saturation } = job
  const record =
    angle === 0
      ? straight({ width: square.side, rgb: square.rgb }, part, size, flip)
      : turned(square, part, angle, size, flip, fill)
  if (brightness !== 1 || saturation !== 1) recolour(record, brightness, saturation)
  return record
}
