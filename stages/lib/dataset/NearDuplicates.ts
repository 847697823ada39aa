/**
 * Near-duplicates among many images: pairs that are copies, within a class and across classes, and pairs that look so
 * much alike that they may be.
 *
 * Candidates are pairs whose descriptors (Fingerprint) lie within a radius: the components are ordered by their
 * variance, images are sorted by the first, so that a window over it holds all candidates, and a distance is given up
 * as soon as it is too large. What is near is then aligned and compared pixel by pixel (Alignment). Across classes the
 * radius is smaller: such a pair means a wrong label, and strong crops are not searched for. Images that are linked
 * already are not compared again: otherwise a thousand copies of one image would take half a million comparisons.
 *
 * Gotcha: groups are the connected parts of the pairs found; a chain of mild changes makes one group.
 */
import * as Effect from "effect/Effect"
import type { Stage } from "../../../core/index.ts"
import { agreementIn, likelyOrientation } from "./Alignment.ts"
import { covers, isCopy, isLookAlike } from "./CopyRules.ts"
import { descriptorLength, type Summary } from "./Fingerprint.ts"
import type { Thumbnails } from "./Thumbnails.ts"

/** Distance of descriptors up to which two images of one class are compared. */
const radiusWithin = 0.7
/** The same for images of two classes. */
const radiusAcross = 0.3

export interface Item {
  readonly class: string
  readonly fingerprint: Summary
}

/** Indices of two items that are copies. */
export type Pair = readonly [first: number, second: number]

export interface Alike {
  /** Enough pairs to connect all that are copies, within a class by pairs of that class alone; not every pair. */
  readonly copies: ReadonlyArray<Pair>
  /**
   * Pairs that may be copies but are not by the thresholds, and that no copies link; those that differ least come
   * first.
   */
  readonly lookAlikes: ReadonlyArray<Pair>
}

/** Connected parts of a graph on `0 .. count - 1`. */
export class Components {
  readonly #parent: Int32Array

  constructor(count: number) {
    this.#parent = Int32Array.from({ length: count }, (_, i) => i)
  }

  /** The part that `i` is in, named by its least member. */
  find(i: number): number {
    let root = i
    while (this.#parent[root] !== root) root = this.#parent[root]!
    let at = i
    while (at !== root) {
      const next = this.#parent[at]!
      this.#parent[at] = root
      at = next
    }
    return root
  }

  join(i: number, j: number): void {
    const a = this.find(i)
    const b = this.find(j)
    this.#parent[Math.max(a, b)] = Math.min(a, b)
  }

  /** Parts with more than one member, each in rising order, by their least member. */
  many(): ReadonlyArray<ReadonlyArray<number>> {
    const parts = new Map<number, Array<number>>()
    for (let i = 0; i < this.#parent.length; i++) {
      const root = this.find(i)
      const part = parts.get(root)
      if (part === undefined) parts.set(root, [i])
      else part.push(i)
    }
    return [...parts.values()].filter((part) => part.length > 1)
  }
}

/**
 * The copies found so far. Pairs within a class are counted apart from pairs across classes (see LeakageGroups): a pair
 * is tied if it would add nothing to the parts of its kind.
 */
class Ties {
  readonly #items: ReadonlyArray<Item>
  readonly #within: Components
  readonly #all: Components

  constructor(items: ReadonlyArray<Item>) {
    this.#items = items
    this.#within = new Components(items.length)
    this.#all = new Components(items.length)
  }

  #areOneClass(i: number, j: number): boolean {
    return this.#items[i]!.class === this.#items[j]!.class
  }

  has(i: number, j: number): boolean {
    const parts = this.#areOneClass(i, j) ? this.#within : this.#all
    return parts.find(i) === parts.find(j)
  }

