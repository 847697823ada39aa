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
import { type Bench, type Candidate, Comparisons, compareAll, type Item, type Pair, turnAll } from "./Comparisons.ts"
import { Components } from "./Components.ts"
import type { Summary } from "./Fingerprint.ts"
import { neighbours } from "./Neighbours.ts"
import * as Orientations from "./Orientations.ts"

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
export interface Alike {
  /** Enough pairs to connect all that are copies, within a class by pairs of that class alone; not every pair. */
  readonly copies: ReadonlyArray<Pair>
  /**
   * Pairs that may be copies but are not by the thresholds, and that no copies link; those that differ least come
   * first.
   */
  readonly lookAlikes: ReadonlyArray<Pair>
}

/** The `most` likeliest copies of an image among those `near`, each with the orientation in which it may be one. */
const candidatesOf = (
  items: ReadonlyArray<Item>,
  own: number,
  near: ReadonlyArray<number>,
  most: number
): ReadonlyArray<Candidate> =>
  near
    .flatMap((other) => {
      const oriented = Orientations.likely(items[own]!.fingerprint, items[other]!.fingerprint)
      return oriented === undefined ? [] : [{ pair: [own, other] as const, ...oriented }]
    })
    .sort((a, b) => b.correlation - a.correlation || a.pair[1] - b.pair[1])
    .slice(0, most)
    .map(({ pair, orientation }) => ({ pair, orientation }))

/** The number of candidates of each image that can be aligned without more than `mostPairs` in all. */
const affordable = (lists: ReadonlyArray<ReadonlyArray<Candidate>>): number => {
  const pairsWith = (limit: number): number => lists.reduce((sum, { length }) => sum + Math.min(length, limit), 0)
  let most = leastAligned
  while (most < reach.within.count && pairsWith(most + 1) <= mostPairs) most += 1
  return most
}

/** Pairs that are aligned at a time. What is found between them spares the next ones, so it is few. */
const batchLength = 32

/** Aligns each of the images `active` with its nearest among `points`. */
const search = Effect.fnUntraced(function* (
  bench: Bench,
  points: ReadonlyArray<number>,
  active: ReadonlySet<number>,
  comparisons: Comparisons,
  progress: (done: number) => Effect.Effect<void>
) {
  const { items } = bench
  const near = yield* neighbours(
    points.map((i) => ({ class: items[i]!.class, descriptor: items[i]!.fingerprint.descriptor })),
    points.map((i) => active.has(i)),
    reach
  )
  const likeliest = (p: number, of: "within" | "across", most: number): ReadonlyArray<Candidate> =>
    active.has(points[p]!)
      ? candidatesOf(
          items,
          points[p]!,
          near[p]![of].map((q) => points[q]!),
          most
        )
      : []
  const mostListed = active.size * leastAligned >= mostPairs ? leastAligned : reach.within.count
  const within = points.map((_, p) => likeliest(p, "within", mostListed))
  const most = affordable(within)
  let batch: Array<Candidate> = []
  const flush = Effect.suspend(() => {
    const compared = compareAll(bench, batch)
    batch = []
    return Effect.map(compared, (all) => {
      for (const one of all) comparisons.add(one)
    })
  })
  for (const p of points.keys()) {
    for (const candidate of [...within[p]!.slice(0, most), ...likeliest(p, "across", acrossAligned)]) {
      if (comparisons.enter(candidate.pair)) batch.push(candidate)
      if (batch.length === batchLength) yield* flush
    }
    // the search never waits where it is JavaScript: let other fibers run now and then
    if (p % 32 === 31) {
      yield* Effect.yieldNow
      yield* progress(p + 1)
    }
  }
  yield* flush
})

