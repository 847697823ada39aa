/**
 * The nearest neighbours of each image by descriptor: some in its own class, some in the others.
 *
 * Every pair is looked at, since descriptors of images that are all alike have too many dimensions for an index. A look
 * is short: components are ordered by their variance, and a distance is given up after eight of them if it is longer
 * already than the longest that either image keeps. Images are sorted by the first component and compared in blocks that
 * fit in the cache, blocks that lie near each other first: so lists are soon full of near ones, and blocks farther apart
 * than the radius are left out.
 */
import * as Effect from "effect/Effect"
import { descriptorLength } from "./Fingerprint.ts"

export interface Point {
  readonly class: string
  readonly descriptor: Float32Array
}

/** How many neighbours an image keeps, and how far they may be. */
export interface Reach {
  readonly count: number
  readonly radius: number
}

/** For each point the nearest others, nearest first. */
class Lists {
  readonly #count: number
  readonly #ids: Int32Array
  readonly #squares: Float64Array
  /** The square of the distance below which another point enters the list of each. */
  readonly bounds: Float64Array

  constructor(points: number, { count, radius }: Reach) {
    this.#count = count
    this.#ids = new Int32Array(points * count).fill(-1)
    this.#squares = new Float64Array(points * count).fill(radius * radius)
    this.bounds = new Float64Array(points).fill(radius * radius)
  }

  offer(i: number, j: number, square: number): void {
    if (square >= this.bounds[i]!) return
    const start = i * this.#count
    const end = start + this.#count - 1
    let at = end
    for (; at > start && this.#squares[at - 1]! > square; at--) {
      this.#squares[at] = this.#squares[at - 1]!
      this.#ids[at] = this.#ids[at - 1]!
    }
    this.#squares[at] = square
    this.#ids[at] = j
    this.bounds[i] = this.#squares[end]!
  }

  of(i: number): Int32Array {
    const all = this.#ids.subarray(i * this.#count, (i + 1) * this.#count)
    const free = all.indexOf(-1)
    return free < 0 ? all : all.subarray(0, free)
  }
}

/** Points in the order of the search. */
interface Sorted {
  /** Place in the search's order -> the point. */
  readonly order: Uint32Array
  readonly labels: Uint32Array
  /** Whether it gets a list. */
  readonly active: Uint8Array
  /** Components by falling variance. */
  readonly descriptors: Float32Array
}

const byVariance = (points: ReadonlyArray<Point>): ReadonlyArray<number> => {
  const variance = Array.from({ length: descriptorLength }, (_, k) => {
    let sum = 0
    let squares = 0
    for (const { descriptor } of points) {
      sum += descriptor[k]!
      squares += descriptor[k]! * descriptor[k]!
    }
    return squares - (sum * sum) / points.length
  })
  return variance.map((_, k) => k).sort((a, b) => variance[b]! - variance[a]!)
}

const sortPoints = (points: ReadonlyArray<Point>, active: ReadonlyArray<boolean>): Sorted => {
  const components = byVariance(points)
  const key = (i: number): number => points[i]!.descriptor[components[0]!]!
  const order = Uint32Array.from(points, (_, i) => i).sort((a, b) => key(a) - key(b) || a - b)
  const labelOf = new Map<string, number>()
  for (const one of points) if (!labelOf.has(one.class)) labelOf.set(one.class, labelOf.size)
  const descriptors = new Float32Array(points.length * descriptorLength)
  for (let p = 0; p < order.length; p++) {
    const { descriptor } = points[order[p]!]!
    for (let k = 0; k < descriptorLength; k++) descriptors[p * descriptorLength + k] = descriptor[components[k]!]!
  }
  return {
    order,
    labels: order.map((i) => labelOf.get(points[i]!.class)!),
    active: Uint8Array.from(order, (i) => (active[i]! ? 1 : 0)),
    descriptors
  }
}

/** Components between two looks at the limit; `descriptorLength` is a multiple. */
const stride = 4
/** Points in a block: two blocks take 100 kB. */
const blockLength = 256

/** Compares the points from `first` on with those from `second` on, a block of each. */
const compareBlocks = (
  { descriptors, labels, active }: Sorted,
  first: number,
  second: number,
  within: Lists,
  across: Lists
): void => {
  const firstEnd = Math.min(labels.length, first + blockLength)
  const secondEnd = Math.min(labels.length, second + blockLength)
  for (let p = first; p < firstEnd; p++) {
    const a = p * descriptorLength
    for (let q = Math.max(second, p + 1); q < secondEnd; q++) {
      if (active[p] === 0 && active[q] === 0) continue
      const b = q * descriptorLength
      const lists = labels[p] === labels[q] ? within : across
      const limit = Math.max(lists.bounds[p]!, lists.bounds[q]!)
      let sum = 0
      for (let k = 0; k < descriptorLength && sum < limit; k += stride) {
        const d0 = descriptors[a + k]! - descriptors[b + k]!
        const d1 = descriptors[a + k + 1]! - descriptors[b + k + 1]!
        const d2 = descriptors[a + k + 2]! - descriptors[b + k + 2]!
        const d3 = descriptors[a + k + 3]! - descriptors[b + k + 3]!
        sum += d0 * d0 + d1 * d1 + (d2 * d2 + d3 * d3)
      }
      if (sum >= limit) continue
      lists.offer(p, q, sum)
      lists.offer(q, p, sum)
    }
  }
}

export interface Neighbours {
  readonly within: ReadonlyArray<number>
  readonly across: ReadonlyArray<number>
}

/** The neighbours of each active point in its own class and in the others; nearest first. */
export const neighbours = Effect.fnUntraced(function* (
  points: ReadonlyArray<Point>,
  active: ReadonlyArray<boolean>,
  reach: { readonly within: Reach; readonly across: Reach }
) {
  const sorted = sortPoints(points, active)
  const within = new Lists(points.length, reach.within)
  const across = new Lists(points.length, reach.across)
  const farthest = Math.max(reach.within.radius, reach.across.radius)
  const firstComponent = (p: number): number => sorted.descriptors[p * descriptorLength]!
  for (let apart = 0; apart < points.length; apart += blockLength) {
    for (let first = 0; first + apart < points.length; first += blockLength) {
      const gap = apart === 0 ? 0 : firstComponent(first + apart) - firstComponent(first + blockLength - 1)
      if (gap <= farthest) compareBlocks(sorted, first, first + apart, within, across)
    }
    // the search never waits: let other fibers run now and then
    yield* Effect.yieldNow
  }
  const found: Array<Neighbours> = []
  const pointsAt = (places: Int32Array): ReadonlyArray<number> => Array.from(places, (q) => sorted.order[q]!)
  for (const [p, i] of sorted.order.entries()) {
    found[i] = { within: pointsAt(within.of(p)), across: pointsAt(across.of(p)) }
  }
  return found
})
