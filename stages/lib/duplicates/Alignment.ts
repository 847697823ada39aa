/**
 * Whether one image is a copy of another: flipped, turned by a quarter, mildly cropped, resized, brightened,
 * recompressed.
 *
 * Two drawings of one subject look alike without being copies, so a distance between summaries is not enough. Of the
 * eight orientations the one that correlates best is taken; then one thumbnail is laid over the other by a shift and a
 * scale per axis together with a brightness gain and offset, found by Gauss-Newton steps on the squared difference
 * (Lucas and Kanade 1981); the residual must be small everywhere: a copy has no block of pixels that disagrees; another
 * drawing, or a clock that shows another hour, has one.
 *
 * The native engine computes the same, to the last bit (engine/native/src/align.cpp): an edit here is one there.
 */
import { type Fingerprint, greyOf, side } from "./Fingerprint.ts"
import * as Orientations from "./Orientations.ts"

/** How far two images are from being copies. */
export interface Agreement {
  /** Correlation of colours after alignment, from 0 to 1. */
  readonly correlation: number
  /** RMS difference of the worst block of 8 x 8 pixels over the image's standard deviation. */
  readonly worstBlock: number
  /** Share of pixels that are compared. */
  readonly overlap: number
}

const size = side * side

/** Pixels at the border, which the thumbnail's blur has mixed with padding. */
const margin = 3
const last = side - 1
/** The first steps of the search use every fourth pixel in each direction and reject most pairs. */
const coarseStride = 4
/** The other steps use every second pixel; blurred thumbnails hold no more detail. */
const fineStride = 2

/**
 * x' = scaleX * x + shiftX and so on, in coordinates from -1 to 1; grey of a ~ offset + gain * g + bend * g^2 / 255 with g of b:
 * the bend follows a brightened image into its clipped whites.
 */
interface Warp {
  scaleX: number
  scaleY: number
  shiftX: number
  shiftY: number
  gain: number
  bend: number
  offset: number
}

const tone = (warp: Warp, grey: number): number => warp.offset + grey * (warp.gain + (warp.bend * grey) / 255)

const half = (side - 1) / 2
const coordinate = (i: number): number => i / half - 1

/** Solves the symmetric system in place by Gaussian elimination with pivots; undefined when it is singular. */
const solve = (m: Float64Array, v: Float64Array): Float64Array | undefined => {
  const n = v.length
  for (let c = 0; c < n; c++) {
    let pivot = c
    for (let r = c + 1; r < n; r++) if (Math.abs(m[r * n + c]!) > Math.abs(m[pivot * n + c]!)) pivot = r
    if (Math.abs(m[pivot * n + c]!) < 1e-9) return undefined
    for (let k = 0; k < n; k++) {
      const swapped = m[c * n + k]!
      m[c * n + k] = m[pivot * n + k]!
      m[pivot * n + k] = swapped
    }
    const swapped = v[c]!
    v[c] = v[pivot]!
    v[pivot] = swapped
    for (let r = 0; r < n; r++) {
      if (r === c) continue
      const f = m[r * n + c]! / m[c * n + c]!
      for (let k = c; k < n; k++) m[r * n + k]! -= f * m[c * n + k]!
      v[r]! -= f * v[c]!
    }
  }
  return v.map((value, i) => value / m[i * n + i]!)
}

const unknowns = 7
/** Squared grey levels that a bend of 1 costs. */
const bendPenalty = 20

/** How far a step moved the warp, and how well the images agreed before it. */
interface Stepped {
  readonly moved: number
  readonly correlation: number
}

/** Normal equations of one step, and the sums that tell how well the images agree. */
interface Normal {
  readonly m: Float64Array
  readonly v: Float64Array
  count: number
  sum: number
  sumSquares: number
  left: number
}

/**
 * Adds the equation of one pixel, whose factors are r0 to r6, with r5 = -1. Written out: this is where most of the
 * time of a search goes.
 */
