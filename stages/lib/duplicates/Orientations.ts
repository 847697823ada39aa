/** The eight orientations of a square: its flips and quarter turns; and the one in which two images are most alike. */
import { coarseSide, type Summary } from "./Fingerprint.ts"

const make = (n: number): ReadonlyArray<Uint16Array> =>
  Array.from({ length: 8 }, (_, k) =>
    new Uint16Array(n * n).map((_, i) => {
      let y = Math.floor(i / n)
      let x = i % n
      if (k & 4) [x, y] = [y, x]
      if (k & 1) x = n - 1 - x
      if (k & 2) y = n - 1 - y
      return y * n + x
    })
  )

const made = new Map<number, ReadonlyArray<Uint16Array>>()

/** The eight maps of a square of `n` pixels a side onto itself, as index tables: `out[i] = in[table[i]]`. */
export const of = (n: number): ReadonlyArray<Uint16Array> => {
  // on first use, since every run loads this module
  const found = made.get(n) ?? make(n)
  made.set(n, found)
  return found
}

/** The sum of the levels of a coarse thumbnail, and its variance times its pixels. */
interface Spread {
  readonly sum: number
  readonly variance: number
}

const spreads = new WeakMap<Uint8Array, Spread>()

/** Once per image: each is compared with many. */
const spreadOf = (levels: Uint8Array): Spread => {
  const known = spreads.get(levels)
  if (known !== undefined) return known
  let sum = 0
  let squares = 0
  for (const level of levels) {
    sum += level
    squares += level * level
  }
  const spread = { sum, variance: squares - (sum * sum) / levels.length }
  spreads.set(levels, spread)
  return spread
}

/** The sum of products of two thumbnails, the second in an orientation. */
const product = (a: Uint8Array, b: Uint8Array, table: Uint16Array): number => {
  let sum = 0
  for (let i = 0; i < table.length; i++) sum += a[i]! * b[table[i]!]!
  return sum
}

/** An orientation, and how well the coarse thumbnails correlate in it. */
export interface Oriented {
  readonly orientation: number
  readonly correlation: number
}

/** The orientation of b in which the coarse thumbnails correlate best. */
const bestOrientation = (a: Summary, b: Summary): Oriented => {
  const maps = of(coarseSide)
  const [first, second] = [spreadOf(a.coarse), spreadOf(b.coarse)]
  if (first.variance <= 0 || second.variance <= 0) return { orientation: 0, correlation: 0 }
  const scale = Math.sqrt(first.variance * second.variance)
  let orientation = 0
  let correlation = -1
  for (let k = 0; k < 8; k++) {
    const shared = product(a.coarse, b.coarse, maps[k]!)
    const found = (shared - (first.sum * second.sum) / a.coarse.length) / scale
    if (found > correlation) {
      orientation = k
      correlation = found
    }
  }
  return { orientation, correlation }
}

/** The least correlation of the coarse thumbnails of copies, before alignment. */
const leastCoarse = 0.65

/** The orientation in which b may be a copy of a, by their coarse thumbnails; undefined when there is none. */
export const likely = (a: Summary, b: Summary): Oriented | undefined => {
  const best = bestOrientation(a, b)
  return best.correlation < leastCoarse ? undefined : best
}
