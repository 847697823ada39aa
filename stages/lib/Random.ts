/**
 * Seeded random streams.
 *
 * A stream is named by a seed and its purpose (`Random.make(seed, "augment", path, copy)`), so that a draw does not
 * depend on order, concurrency or thread count. Streams with different names are independent for all practical
 * purposes.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand), whose 128 bits of state are filled from the name by
 * MurmurHash3's 128-bit x86 variant without its tail shortcuts: the name is first turned into length-framed 32-bit
 * words. Not for cryptography.
 */

export interface Random {
  /** Next 32 random bits, as an unsigned integer. */
  readonly uint32: () => number
  /** Uniform in [0, 1) with 53 random bits. */
  readonly float: () => number
  /** Uniform in [minimum, maximum). */
  readonly between: (minimum: number, maximum: number) => number
  /** Uniform integer in [0, n), without modulo bias. `n` from 1 to 2^32. */
  readonly int: (n: number) => number
  /** Fisher-Yates, in place; returns its argument. */
  readonly shuffle: <A extends { length: number; [index: number]: unknown }>(items: A) => A
}

/** What a stream may be named by: numbers by their IEEE 754 bits, strings by their UTF-16 code units. */
export type RandomKey = string | number

const encodeKeys = (seed: number, keys: ReadonlyArray<RandomKey>): Uint32Array => {
  const words: Array<number> = []
  const float64 = new Float64Array(1)
  const bits = new Uint32Array(float64.buffer)
  for (const key of [seed, ...keys]) {
    if (typeof key === "number") {
      float64[0] = key
      words.push(1, bits[0]!, bits[1]!)
    } else {
      words.push(2, key.length)
      for (let i = 0; i < key.length; i++) words.push(key.charCodeAt(i))
    }
  }
  return Uint32Array.from(words)
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))

const finish = (value: number): number => {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Four 32-bit words of state from any number of words: one murmur3 lane per output word, each over all words. */
const stateOf = (words: Uint32Array): readonly [number, number, number, number] => {
  const lane = (salt: number): number => {
    let h = salt
    for (const word of words) {
      let k = Math.imul(word, 0xcc9e2d51)
      k = Math.imul(rotate(k, 15), 0x1b873593)
      h = (Math.imul(rotate(h ^ k, 13), 5) + 0xe6546b64) | 0
    }
    return finish(h ^ words.length)
  }
  return [lane(0x9e3779b9), lane(0x243f6a88), lane(0xb7e15162), lane(0x5851f42d)]
}

/** The stream named by `seed` and `keys`. */
export const make = (seed: number, ...keys: ReadonlyArray<RandomKey>): Random => {
  let [a, b, c, counter] = stateOf(encodeKeys(seed, keys))
  const uint32 = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    c = c | 0
    return t >>> 0
  }
  // sfc32 asks for a few rounds before its state is well mixed
  for (let i = 0; i < 12; i++) uint32()
  const float = (): number => ((uint32() >>> 5) * 67108864 + (uint32() >>> 6)) / 9007199254740992
  const int = (n: number): number => {
    const limit = 4294967296 - (4294967296 % n)
    for (;;) {
      const x = uint32()
      if (x < limit) return x % n
    }
  }
  return {
    uint32,
    float,
    between: (minimum, maximum) => minimum + (maximum - minimum) * float(),
    int,
    shuffle: (items) => {
      for (let i = items.length - 1; i > 0; i--) {
        const j = int(i + 1)
        const swapped = items[i]
        items[i] = items[j]
        items[j] = swapped
      }
      return items
    }
  }
}