/** Looks again at pairs that may be copies but do not agree as such: the other image may be the part. */
const lookAgain = Effect.fnUntraced(function* (bench: Bench, comparisons: Comparisons) {
  const { alike } = comparisons
  const doubtful = alike.flatMap((one, k) =>
    comparisons.agreesAsCopy(one) || !comparisons.isLookAlike(one) ? [] : [k]
  )
  for (let start = 0; start < doubtful.length; start += batchLength) {
    const part = doubtful.slice(start, start + batchLength)
    const turned = yield* turnAll(
      bench,
      part.map((k) => alike[k]!)
    )
    for (const [n, again] of turned.entries()) {
      if (again !== undefined && comparisons.agreesAsCopy(again)) alike[part[n]!] = again
    }
    yield* Effect.yieldNow
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
  areCopies: (pairs: ReadonlyArray<Pair>) => Effect.Effect<ReadonlyArray<boolean>, Stage.StageFailure>
) {
  const pairs: Array<Pair> = []
  let rest = [...part].sort((a, b) => pixels(items[b]!.fingerprint) - pixels(items[a]!.fingerprint) || a - b)
  while (rest.length > 1) {
    const [first, ...others] = rest
    const candidates = others.map((other): Pair => [first!, other])
    const copies = yield* areCopies(candidates)
    pairs.push(...candidates.filter((_, k) => copies[k]))
    rest = others.filter((_, k) => !copies[k])
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
const settle = Effect.fnUntraced(function* (bench: Bench, comparisons: Comparisons, twins: ReadonlyArray<Pair>) {
  const { items } = bench
  const found = comparisons.alike.filter((one) => comparisons.isCopy(one)).map(({ pair }) => pair)
  const key = ([i, j]: Pair): number => Math.min(i, j) * items.length + Math.max(i, j)
  const known = new Set(found.map(key))
  const parts = new Components(items.length)
  for (const pair of found) if (comparisons.areOneClass(pair)) parts.join(...pair)
  const candidateOf = (pair: Pair): ReadonlyArray<Candidate> => {
    const likely = Orientations.likely(items[pair[0]]!.fingerprint, items[pair[1]]!.fingerprint)
    return likely === undefined ? [] : [{ pair, orientation: likely.orientation }]
  }
  const areCopies = Effect.fnUntraced(function* (pairs: ReadonlyArray<Pair>) {
    const copies = new Set(pairs.map(key).filter((each) => known.has(each)))
    const candidates = pairs.filter((pair) => !copies.has(key(pair))).flatMap(candidateOf)
    const compared = yield* compareAll(bench, candidates)
    const others = compared.filter((one) => !comparisons.isCopy(one))
    const turned = yield* turnAll(bench, others)
    for (const one of [...compared, ...turned]) {
      if (one !== undefined && comparisons.isCopy(one)) copies.add(key(one.pair))
    }
    return pairs.map((pair) => copies.has(key(pair)))
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
 * All pairs that are alike. The thumbnail of item `i` is at `i`; `progress` gets the number of images that were
 * searched.
 */
export const findAlike = Effect.fnUntraced(function* (
  bench: Bench,
  progress: (done: number) => Effect.Effect<void>
): Effect.fn.Return<Alike, Stage.StageFailure> {
  const { items } = bench
  const twins = twinsOf(items)
  const comparisons = new Comparisons(items)
  const later = new Set(twins.filter((pair) => comparisons.areOneClass(pair)).map(([, second]) => second))
  let points: ReadonlyArray<number> = items.map((_, i) => i).filter((i) => !later.has(i))
  let active: ReadonlySet<number> = new Set(points)
  while (active.size > 0 && points.length > 1) {
    yield* search(bench, points, active, comparisons, progress)
    yield* lookAgain(bench, comparisons)
    const next = saturated(items, points, comparisons)
    // each round leaves fewer images
    if (next.points.length === points.length) break
    points = next.points
    active = next.active
  }
  const copies = yield* settle(bench, comparisons, twins)
  const tied = new Components(items.length)
  for (const pair of copies) tied.join(...pair)
  const lookAlikes = comparisons.alike
    .filter((one) => tied.find(one.pair[0]) !== tied.find(one.pair[1]) && comparisons.isLookAlike(one))
    .sort((a, b) => a.agreement!.worstBlock - b.agreement!.worstBlock || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1])
  return { copies, lookAlikes: lookAlikes.map(({ pair }) => pair) }
})
