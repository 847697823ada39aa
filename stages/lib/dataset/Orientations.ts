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

const correlate = (a: ArrayLike<number>, b: ArrayLike<number>, table: Uint16Array): number => {
  let sa = 0
  let sb = 0
  let saa = 0
  let sbb = 0
  let sab = 0
  const n = table.length
  for (let i = 0; i < n; i++) {
    const p = a[i]!
    const q = b[table[i]!]!
    sa += p
    sb += q
    saa += p * p
    sbb += q * q
    sab += p * q
  }
  const va = saa - (sa * sa) / n
  const vb = sbb - (sb * sb) / n
  return va <= 0 || vb <= 0 ? 0 : (sab - (sa * sb) / n) / Math.sqrt(va * vb)
}

/** An orientation, and how well the coarse thumbnails correlate in it. */
export interface Oriented {
  readonly orientation: number
  readonly correlation: number
}

/** The orientation of b in which the coarse thumbnails correlate best. */
const bestOrientation = (a: Summary, b: Summary): Oriented => {
  const maps = of(coarseSide)
  let orientation = 0
  let correlation = -1
  for (let k = 0; k < 8; k++) {
    const found = correlate(a.coarse, b.coarse, maps[k]!)
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
