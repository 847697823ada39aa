/** Tests and bounds: the exact binomial test, McNemar's test, equivalence by two one-sided tests, Student's t. */
import type { Difference, GroupTest, McNemar } from "../../../schemas/Compare.ts"
import type { Equivalence } from "../../../schemas/Seeds.ts"
import { unseenShare } from "./Groups.ts"

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

/** Of what a network is better than a constant answer, a difference of so much matters whatever the margin says. */
const shareOfLearned = 0.5
/** A tenth of a point: a margin of none would be no band. */
const leastMargin = 0.001

/**
 * The margin of equivalence for networks with these accuracies: with 300 classes three points are more than both may have
 * learned, and any two networks would be equivalent (assay sensitivity, as trials of equivalence ask for).
 */
export const marginFor = (asked: number, constant: number, accuracies: ReadonlyArray<number>): number =>
  Math.min(asked, Math.max(leastMargin, shareOfLearned * (Math.min(...accuracies) - constant)))

/** With fewer groups that differ no sign test reaches 5 %: 2 / 2^5 is more. */
const leastDiffering = 6

/**
 * Two one-sided tests at 5 % (Schuirmann 1987) by way of the 90 % interval: equivalent when it lies within the margin
 * for every metric; different when some 95 % interval excludes 0 and equivalence does not hold; undecided otherwise, and
 * where so few groups cannot tell whatever the intervals say.
 */
export const equivalence = (
  found: ReadonlyArray<Difference>,
  margin: number,
  { groups, differing }: Pick<GroupTest, "groups" | "differing">
): Equivalence => {
  if (found.every(({ low90, high90 }) => low90 > -margin && high90 < margin)) {
    return unseenShare(groups) > margin ? "undecided" : "equivalent"
  }
  const beyond = found.some(({ low95, high95 }) => low95 > 0 || high95 < 0)
  return beyond && differing >= leastDiffering ? "different" : "undecided"
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
