/**
 * The threshold of sparsemax and its loss (Martins and Astudillo 2016), shared by the activation and the training.
 */

/** A copy, largest first. */
export const descending = (values: Float64Array): Float64Array => values.slice().sort().reverse()

/** The threshold of sparsemax: p = max(0, z - tau). */
export const sparsemaxThreshold = (logits: ArrayLike<number>): number => {
  const sorted = descending(Float64Array.from(logits))
  let sum = 0
  let tau = 0
  for (let k = 1; k <= sorted.length; k++) {
    sum += sorted[k - 1]!
    // the support is the longest prefix for which 1 + k z_k > sum of the first k
    if (1 + k * sorted[k - 1]! > sum) tau = (sum - 1) / k
  }
  return tau
}

/**
 * The loss whose gradient is sparsemax(z) - onehot (equation 17): -z[label] + 1/2 sum over the support of (z^2 - tau^2) + 1/2. It is 0 exactly
 * when the label leads every other class by 1 or more.
 */
export const sparsemaxLoss = (logits: ArrayLike<number>, label: number): number => {
  const top = Math.max(...Array.from(logits))
  const shifted = Float64Array.from(logits, (z) => z - top)
  const tau = sparsemaxThreshold(shifted)
  const squares = shifted.reduce((sum, z) => (z > tau ? sum + z * z - tau * tau : sum), 0)
  // rounding may leave a loss of 0 a little below
  return Math.max(0, squares / 2 + 0.5 - shifted[label]!)
}