const addEquation = (
  { m, v }: Normal,
  difference: number,
  r0: number,
  r1: number,
  r2: number,
  r3: number,
  r4: number,
  r6: number
): void => {
  v[0]! += r0 * difference
  v[1]! += r1 * difference
  v[2]! += r2 * difference
  v[3]! += r3 * difference
  v[4]! += r4 * difference
  v[5]! -= difference
  v[6]! += r6 * difference
  m[0]! += r0 * r0
  m[1]! += r0 * r1
  m[2]! += r0 * r2
  m[3]! += r0 * r3
  m[4]! += r0 * r4
  m[5]! -= r0
  m[6]! += r0 * r6
  m[8]! += r1 * r1
  m[9]! += r1 * r2
  m[10]! += r1 * r3
  m[11]! += r1 * r4
  m[12]! -= r1
  m[13]! += r1 * r6
  m[16]! += r2 * r2
  m[17]! += r2 * r3
  m[18]! += r2 * r4
  m[19]! -= r2
  m[20]! += r2 * r6
  m[24]! += r3 * r3
  m[25]! += r3 * r4
  m[26]! -= r3
  m[27]! += r3 * r6
  m[32]! += r4 * r4
  m[33]! -= r4
  m[34]! += r4 * r6
  m[40]! += 1
  m[41]! -= r6
  m[48]! += r6 * r6
}

/** Samples `a` (and its slopes per unit of x and y) under the warp at the pixels of b that it covers. */
const normalEquations = (a: Uint8Array, b: Uint8Array, table: Uint16Array, warp: Warp, stride: number): Normal => {
  const into: Normal = {
    m: new Float64Array(unknowns * unknowns),
    v: new Float64Array(unknowns),
    count: 0,
    sum: 0,
    sumSquares: 0,
    left: 0
  }
  for (let py = margin; py < side - margin; py += stride) {
    const y = coordinate(py)
    const fy = (warp.scaleY * y + warp.shiftY + 1) * half
    if (fy < margin || fy > last - margin) continue
    const y0 = Math.floor(fy)
    const ty = fy - y0
    for (let px = margin; px < side - margin; px += stride) {
      const x = coordinate(px)
      const fx = (warp.scaleX * x + warp.shiftX + 1) * half
      if (fx < margin || fx > last - margin) continue
      const x0 = Math.floor(fx)
      const tx = fx - x0
      const k = y0 * side + x0
      const above = a[k + 1]! - a[k]!
      const below = a[k + side + 1]! - a[k + side]!
      const top = a[k]! + tx * above
      const bottom = a[k + side]! + tx * below
      const value = top + ty * (bottom - top)
      const other = b[table[py * side + px]!]!
      const slopeX = (above + ty * (below - above)) * half
      const slopeY = (bottom - top) * half
      const difference = tone(warp, other) - value
      into.count += 1
      into.sum += value
      into.sumSquares += value * value
      into.left += difference * difference
      addEquation(into, difference, slopeX * x, slopeX, slopeY * y, slopeY, -other, -(other * other) / 255)
    }
  }
  return into
}

/** One Gauss-Newton step; undefined when the images leave the warp open. */
const step = (a: Uint8Array, b: Uint8Array, table: Uint16Array, warp: Warp, stride: number): Stepped | undefined => {
  const { m, v, count, sum, sumSquares, left } = normalEquations(a, b, table, warp, stride)
  // an image of two greys does not determine the bend: prefer none
  m[unknowns * unknowns - 1]! += count * bendPenalty
  v[unknowns - 1]! -= count * bendPenalty * warp.bend
  for (let r = 1; r < unknowns; r++) for (let c = 0; c < r; c++) m[r * unknowns + c] = m[c * unknowns + r]!
  const d = solve(m, v)
  if (d === undefined) return undefined
  warp.scaleX += d[0]!
  warp.shiftX += d[1]!
  warp.scaleY += d[2]!
  warp.shiftY += d[3]!
  warp.gain += d[4]!
  warp.offset += d[5]!
  warp.bend += d[6]!
  const variance = sumSquares - (sum * sum) / Math.max(1, count)
  return {
    moved: Math.max(Math.abs(d[0]!), Math.abs(d[1]!), Math.abs(d[2]!), Math.abs(d[3]!)),
    correlation: variance < count ? 0 : Math.sqrt(Math.max(0, 1 - left / variance))
  }
}

