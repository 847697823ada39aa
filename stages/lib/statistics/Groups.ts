/**
 * Statistics of two classifiers on the same test images, which come in groups: drawings of one emoji, or near-duplicates
 * kept together, are not independent, and an interval that assumes so is too narrow.
 *
 * Groups are the sample. The bootstrap draws them class by class, since the split is stratified: of the n groups of a class
 * it draws n - 1 and weighs each with n / (n - 1), which gives the variance of a stratified sample of clusters (Rao and Wu
 * 1988; with as many draws as groups it would be too small by (n - 1) / n, a quarter for four groups). No draw lacks a class
 * that has four groups or more.
 */
import type { Difference, GroupTest } from "../../../schemas/Compare.ts"
import * as Random from "../Random.ts"
import { mean, quantile } from "./Summary.ts"

/** The rows to resample, with their groups, labels and predictions. */
export interface Paired {
  readonly classes: number
  readonly labels: Int32Array
  /** Predictions of the two networks; -1 where there is none. */
  readonly bn: Int32Array
  readonly nobn: Int32Array
  /** One name per row; rows of one name are drawn together. */
  readonly groups: ReadonlyArray<string>
}

/** Labelled rows in groups. */
export type Grouped = Pick<Paired, "labels" | "groups">

/** An interval of an estimate. */
export interface Estimate {
  readonly estimate: number
  readonly low95: number
  readonly high95: number
}

