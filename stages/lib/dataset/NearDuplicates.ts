/**
 * Near-duplicates among many images: pairs that are copies, within a class and across classes, and pairs that look so
 * much alike that they may be.
 *
 * Exact copies are found by digest; one image of each such set goes on. Candidates of an image are its nearest
 * neighbours by descriptor (Neighbours), of which those few whose coarse thumbnails correlate best are aligned and
 * compared pixel by pixel (Alignment). So the time that counts grows with the images and not with their pairs, however
 * much alike they are. Across classes the radius is smaller: such a pair means a wrong label, and strong crops are not
 * searched for.
 *
 * A pair is judged against what the neighbours of its images leave (CopyRules). Where all neighbours of an image are its
 * copies, there may be more: one image of each group is then searched for again.
 *
 * A chain of mild changes is no group: members of a group agree with the image that represents it.
 */
import * as Effect from "effect/Effect"
import type { Stage } from "../../../core/index.ts"
import { type Agreement, agreementIn } from "./Alignment.ts"
import { Components } from "./Components.ts"
import {
  agreesAsCopy,
  agreesAsLookAlike,
  covers,
  isCopy,
  isLookAlike,
  noAgreement,
  residualOf,
  surely
} from "./CopyRules.ts"
import type { Summary } from "./Fingerprint.ts"
import { type Neighbours, neighbours } from "./Neighbours.ts"
import * as Orientations from "./Orientations.ts"
import type { Thumbnails } from "./Thumbnails.ts"

/** Neighbours by descriptor of one class, and of the others. */
const reach = { within: { count: 64, radius: 0.7 }, across: { count: 8, radius: 0.3 } }
/**
 * So many of one class are aligned, whatever the set. The original of a crop is not always among them where images
 * crowd, as clocks do among drawings: sets that are small, or differ, afford more.
 */
const leastAligned = 8
/** So many pairs may be aligned for the sake of those that crowd. */
const mostPairs = 50_000
/** So many of the other classes are aligned. */
const acrossAligned = 4
/** An image's ordinary neighbours are those after its first so many, by what alignment leaves of them. */
const ordinaryRank = 7

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

/** Two images that have been aligned. */
interface Compared {
  readonly pair: Pair
  /** Undefined when they cannot be aligned. */
  readonly agreement: Agreement | undefined
  /** Whether the first can be laid over the second: a pair that can be aligned in one direction only is doubtful. */
  readonly bothWays: boolean
}

/** The candidates for copies of an image, each with the orientation in which it may be one. */
const candidatesOf = (
  items: ReadonlyArray<Item>,
  own: number,
  near: ReadonlyArray<number>,
  most: number
): ReadonlyArray<readonly [other: number, oriented: Orientations.Oriented]> =>
  near
    .flatMap((other) => {
      const oriented = Orientations.likely(items[own]!.fingerprint, items[other]!.fingerprint)
      return oriented === undefined ? [] : [[other, oriented] as const]
    })
    .sort((a, b) => b[1].correlation - a[1].correlation || a[0] - b[0])
    .slice(0, most)

type Get = Pick<Thumbnails, "get">

/** Lays the first image over the second; where it does not cover enough of it, the second over the first. */
const compare = (
  items: ReadonlyArray<Item>,
  pair: Pair,
  orientation: number,
  first: Uint8Array,
  second: Uint8Array
): Compared => {
  const agreement = agreementIn(orientation, first, second)
  const one = { pair, agreement, bothWays: agreement !== undefined }
  return agreement !== undefined && covers(agreement) ? one : (turned(items, one, first, second) ?? one)
}

/** The same pair with the second image laid over the first: where the second is a crop, the whole goes over the part. */
const turned = (
  items: ReadonlyArray<Item>,
  { pair, bothWays }: Compared,
  first: Uint8Array,
  second: Uint8Array
): Compared | undefined => {
  const likely = Orientations.likely(items[pair[1]]!.fingerprint, items[pair[0]]!.fingerprint)
  const agreement = likely === undefined ? undefined : agreementIn(likely.orientation, second, first)
  return agreement === undefined ? undefined : { pair, agreement, bothWays }
}

/** The pairs that have been aligned. */
class Comparisons {
  readonly #items: ReadonlyArray<Item>
  /** The residuals of what each image was compared with. */
  readonly #residuals: Array<Array<number>>
  readonly #seen = new Set<number>()
  /** Those that look alike; the others are too many to keep. */
  readonly alike: Array<Compared> = []
  /** What is a copy whatever the neighbours, within classes and in all. */
  readonly #surelyWithin: Components
  readonly #surely: Components

  constructor(items: ReadonlyArray<Item>) {
    this.#items = items
    this.#residuals = items.map(() => [])
    this.#surelyWithin = new Components(items.length)
    this.#surely = new Components(items.length)
  }

