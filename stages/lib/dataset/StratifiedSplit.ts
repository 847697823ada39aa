/**
 * The stratified split: by class, of whole groups, with exact totals, by a seed.
 *
 * Quotas come first: a table class x split of whole numbers near `fraction * images`, whose columns add up to the
 * totals of largest-remainder rounding (3,705 images at 70/15/15 are 2,593/556/556), with at least one image of each
 * class in each split. Then groups are assigned, the largest first, each to the split that lacks most in proportion to
 * its quota; ties go by the seed. Groups of one fill the rest, so that without grouping the quotas are met exactly.
 *
 * A group's turn depends on the seed and its name, not on the order of files.
 */

import { type SplitName, splitNames } from "../../../schemas/Names.ts"
import type { Fractions } from "../../../schemas/Split.ts"
import * as Random from "../Random.ts"

/** Images that must stay together. */
export interface Unit {
  readonly name: string
  /** Class index -> number of images. Most units have one class; a label conflict has more. */
  readonly counts: ReadonlyMap<number, number>
}

/** Train, validation, test. */
export type Triple = [number, number, number]

/** Whole numbers near `shares * total` that add up to `total`; the rest goes to the largest remainders. */
export const largestRemainder = (total: number, shares: ReadonlyArray<number>): Array<number> => {
  // ten decimals: 0.15 * 20 is 3, not 2.9999999999999996
  const exact = shares.map((share) => Number((share * total).toFixed(10)))
  const floors = exact.map(Math.floor)
  let left = total - floors.reduce((a, b) => a + b, 0)
  const order = exact.map((_, i) => i).sort((a, b) => exact[b]! - floors[b]! - (exact[a]! - floors[a]!) || b - a)
  for (const i of order) {
    if (left <= 0) break
    floors[i]! += 1
    left -= 1
  }
  return floors
}

/** One class's share: at least one in each split when there are three, the surplus taken from the largest. */
const rowOf = (count: number, shares: ReadonlyArray<number>): Triple => {
  const row = largestRemainder(count, shares)
  for (let s = 0; s < 3; s++) {
    if (row[s]! > 0) continue
    const largest = row.indexOf(Math.max(...row))
    if (row[largest]! < 2) continue
    row[largest]! -= 1
    row[s]! += 1
  }
  return [row[0]!, row[1]!, row[2]!]
}

/** How much worse the row becomes (squared distance from the exact share) when one image goes from one split to another. */
const costOfMove = (row: Triple, exact: ReadonlyArray<number>, from: number, to: number): number => {
  const before = (row[from]! - exact[from]!) ** 2 + (row[to]! - exact[to]!) ** 2
  const after = (row[from]! - 1 - exact[from]!) ** 2 + (row[to]! + 1 - exact[to]!) ** 2
  return after - before
}

/** Class x split: how many images each should have. Columns add up to the rounded totals wherever that can be. */
export const quotas = (counts: ReadonlyArray<number>, fractions: Fractions): ReadonlyArray<Triple> => {
  const whole = fractions.train + fractions.validation + fractions.test
  const shares = splitNames.map((name) => fractions[name] / whole)
  const rows = counts.map((count) => rowOf(count, shares))
  const exact = counts.map((count) => shares.map((share) => share * count))
  const totals = largestRemainder(
    counts.reduce((a, b) => a + b, 0),
    shares
  )
  const surplus = (s: number): number => rows.reduce((sum, row) => sum + row[s]!, 0) - totals[s]!
  // every move brings the columns one image nearer to the totals, so this ends
  for (;;) {
    const from = [0, 1, 2].find((s) => surplus(s) > 0)
    const to = [0, 1, 2].find((s) => surplus(s) < 0)
    if (from === undefined || to === undefined) return rows
    let best = -1
    let bestCost = Number.POSITIVE_INFINITY
    for (const [c, row] of rows.entries()) {
      const cost = row[from]! < 2 ? Number.POSITIVE_INFINITY : costOfMove(row, exact[c]!, from, to)
      if (cost < bestCost) {
        best = c
        bestCost = cost
      }
    }
    if (best < 0) return rows
    rows[best]![from]! -= 1
    rows[best]![to]! += 1
  }
}

const sizeOf = (unit: Unit): number => {
  let size = 0
  for (const count of unit.counts.values()) size += count
  return size
}

/**
 * What a split lacks in proportion to its quota, for the classes of this unit; images beyond the quota count against
 * it.
 */
const lack = (unit: Unit, wanted: ReadonlyArray<Triple>, have: ReadonlyArray<Triple>, s: number): number => {
  let lacking = 0
  let should = 0
  let over = 0
  for (const [c, count] of unit.counts) {
    const free = wanted[c]![s]! - have[c]![s]!
    lacking += free
    should += wanted[c]![s]!
    over += Math.max(0, count - free)
  }
  return over > 0 ? -over : lacking / Math.max(1, should)
}