/** The largest shift, in half widths. */
const mostMove = 0.3
/** The range of a scale; written out, since a logarithm's last digit differs by machine. */
const leastScale = 0.7408182206817179
const mostScale = 1.3498588075760032
/** The range of the gain at white. */
const leastGain = 0.4
const mostGain = 2.5

/** A mild crop has a scale and shift near those of the whole; beyond that it is another image. */
const mild = (warp: Warp): boolean =>
  warp.scaleX > leastScale &&
  warp.scaleX < mostScale &&
  warp.scaleY > leastScale &&
  warp.scaleY < mostScale &&
  Math.abs(warp.shiftX) < mostMove &&
  Math.abs(warp.shiftY) < mostMove &&
  warp.gain + warp.bend > leastGain &&
  warp.gain + warp.bend < mostGain

/** The least correlation of a copy after each step; a pair below it gets no more steps. */
const hopeful: ReadonlyArray<number> = [0, 0.7, 0.8]
const leastGrey = 0.86
/** Most Gauss-Newton steps, and the move below which they have converged. */
const mostSteps = 15
const converged = 1e-3

const align = (a: Uint8Array, b: Uint8Array, table: Uint16Array): Warp | undefined => {
  const warp: Warp = { scaleX: 1, scaleY: 1, shiftX: 0, shiftY: 0, gain: 1, bend: 0, offset: 0 }
  for (let i = 0; i < mostSteps; i++) {
    const stepped = step(a, b, table, warp, i < hopeful.length ? coarseStride : fineStride)
    if (stepped === undefined || !mild(warp)) return undefined
    if (stepped.correlation < (hopeful[i] ?? leastGrey)) return undefined
    if (stepped.moved < converged && i >= hopeful.length) break
  }
  return warp
}

const blockSide = 8
const blocks = side / blockSide
/** The block of each pixel. */
const blockOf = Uint8Array.from(
  { length: size },
  (_, i) => Math.floor(i / side / blockSide) * blocks + Math.floor((i % side) / blockSide)
)

interface Overlaid {
  readonly count: number
  /** Position in b's thumbnail. */
  readonly pixel: Uint16Array
  /** Levels of a and b, RGB, pixel after pixel. */
  readonly first: Float32Array
  readonly second: Float32Array
}

/** Both images in colour, a laid over b by the warp. */
const overlay = (a: Uint8Array, b: Uint8Array, table: Uint16Array, warp: Warp): Overlaid => {
  const pixel = new Uint16Array(size)
  const first = new Float32Array(size * 3)
  const second = new Float32Array(size * 3)
  let count = 0
  for (let py = margin; py < side - margin; py++) {
    const fy = (warp.scaleY * coordinate(py) + warp.shiftY + 1) * half
    if (fy < margin || fy > last - margin) continue
    const y0 = Math.floor(fy)
    const ty = fy - y0
    for (let px = margin; px < side - margin; px++) {
      const fx = (warp.scaleX * coordinate(px) + warp.shiftX + 1) * half
      if (fx < margin || fx > last - margin) continue
      const x0 = Math.floor(fx)
      const tx = fx - x0
      const i = py * side + px
      for (let channel = 0; channel < 3; channel++) {
        const k = (y0 * side + x0) * 3 + channel
        const top = a[k]! + tx * (a[k + 3]! - a[k]!)
        const bottom = a[k + side * 3]! + tx * (a[k + side * 3 + 3]! - a[k + side * 3]!)
        first[count * 3 + channel] = top + ty * (bottom - top)
        second[count * 3 + channel] = b[table[i]! * 3 + channel]!
      }
      pixel[count] = i
      count += 1
    }
  }
  return { count, pixel, first: first.subarray(0, count * 3), second: second.subarray(0, count * 3) }
}

