/**
 * Pairs of images that are compared by alignment, and what all comparisons of a set say of one of them: a pair is a copy
 * where alignment leaves much less than it leaves of the images' ordinary neighbours (CopyRules).
 */
import * as Effect from "effect/Effect"
import type { Stage } from "../../../core/index.ts"
import type { Aligner } from "./Aligner.ts"
import type { Agreement } from "./Alignment.ts"
import { Components } from "./Components.ts"
import {
  agreesAsCopy,
  agreesAsLookAlike,
  covers,
  isCopy,
  isLookAlike,
  isSparse,
  noAgreement,
  residualOf,
  surely
} from "./CopyRules.ts"
import type { Summary } from "./Fingerprint.ts"
import * as Orientations from "./Orientations.ts"
import { matched } from "./Resolution.ts"
import type { Thumbnails } from "./Thumbnails.ts"

/** An image's ordinary neighbours are those after its first so many, by what alignment leaves of them. */
const ordinaryRank = 7

export interface Item {
  readonly class: string
  readonly fingerprint: Summary
}

/** Indices of two items that are copies. */
export type Pair = readonly [first: number, second: number]

/** Two images that have been aligned. */
export interface Compared {
  readonly pair: Pair
  /** Undefined when they cannot be aligned. */
  readonly agreement: Agreement | undefined
  /** Whether the first can be laid over the second: a pair that can be aligned in one direction only is doubtful. */
  readonly bothWays: boolean
}

/** A pair, and the orientation of its second image in which the two are to be aligned. */
export interface Candidate {
  readonly pair: Pair
  readonly orientation: number
}

/** What comparisons are made with: all images of the set, their thumbnails by place, and what aligns them. */
export interface Bench {
  readonly items: ReadonlyArray<Item>
  readonly thumbnails: Pick<Thumbnails, "get">
  readonly aligner: Aligner
}

/** Of a large set most thumbnails are on the disk, and to wait for each by itself takes longer than to align it. */
const readsAtOnce = 16

const align = Effect.fnUntraced(function* (
  { items, thumbnails, aligner }: Bench,
  candidates: ReadonlyArray<Candidate>
): Effect.fn.Return<ReadonlyArray<Agreement | undefined>, Stage.StageFailure> {
  const wanted = Array.from(new Set(candidates.flatMap(({ pair }) => pair)))
  const read = (i: number) => Effect.map(thumbnails.get(i), (rgb) => [i, rgb] as const)
  const rgbOf = new Map(yield* Effect.forEach(wanted, read, { concurrency: readsAtOnce }))
  const jobs = candidates.map(({ pair: [i, j], orientation }) => {
    const [one, other] = [items[i]!.fingerprint, items[j]!.fingerprint]
    const [first, second] = [matched(rgbOf.get(i)!, one, other), matched(rgbOf.get(j)!, other, one)]
    return { orientation, first, second }
  })
  return yield* aligner.agreements(jobs)
})

/**
 * The same pairs with the second image laid over the first: where the second is a crop, the whole goes over the part.
 * Undefined where that cannot be aligned.
 */
export const turnAll = Effect.fnUntraced(function* (bench: Bench, compared: ReadonlyArray<Compared>) {
  const { items } = bench
  const turned = compared.flatMap(({ pair: [first, second] }, k): ReadonlyArray<Candidate & { readonly k: number }> => {
    const likely = Orientations.likely(items[second]!.fingerprint, items[first]!.fingerprint)
    return likely === undefined ? [] : [{ pair: [second, first], orientation: likely.orientation, k }]
  })
  const agreements = yield* align(bench, turned)
  const found: Array<Compared | undefined> = compared.map(() => undefined)
  for (const [n, { k }] of turned.entries()) {
    const agreement = agreements[n]
    if (agreement !== undefined) found[k] = { ...compared[k]!, agreement }
  }
  return found
})

/** Lays the first image of each pair over the second; where it does not cover enough of it, the second over the first. */
export const compareAll = Effect.fnUntraced(function* (bench: Bench, candidates: ReadonlyArray<Candidate>) {
  const agreements = yield* align(bench, candidates)
  const compared: Array<Compared> = candidates.map(({ pair }, k) => ({
    pair,
    agreement: agreements[k],
    bothWays: agreements[k] !== undefined
  }))
  const again = compared.flatMap(({ agreement }, k) => (agreement !== undefined && covers(agreement) ? [] : [k]))
  const turned = yield* turnAll(
    bench,
    again.map((k) => compared[k]!)
  )
  for (const [n, k] of again.entries()) compared[k] = turned[n] ?? compared[k]!
  return compared
})

/** The pairs that have been aligned. */
export class Comparisons {
  readonly #items: ReadonlyArray<Item>
  /** The residuals of what each image was compared with. */
  readonly #residuals: Array<Array<number>>
  readonly #seen = new Set<number>()
  readonly #sparse: ReadonlyArray<boolean>
  /** Those that look alike; the others are too many to keep. */
  readonly alike: Array<Compared> = []
  /** What is a copy whatever the neighbours, within classes and in all. */
  readonly #surelyWithin: Components
  readonly #surely: Components

  constructor(items: ReadonlyArray<Item>) {
    this.#items = items
    this.#residuals = items.map(() => [])
    this.#sparse = items.map(({ fingerprint }) => isSparse(fingerprint.coarse))
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
    if (!one.bothWays || !this.agreesAsCopy(one) || residual >= surely) return
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

  #areSparse([i, j]: Pair): boolean {
    return this.#sparse[i]! && this.#sparse[j]!
  }

  /** Whether a pair agrees as copies do among images that differ. */
  agreesAsCopy({ pair, agreement }: Compared): boolean {
    return agreement !== undefined && agreesAsCopy(agreement, this.#areSparse(pair))
  }

  isCopy({ pair, agreement, bothWays }: Compared): boolean {
    return agreement !== undefined && bothWays && isCopy(agreement, this.#ordinary(pair), this.#areSparse(pair))
  }

  isLookAlike({ pair, agreement }: Compared): boolean {
    return agreement !== undefined && isLookAlike(agreement, this.#ordinary(pair))
  }

  areOneClass([i, j]: Pair): boolean {
    return this.#items[i]!.class === this.#items[j]!.class
  }
}