const put = (unit: Unit, have: ReadonlyArray<Triple>, s: number, sign: 1 | -1): void => {
  for (const [c, count] of unit.counts) have[c]![s]! += sign * count
}

/** Squared distance of a class from its quota. */
const distance = (wanted: Triple, have: Triple): number =>
  [0, 1, 2].reduce((sum, s) => sum + (wanted[s]! - have[s]!) ** 2, 0)

interface Assigned {
  readonly unit: Unit
  split: number
}

/** Tries to move one unit of the class, or to swap two, so that the class comes nearer to its quota; true when it did. */
const improve = (units: ReadonlyArray<Assigned>, wanted: Triple, have: Triple): boolean => {
  const now = distance(wanted, have)
  // one unit of each size in each split stands for all of its kind
  const kinds = new Map<string, Assigned>()
  for (const assigned of units) kinds.set(`${assigned.split}/${sizeOf(assigned.unit)}`, assigned)
  const some = [...kinds.values()]
  const after = (moves: ReadonlyArray<readonly [Assigned, number]>): number => {
    const changed: Triple = [...have]
    for (const [assigned, to] of moves) {
      changed[assigned.split]! -= sizeOf(assigned.unit)
      changed[to]! += sizeOf(assigned.unit)
    }
    return Math.min(...changed) < 1 ? Number.POSITIVE_INFINITY : distance(wanted, changed)
  }
  let best: ReadonlyArray<readonly [Assigned, number]> = []
  let bestDistance = now
  const consider = (moves: ReadonlyArray<readonly [Assigned, number]>): void => {
    const found = after(moves)
    if (found < bestDistance) {
      best = moves
      bestDistance = found
    }
  }
  for (const one of some) {
    for (let to = 0; to < 3; to++) if (to !== one.split) consider([[one, to]])
    for (const two of some) {
      if (one.split < two.split) {
        consider([
          [one, two.split],
          [two, one.split]
        ])
      }
    }
  }
  for (const [assigned, to] of best) {
    have[assigned.split]! -= sizeOf(assigned.unit)
    have[to]! += sizeOf(assigned.unit)
    assigned.split = to
  }
  return best.length > 0
}

/** A class with three units or more has at least one in each split. */
const fillEmpty = (units: ReadonlyArray<Assigned>, have: Triple): void => {
  for (let s = 0; s < 3; s++) {
    if (have[s]! > 0) continue
    const spare = units
      .filter((assigned) => units.filter((other) => other.split === assigned.split).length > 1)
      .sort((a, b) => sizeOf(a.unit) - sizeOf(b.unit))[0]
    if (spare === undefined) continue
    have[spare.split]! -= sizeOf(spare.unit)
    have[s]! += sizeOf(spare.unit)
    spare.split = s
  }
}

/** Rounds of improvement per class; each brings the class nearer to its quota, and a few are enough. */
const mostRounds = 200

/** Unit name -> split. `classCount` classes are numbered from 0. */
export const stratifiedSplit = (
  units: ReadonlyArray<Unit>,
  classCount: number,
  fractions: Fractions,
  seed: number
): ReadonlyMap<string, SplitName> => {
  const counts = Array.from({ length: classCount }, (_, c) =>
    units.reduce((sum, unit) => sum + (unit.counts.get(c) ?? 0), 0)
  )
  const wanted = quotas(counts, fractions)
  const have: ReadonlyArray<Triple> = wanted.map(() => [0, 0, 0])
  const assigned: ReadonlyArray<Assigned> = units
    .map((unit) => ({ unit, size: sizeOf(unit), key: Random.make(seed, "split", unit.name).float() }))
    .sort((a, b) => b.unit.counts.size - a.unit.counts.size || b.size - a.size || a.key - b.key)
    .map(({ unit }) => ({ unit, split: 0 }))
  for (const one of assigned) {
    const lacks = [0, 1, 2].map((s) => lack(one.unit, wanted, have, s))
    one.split = lacks.indexOf(Math.max(...lacks))
    put(one.unit, have, one.split, 1)
  }
  for (let c = 0; c < classCount; c++) {
    const own = assigned.filter(({ unit }) => unit.counts.size === 1 && unit.counts.has(c))
    fillEmpty(own, have[c]!)
    for (let round = 0; round < mostRounds && improve(own, wanted[c]!, have[c]!); round++);
  }
  return new Map(assigned.map(({ unit, split }) => [unit.name, splitNames[split]!]))
}