const meanOf = (values: Float32Array): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / Math.max(1, values.length)
}

/**
 * Differences between the brighter image and min(255, gain * darker + offset): a brightened copy is clipped at white,
 * and a darkened one is undone. Gain and offset come from Gauss-Newton steps that leave clipped levels out.
 */
const differences = (brighter: Float32Array, darker: Float32Array): Float32Array => {
  let gain = 1
  let offset = 0
  for (let round = 0; round < 6; round++) {
    let n = 0
    let sx = 0
    let sxx = 0
    let sy = 0
    let sxy = 0
    for (let i = 0; i < darker.length; i++) {
      const x = darker[i]!
      if (gain * x + offset >= 255 && brighter[i]! > 250) continue
      n += 1
      sx += x
      sxx += x * x
      sy += brighter[i]!
      sxy += x * brighter[i]!
    }
    const spread = n * sxx - sx * sx
    if (n < size / 20 || spread < 1e-3) break
    const before = { gain, offset }
    gain = Math.min(2, Math.max(0.7, (n * sxy - sx * sy) / spread))
    offset = (sy - gain * sx) / n
    // the same levels were left out as before: so it would go on
    if (gain === before.gain && offset === before.offset) break
  }
  const left = new Float32Array(darker.length)
  for (let i = 0; i < left.length; i++) left[i] = Math.min(255, gain * darker[i]! + offset) - brighter[i]!
  return left
}

/** The residual after alignment, divided by the standard deviation of the image's levels. */
const residual = ({ count, pixel, first, second }: Overlaid): Agreement => {
  const mean = meanOf(first)
  const firstIsBrighter = mean >= meanOf(second)
  const left = firstIsBrighter ? differences(first, second) : differences(second, first)
  const squares = new Float64Array(blocks * blocks)
  const counts = new Float64Array(blocks * blocks)
  let variance = 0
  let total = 0
  for (let i = 0; i < left.length; i++) {
    const block = blockOf[pixel[(i / 3) | 0]!]!
    const square = left[i]! * left[i]!
    const deviation = first[i]! - mean
    squares[block]! += square
    counts[block]! += 1
    total += square
    variance += deviation * deviation
  }
  const overlap = count / size
  if (variance < left.length) return { correlation: 0, worstBlock: Number.POSITIVE_INFINITY, overlap }
  let worst = 0
  for (let k = 0; k < squares.length; k++) {
    // a block with little overlap says little
    if (counts[k]! >= (3 * blockSide * blockSide) / 4) worst = Math.max(worst, squares[k]! / counts[k]!)
  }
  return {
    correlation: Math.sqrt(Math.max(0, 1 - total / variance)),
    worstBlock: Math.sqrt((worst * left.length) / variance),
    overlap
  }
}

/** Grey levels by thumbnail: each is compared with many. */
const greys = new WeakMap<Uint8Array, Uint8Array>()

const greyOnce = (rgb: Uint8Array): Uint8Array => {
  const known = greys.get(rgb)
  if (known !== undefined) return known
  const grey = greyOf(rgb)
  greys.set(rgb, grey)
  return grey
}

/** The agreement of thumbnail a with thumbnail b in that orientation; undefined when they cannot be aligned. */
export const agreementIn = (orientation: number, a: Uint8Array, b: Uint8Array): Agreement | undefined => {
  const table = Orientations.of(side)[orientation]!
  const warp = align(greyOnce(a), greyOnce(b), table)
  return warp === undefined ? undefined : residual(overlay(a, b, table, warp))
}

/** The agreement in the best of the eight orientations; undefined when there is nothing to align. */
export const agreement = (a: Fingerprint, b: Fingerprint): Agreement | undefined => {
  const likely = Orientations.likely(a, b)
  return likely === undefined ? undefined : agreementIn(likely.orientation, a.rgb, b.rgb)
}