  /** Whether the pair is to be aligned: it is new, and no sure copies link it, of which there may be thousands. */
  enter(pair: Pair): boolean {
    const [i, j] = pair
    const key = Math.min(i, j) * this.#items.length + Math.max(i, j)
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    const parts = this.areOneClass(pair) ? this.#surelyWithin : this.#surely
    if (parts.find(i) !== parts.find(j)) return true
    for (const k of pair) this.#residuals[k]!.push(surely)
    return false
  }

  add(one: Compared): void {
    const { pair, agreement } = one
    const residual = agreement === undefined ? noAgreement : residualOf(agreement)
    for (const i of pair) this.#residuals[i]!.push(residual)
    if (agreement === undefined || !agreesAsLookAlike(agreement)) return
    this.alike.push(one)
    if (!one.bothWays || !agreesAsCopy(agreement) || residual >= surely) return
    this.#surely.join(...pair)
    if (this.areOneClass(pair)) this.#surelyWithin.join(...pair)
  }

  /** The residual of an ordinary neighbour of an image. */
  #ordinaryOf(i: number): number {
    return this.#residuals[i]!.sort((a, b) => a - b)[ordinaryRank] ?? noAgreement
  }

  /** The same for two images, as the one has it that has nearer neighbours. */
  #ordinary([i, j]: Pair): number {
    return Math.min(this.#ordinaryOf(i), this.#ordinaryOf(j))
  }

  isCopy({ pair, agreement, bothWays }: Compared): boolean {
    return agreement !== undefined && bothWays && isCopy(agreement, this.#ordinary(pair))
  }

  isLookAlike({ pair, agreement }: Compared): boolean {
    return agreement !== undefined && isLookAlike(agreement, this.#ordinary(pair))
  }

  areOneClass([i, j]: Pair): boolean {
    return this.#items[i]!.class === this.#items[j]!.class
  }
}

/** The number of candidates of each image that can be aligned without more than `mostPairs` in all. */
const affordable = (
  items: ReadonlyArray<Item>,
  points: ReadonlyArray<number>,
  near: ReadonlyArray<Neighbours>,
  active: ReadonlySet<number>
): number => {
  if (active.size * leastAligned >= mostPairs) return leastAligned
  const counts = points.map((own, p) =>
    active.has(own)
      ? candidatesOf(
          items,
          own,
          near[p]!.within.map((q) => points[q]!),
          reach.within.count
        ).length
      : 0
  )
  let most = leastAligned
  const pairsWith = (limit: number): number => counts.reduce((sum, count) => sum + Math.min(count, limit), 0)
  while (most < reach.within.count && pairsWith(most + 1) <= mostPairs) most += 1
  return most
}

/** Aligns each of the images `active` with its nearest among `points`. */
const search = Effect.fnUntraced(function* (
  items: ReadonlyArray<Item>,
  points: ReadonlyArray<number>,
  active: ReadonlySet<number>,
  comparisons: Comparisons,
  thumbnails: Get,
  progress: (done: number) => Effect.Effect<void>
) {
  const near = yield* neighbours(
    points.map((i) => ({ class: items[i]!.class, descriptor: items[i]!.fingerprint.descriptor })),
    points.map((i) => active.has(i)),
    reach
  )
  const most = affordable(items, points, near, active)
  for (const [p, own] of points.entries()) {
    if (!active.has(own)) continue
    const { within, across } = near[p]!
    const pick = (places: ReadonlyArray<number>, most: number) =>
      candidatesOf(
        items,
        own,
        places.map((q) => points[q]!),
        most
      )
    const candidates = [...pick(within, most), ...pick(across, acrossAligned)]
    const first = candidates.length === 0 ? undefined : yield* thumbnails.get(own)
    for (const [other, { orientation }] of candidates) {
      const pair: Pair = [own, other]
      if (!comparisons.enter(pair)) continue
      comparisons.add(compare(items, pair, orientation, first!, yield* thumbnails.get(other)))
    }
    // the search never waits: let other fibers run now and then
    if (p % 32 === 31) {
      yield* Effect.yieldNow
      yield* progress(p + 1)
    }
  }
})

/** Looks again at pairs that may be copies but do not agree as such: the other image may be the part. */
const lookAgain = Effect.fnUntraced(function* (items: ReadonlyArray<Item>, comparisons: Comparisons, thumbnails: Get) {
  for (const [k, one] of comparisons.alike.entries()) {
    if (agreesAsCopy(one.agreement!) || !comparisons.isLookAlike(one)) continue
    const [first, second] = one.pair
    const again = turned(items, one, yield* thumbnails.get(first), yield* thumbnails.get(second))
    if (again !== undefined && agreesAsCopy(again.agreement!)) comparisons.alike[k] = again
    if (k % 32 === 31) yield* Effect.yieldNow
  }
})

const pixels = ({ width, height }: Summary): number => width * height

/**
 * Divides a part into groups whose members are copies of the one with most pixels, which represents them; pairs of the
 * representative and each other member. Where there are several of that size the first represents.
 */
const stars = Effect.fnUntraced(function* (
  items: ReadonlyArray<Item>,
  part: ReadonlyArray<number>,
  areCopies: (pair: Pair) => Effect.Effect<boolean, Stage.StageFailure>
) {
  const pairs: Array<Pair> = []
  let rest = [...part].sort((a, b) => pixels(items[b]!.fingerprint) - pixels(items[a]!.fingerprint) || a - b)
  while (rest.length > 1) {
    const [first, ...others] = rest
    rest = []
    for (const other of others) {
      const pair: Pair = [first!, other]
      if (yield* areCopies(pair)) pairs.push(pair)
      else rest.push(other)
    }
  }
  return pairs
})

/** Pairs of exact copies: each with the first of its class, and these first ones with each other. */
const twinsOf = (items: ReadonlyArray<Item>): ReadonlyArray<Pair> => {
  const firsts = new Map<string, number>()
  return items.flatMap(({ class: name, fingerprint: { digest } }, i): ReadonlyArray<Pair> => {
    const own = firsts.get(`${digest}/${name}`)
    if (own !== undefined) return [[own, i]]
    firsts.set(`${digest}/${name}`, i)
    const first = firsts.get(digest)
    if (first !== undefined) return [[first, i]]
    firsts.set(digest, i)
    return []
  })
}

/** Groups of copies within each class, and pairs across classes. */
const settle = Effect.fnUntraced(function* (
  items: ReadonlyArray<Item>,
  comparisons: Comparisons,
  twins: ReadonlyArray<Pair>,
  thumbnails: Get
) {
  const found = comparisons.alike.filter((one) => comparisons.isCopy(one)).map(({ pair }) => pair)
  const key = ([i, j]: Pair): number => Math.min(i, j) * items.length + Math.max(i, j)
  const known = new Set(found.map(key))
  const parts = new Components(items.length)
  for (const pair of found) if (comparisons.areOneClass(pair)) parts.join(...pair)
  const areCopies = Effect.fnUntraced(function* (pair: Pair) {
    if (known.has(key(pair))) return true
    const [i, j] = pair
    const likely = Orientations.likely(items[i]!.fingerprint, items[j]!.fingerprint)
    if (likely === undefined) return false
    const [first, second] = [yield* thumbnails.get(i), yield* thumbnails.get(j)]
    const one = compare(items, pair, likely.orientation, first, second)
    if (comparisons.isCopy(one)) return true
    const again = turned(items, one, first, second)
    return again !== undefined && comparisons.isCopy(again)
  })
  const within: Array<Pair> = []
  for (const part of parts.many()) within.push(...(yield* stars(items, part, areCopies)))
  return [...twins, ...within, ...found.filter((pair) => !comparisons.areOneClass(pair))]
})

/** One image of each group of copies, where each image that its group's lists were full of copies is searched for again. */
const saturated = (
  items: ReadonlyArray<Item>,
  points: ReadonlyArray<number>,
  comparisons: Comparisons
): { readonly points: ReadonlyArray<number>; readonly active: ReadonlySet<number> } => {
  const parts = new Components(items.length)
  const copies = new Uint32Array(items.length)
  for (const one of comparisons.alike) {
    if (!comparisons.areOneClass(one.pair) || !comparisons.isCopy(one)) continue
    parts.join(...one.pair)
    for (const i of one.pair) copies[i]! += 1
  }
  const active = new Set<number>()
  for (const i of points) if (copies[i]! >= leastAligned) active.add(parts.find(i))
  return { points: points.filter((i) => parts.find(i) === i), active }
}

/**
 * All pairs that are alike. `thumbnails` has that of item `i` at `i`; `progress` gets the number of images that were
 * searched.
 */
export const findAlike = Effect.fnUntraced(function* (
  items: ReadonlyArray<Item>,
  thumbnails: Get,
  progress: (done: number) => Effect.Effect<void>
): Effect.fn.Return<Alike, Stage.StageFailure> {
  const twins = twinsOf(items)
  const comparisons = new Comparisons(items)
  const later = new Set(twins.filter((pair) => comparisons.areOneClass(pair)).map(([, second]) => second))
  let points: ReadonlyArray<number> = items.map((_, i) => i).filter((i) => !later.has(i))
  let active: ReadonlySet<number> = new Set(points)
  while (active.size > 0 && points.length > 1) {
    yield* search(items, points, active, comparisons, thumbnails, progress)
    yield* lookAgain(items, comparisons, thumbnails)
    const next = saturated(items, points, comparisons)
    // each round leaves fewer images
    if (next.points.length === points.length) break
    points = next.points
    active = next.active
  }
  const copies = yield* settle(items, comparisons, twins, thumbnails)
  const tied = new Components(items.length)
  for (const pair of copies) tied.join(...pair)
  const lookAlikes = comparisons.alike
    .filter((one) => tied.find(one.pair[0]) !== tied.find(one.pair[1]) && comparisons.isLookAlike(one))
    .sort((a, b) => a.agreement!.worstBlock - b.agreement!.worstBlock || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1])
  return { copies, lookAlikes: lookAlikes.map(({ pair }) => pair) }
})