/** The rows of each group, in the order of their first rows. */
const rowsByGroup = (groups: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<number>> => {
  const rows = new Map<string, Array<number>>()
  for (const [row, name] of groups.entries()) {
    const known = rows.get(name)
    if (known === undefined) rows.set(name, [row])
    else known.push(row)
  }
  return [...rows.values()]
}

/** A class with fewer groups in test is an anecdote, and no stratum of its own. */
export const leastGroups = 4

/**
 * Groups by class; a group with images of several counts as of its first image's. Classes with few groups make one stratum
 * together: a stratum of one group would seem to have no variance (collapsed strata; Cochran 1977, 5A.12).
 */
const strataOf = ({ groups, labels }: Grouped): ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> => {
  const byClass = new Map<number, Array<ReadonlyArray<number>>>()
  for (const rows of rowsByGroup(groups)) {
    const label = labels[rows[0]!]!
    const known = byClass.get(label)
    if (known === undefined) byClass.set(label, [rows])
    else known.push(rows)
  }
  const bySize = [...byClass.values()].sort((a, b) => a.length - b.length)
  const strata: Array<ReadonlyArray<ReadonlyArray<number>>> = []
  let pool: ReadonlyArray<ReadonlyArray<number>> = []
  for (const of of bySize) {
    if (of.length < leastGroups || (pool.length > 0 && pool.length < leastGroups)) pool = [...pool, ...of]
    else strata.push(of)
  }
  return pool.length === 0 ? strata : [pool, ...strata]
}

/** Groups of each class. */
export const groupsByClass = ({ classes, groups, labels }: Omit<Paired, "bn" | "nobn">): ReadonlyArray<number> => {
  const names = Array.from({ length: classes }, () => new Set<string>())
  for (const [row, name] of groups.entries()) names[labels[row]!]!.add(name)
  return names.map((each) => each.size)
}

/** Accuracy and macro F1 of weighted rows. A class that is neither present nor predicted does not count. */
const scoresOf = (
  { classes, labels }: Paired,
  predicted: Int32Array,
  weights: Float64Array
): readonly [accuracy: number, f1Macro: number] => {
  const hits = new Float64Array(classes)
  const occurs = new Float64Array(classes)
  let right = 0
  let all = 0
  for (let row = 0; row < labels.length; row++) {
    const weight = weights[row]!
    if (weight === 0) continue
    const label = labels[row]!
    const found = predicted[row]!
    all += weight
    occurs[label]! += weight
    if (found >= 0) occurs[found]! += weight
    if (found !== label) continue
    hits[label]! += weight
    right += weight
  }
  let sum = 0
  let occurring = 0
  for (let k = 0; k < classes; k++) {
    if (occurs[k] === 0) continue
    occurring += 1
    sum += (2 * hits[k]!) / occurs[k]!
  }
  return [right / Math.max(1e-12, all), sum / Math.max(1, occurring)]
}

const metrics = ["accuracy", "f1Macro"] as const

export interface Resampled {
  /** bn minus nobn. */
  readonly differences: ReadonlyArray<Difference>
  /** Test accuracy of each network. */
  readonly accuracy: Readonly<Record<"bn" | "nobn", Estimate>>
}

/** The next draw of groups, as one weight for each row. */
const makeDraw = (paired: Grouped, seed: number): ((weights: Float64Array) => void) => {
  const strata = strataOf(paired)
  const random = Random.make(seed, "bootstrap")
  return (weights) => {
    weights.fill(0)
    for (const groups of strata) {
      const count = Math.max(1, groups.length - 1)
      const weight = groups.length / count
      for (let g = 0; g < count; g++) {
        for (const row of groups[groups.length === 1 ? 0 : random.int(groups.length)]!) weights[row]! += weight
      }
    }
  }
}

/** Half of the width of a 95 % interval of `of`, a number of weighted rows: how far 95 % of the draws are from their mean, at most. */
export const halfWidth = (
  paired: Grouped,
  resamples: number,
  seed: number,
  of: (weights: Float64Array) => number
): number => {
  const draw = makeDraw(paired, seed)
  const weights = new Float64Array(paired.labels.length)
  const drawn = Array.from({ length: resamples }, () => {
    draw(weights)
    return of(weights)
  })
  const middle = mean(drawn)
  return quantile(Float64Array.from(drawn, (value) => Math.abs(value - middle)).sort(), 0.95)
}

/** The share of groups that may be otherwise where none of n is: the upper end of a 95 % interval, by the rule of three. */
export const unseenShare = (groups: number): number => Math.min(1, 3 / Math.max(1, groups))

/** A resampled interval narrower than this is a point, but for rounding. */
const point = 1e-9

/** Percentile intervals from `resamples` draws of groups; one draw serves both networks and both scores. */
export const resample = (paired: Paired, resamples: number, seed: number): Resampled => {
  const draw = makeDraw(paired, seed)
  const weights = new Float64Array(paired.labels.length)
  const drawn = {
    bn: new Float64Array(resamples),
    nobn: new Float64Array(resamples),
    accuracy: new Float64Array(resamples),
    f1Macro: new Float64Array(resamples)
  }
  for (let b = 0; b < resamples; b++) {
    draw(weights)
    const bn = scoresOf(paired, paired.bn, weights)
    const nobn = scoresOf(paired, paired.nobn, weights)
    drawn.bn[b] = bn[0]
    drawn.nobn[b] = nobn[0]
    drawn.accuracy[b] = bn[0] - nobn[0]
    drawn.f1Macro[b] = bn[1] - nobn[1]
  }
  for (const values of Object.values(drawn)) values.sort()
  weights.fill(1)
  const bn = scoresOf(paired, paired.bn, weights)
  const nobn = scoresOf(paired, paired.nobn, weights)
  const unseen = unseenShare(new Set(paired.groups).size)
  /** Where all groups are alike, no draw differs from another, though a group that was not seen might. */
  const between = (sorted: Float64Array, share: number, least: number): readonly [low: number, high: number] => {
    const [low, high] = [quantile(sorted, (1 - share) / 2), quantile(sorted, (1 + share) / 2)]
    return high - low > point ? [low, high] : [Math.max(least, low - unseen), Math.min(1, high + unseen)]
  }
  const interval = (estimate: number, sorted: Float64Array, least: number): Estimate => {
    const [low95, high95] = between(sorted, 0.95, least)
    return { estimate, low95, high95 }
  }
  return {
    differences: metrics.map((metric, k) => {
      const [low90, high90] = between(drawn[metric], 0.9, -1)
      return { metric, ...interval(bn[k]! - nobn[k]!, drawn[metric], -1), low90, high90 }
    }),
    accuracy: { bn: interval(bn[0], drawn.bn, 0), nobn: interval(nobn[0], drawn.nobn, 0) }
  }
}

/**
 * Tests whether the networks are equally often right, by groups: under that hypothesis the predictions of a whole group
 * might as well have changed places. Exact: the distribution of the sum of signed differences is counted out.
 */
export const groupTest = ({ labels, bn, nobn, groups }: Paired): GroupTest => {
  const right = (predicted: Int32Array, row: number): number => (predicted[row] === labels[row] ? 1 : 0)
  const all = rowsByGroup(groups)
  const signed = all.map((rows) => rows.reduce((sum, row) => sum + right(bn, row) - right(nobn, row), 0))
  const sizes = signed.map(Math.abs).filter((size) => size > 0)
  const most = sizes.reduce((sum, size) => sum + size, 0)
  const observed = Math.abs(signed.reduce((sum, value) => sum + value, 0))
  // chance[most + s] that the signed differences so far add up to s
  let chance = new Float64Array(2 * most + 1)
  chance[most] = 1
  for (const size of sizes) {
    const next = new Float64Array(chance.length)
    for (let at = 0; at < chance.length; at++) {
      // a sum beyond what is left to add cannot be, so no index leaves the array
      if (chance[at] === 0) continue
      next[at - size]! += chance[at]! / 2
      next[at + size]! += chance[at]! / 2
    }
    chance = next
  }
  let pValue = 0
  for (let at = 0; at < chance.length; at++) if (Math.abs(at - most) >= observed) pValue += chance[at]!
  return { groups: all.length, differing: sizes.length, pValue: Math.min(1, pValue) }
}
