/**
 * Statistics of two classifiers on the same test images: McNemar's exact test, and bootstrap intervals of differences.
 *
 * The bootstrap resamples groups, not images: drawings of one emoji, or near-duplicates kept together, are not
 * independent, and an interval that assumes so is too narrow.
 */
import type { Difference, McNemar } from "../../../schemas/Compare.ts"
import type { Equivalence } from "../../../schemas/Verdict.ts"
import * as Random from "../Random.ts"
import { f1MacroOf } from "./Metrics.ts"
import { quantile } from "./Summary.ts"

/** ln n!, by summation; n up to some thousands. */
const logFactorials = (n: number): Float64Array => {
  const out = new Float64Array(n + 1)
  for (let i = 1; i <= n; i++) out[i] = out[i - 1]! + Math.log(i)
  return out
}

/** Two-sided exact binomial test of `k` successes out of `n` at one half: twice the smaller tail, at most 1. */
export const binomialTest = (k: number, n: number): number => {
  if (n === 0) return 1
  const factorials = logFactorials(n)
  let tail = 0
  for (let i = 0; i <= Math.min(k, n - k); i++) {
    tail += Math.exp(factorials[n]! - factorials[i]! - factorials[n - i]! - n * Math.LN2)
  }
  return Math.min(1, 2 * tail)
}

/** McNemar's test on paired predictions: only rows that exactly one network classified correctly count. */
export const mcNemar = (labels: Int32Array, bn: Int32Array, nobn: Int32Array): McNemar => {
  let onlyBnRight = 0
  let onlyNobnRight = 0
  for (let row = 0; row < labels.length; row++) {
    const first = bn[row] === labels[row]
    const second = nobn[row] === labels[row]
    if (first && !second) onlyBnRight += 1
    if (second && !first) onlyNobnRight += 1
  }
  return { onlyBnRight, onlyNobnRight, pValue: binomialTest(onlyBnRight, onlyBnRight + onlyNobnRight) }
}

/** The rows to resample, with their groups, labels and predictions. */
export interface Paired {
  readonly classes: number
  readonly labels: Int32Array
  /** Predictions of the two networks. */
  readonly bn: Int32Array
  readonly nobn: Int32Array
  /** One name per row; rows of one name are drawn together. */
  readonly groups: ReadonlyArray<string>
}

const accuracyOf = (labels: ArrayLike<number>, predicted: ArrayLike<number>): number => {
  let right = 0
  for (let row = 0; row < labels.length; row++) if (labels[row] === predicted[row]) right += 1
  return right / Math.max(1, labels.length)
}

type Statistic = (labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number) => number

const statistics: Readonly<Record<string, Statistic>> = { accuracy: accuracyOf, f1Macro: f1MacroOf }

const rowsByGroup = (groups: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<number>> => {
  const rows = new Map<string, Array<number>>()
  for (const [row, name] of groups.entries()) {
    const known = rows.get(name)
    if (known === undefined) rows.set(name, [row])
    else known.push(row)
  }
  return [...rows.values()]
}

/** bn minus nobn: the difference of accuracy and of macro F1, with percentile intervals from `resamples` draws of groups. */
export const differences = (paired: Paired, resamples: number, seed: number): ReadonlyArray<Difference> => {
  const groups = rowsByGroup(paired.groups)
  const names = Object.keys(statistics)
  const drawn = names.map(() => new Float64Array(resamples))
  const random = Random.make(seed, "bootstrap")
  for (let b = 0; b < resamples; b++) {
    const rows: Array<number> = []
    for (let g = 0; g < groups.length; g++) rows.push(...groups[random.int(groups.length)]!)
    const labels = rows.map((row) => paired.labels[row]!)
    const bn = rows.map((row) => paired.bn[row]!)
    const nobn = rows.map((row) => paired.nobn[row]!)
    for (const [k, name] of names.entries()) {
      const of = statistics[name]!
      drawn[k]![b] = of(labels, bn, paired.classes) - of(labels, nobn, paired.classes)
    }
  }
  return names.map((metric, k) => {
    const sorted = drawn[k]!.sort()
    const of = statistics[metric]!
    return {
      metric,
      estimate: of(paired.labels, paired.bn, paired.classes) - of(paired.labels, paired.nobn, paired.classes),
      low95: quantile(sorted, 0.025),
      high95: quantile(sorted, 0.975),
      low90: quantile(sorted, 0.05),
      high90: quantile(sorted, 0.95)
    }
  })
}

/**
 * Two one-sided tests at 5 % (Schuirmann 1987) by way of the 90 % interval: equivalent when it lies within the margin
 * for every metric; different when some 95 % interval excludes 0 and equivalence does not hold; undecided otherwise.
 */
export const equivalence = (found: ReadonlyArray<Difference>, margin: number): Equivalence => {
  if (found.every(({ low90, high90 }) => low90 > -margin && high90 < margin)) return "equivalent"
  return found.some(({ low95, high95 }) => low95 > 0 || high95 < 0) ? "different" : "undecided"
}

/** P(|T| <= t) for Student's t with `freedom` degrees of freedom, t = tan(angle) sqrt(freedom): Abramowitz and Stegun 26.7.3 and 26.7.4. */
const withinStudent = (angle: number, freedom: number): number => {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)]
  const odd = freedom % 2 === 1
  if (freedom === 1) return (2 * angle) / Math.PI
  let term = odd ? cosine : 1
  let sum = term
  for (let k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= (cosine * cosine * (k - 1)) / k
    sum += term
  }
  return odd ? (2 * (angle + sine * sum)) / Math.PI : sine * sum
}

/** The t that Student's distribution exceeds, to either side, with probability 1 - `share`: 4.303 for 0.95 and 2 degrees of freedom. */
export const studentBound = (share: number, freedom: number): number => {
  let [low, high] = [0, Math.PI / 2]
  // 60 halvings exceed the precision of a double
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (withinStudent(middle, freedom) < share) low = middle
    else high = middle
  }
  return Math.tan(low) * Math.sqrt(freedom)
}