  tie(i: number, j: number): void {
    if (this.#areOneClass(i, j)) this.#within.join(i, j)
    this.#all.join(i, j)
  }
}

/** A pair that is a copy or a look-alike. */
interface Compared {
  readonly pair: Pair
  readonly copy: boolean
  readonly worstBlock: number
}

/** Components by falling variance: the most distinctive come first. */
const byVariance = (items: ReadonlyArray<Item>): ReadonlyArray<number> => {
  const variance = Array.from({ length: descriptorLength }, (_, k) => {
    let sum = 0
    let squares = 0
    for (const { fingerprint } of items) {
      const value = fingerprint.descriptor[k]!
      sum += value
      squares += value * value
    }
    return squares - (sum * sum) / items.length
  })
  return variance.map((_, k) => k).sort((a, b) => variance[b]! - variance[a]!)
}

interface Sorted {
  /** Position in the window's order -> index of the item. */
  readonly order: Uint32Array
  /** Descriptors in that order, components by variance. */
  readonly descriptors: Float32Array
}

const sortItems = (items: ReadonlyArray<Item>): Sorted => {
  const components = byVariance(items)
  const first = components[0]!
  const key = (i: number): number => items[i]!.fingerprint.descriptor[first]!
  const order = Uint32Array.from(items, (_, i) => i).sort((a, b) => key(a) - key(b) || a - b)
  const descriptors = new Float32Array(items.length * descriptorLength)
  for (let p = 0; p < order.length; p++) {
    const { descriptor } = items[order[p]!]!.fingerprint
    for (let k = 0; k < descriptorLength; k++) descriptors[p * descriptorLength + k] = descriptor[components[k]!]!
  }
  return { order, descriptors }
}

const isNear = (descriptors: Float32Array, p: number, q: number, radius: number): boolean => {
  const limit = radius * radius
  let sum = 0
  for (let k = 0; k < descriptorLength; k++) {
    const difference = descriptors[p * descriptorLength + k]! - descriptors[q * descriptorLength + k]!
    sum += difference * difference
    if (sum > limit) return false
  }
  return true
}

/** A pair that may be copies, and the orientation in which they may be. */
interface Candidate {
  readonly other: number
  readonly orientation: number
}

/** Candidates for copies of the image at position `p`, among those after it in the window. */
const candidatesAfter = (
  items: ReadonlyArray<Item>,
  { order, descriptors }: Sorted,
  p: number,
  ties: Ties
): ReadonlyArray<Candidate> => {
  const own = items[order[p]!]!
  const found: Array<Candidate> = []
  for (let q = p + 1; q < order.length; q++) {
    const apart = descriptors[q * descriptorLength]! - descriptors[p * descriptorLength]!
    if (apart > radiusWithin) break
    const other = items[order[q]!]!
    const radius = other.class === own.class ? radiusWithin : radiusAcross
    if (apart > radius || ties.has(order[p]!, order[q]!) || !isNear(descriptors, p, q, radius)) continue
    const orientation = likelyOrientation(own.fingerprint, other.fingerprint)
    if (orientation !== undefined) found.push({ other: order[q]!, orientation })
  }
  return found
}

/** Compares the image with its candidates, thumbnail by thumbnail. */
const confirm = Effect.fnUntraced(function* (
  items: ReadonlyArray<Item>,
  own: number,
  candidates: ReadonlyArray<Candidate>,
  thumbnails: Pick<Thumbnails, "get">
) {
  const found: Array<Compared> = []
  if (candidates.length === 0) return found
  const first = yield* thumbnails.get(own)
  for (const { other, orientation } of candidates) {
    const second = yield* thumbnails.get(other)
    const agreed = agreementIn(orientation, first, second)
    const covered = agreed !== undefined && covers(agreed)
    // where the second is a crop of the first, the whole is laid over the part instead
    const likely = covered ? undefined : likelyOrientation(items[other]!.fingerprint, items[own]!.fingerprint)
    const turned = likely === undefined ? agreed : agreementIn(likely, second, first)
    if (turned === undefined || !isLookAlike(turned)) continue
    // a pair that can be aligned in one direction only is doubtful
    found.push({ pair: [own, other], copy: agreed !== undefined && isCopy(turned), worstBlock: turned.worstBlock })
  }
  return found
})

/**
 * All pairs that are alike. `thumbnails` has that of item `i` at `i`; `progress` gets the number of images that were
 * searched.
 */
export const findAlike = Effect.fnUntraced(function* (
  items: ReadonlyArray<Item>,
  thumbnails: Pick<Thumbnails, "get">,
  progress: (done: number) => Effect.Effect<void>
): Effect.fn.Return<Alike, Stage.StageFailure> {
  if (items.length < 2) return { copies: [], lookAlikes: [] }
  const sorted = sortItems(items)
  const ties = new Ties(items)
  const found: Array<Compared> = []
  for (let p = 0; p < items.length; p++) {
    for (const one of yield* confirm(items, sorted.order[p]!, candidatesAfter(items, sorted, p, ties), thumbnails)) {
      found.push(one)
      if (one.copy) ties.tie(...one.pair)
    }
    // the search never waits: let other fibers run now and then
    if (p % 32 === 31) {
      yield* Effect.yieldNow
      yield* progress(p + 1)
    }
  }
  return {
    copies: found.filter(({ copy }) => copy).map(({ pair }) => pair),
    lookAlikes: found
      .filter(({ copy, pair }) => !copy && !ties.has(...pair))
      .sort((a, b) => a.worstBlock - b.worstBlock || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1])
      .map(({ pair }) => pair)
  }
})
