/** The eight orientations of a square: its flips and quarter turns. */

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
