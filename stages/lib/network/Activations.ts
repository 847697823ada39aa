/**
 * Output activations: from logits to probabilities, as pure functions on rows of numbers.
 *
 * - `softmax-classic`: exp(z) / sum exp(z) as it is written, in float32. Overflows when a logit is above 88.72; such a row comes
 *   out as NaN. Kept to show why nobody computes it so.
 * - `softmax`: the same after the largest logit is subtracted, which changes nothing but the overflow.
 * - `sparsemax` (Martins and Astudillo 2016, algorithm 1): the nearest point of the probability simplex; zero for classes
 *   that are far behind.
 * - `entmax15` (Peters, Niculae and Martins 2019, algorithm 2): alpha = 1.5, between the two.
 *
 * All keep the order of the logits and, but for the classic form's overflow, do not change when the same number is
 * added to every logit.
 */
import type { ActivationName } from "../../../schemas/Compare.ts"
import { descending, sparsemaxThreshold } from "./Sparsemax.ts"

/** Probabilities of one row. Input and output have one number per class. */
export type Activation = (logits: ArrayLike<number>) => Float64Array

const maximum = (values: ArrayLike<number>): number => {
  let top = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) top = Math.max(top, values[i]!)
  return top
}

/** In float32 throughout, as a framework would; NaN where exp overflows. */
export const softmaxClassic: Activation = (logits) => {
  const out = new Float64Array(logits.length)
  let sum = 0
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.fround(Math.exp(Math.fround(logits[i]!)))
    sum = Math.fround(sum + out[i]!)
  }
  return out.map((value) => Math.fround(value / sum))
}

export const softmax: Activation = (logits) => {
  const top = maximum(logits)
  const out = Float64Array.from(logits, (z) => Math.exp(z - top))
  const sum = out.reduce((a, b) => a + b, 0)
  return out.map((value) => value / sum)
}

export const sparsemax: Activation = (logits) => {
  const top = maximum(logits)
  const shifted = Float64Array.from(logits, (z) => z - top)
  const tau = sparsemaxThreshold(shifted)
  return shifted.map((z) => Math.max(0, z - tau))
}

/** The threshold of 1.5-entmax on logits that are halved already: p = max(0, z/2 - tau)^2. */
const entmaxThreshold = (halved: Float64Array): number => {
  const sorted = descending(halved)
  let sum = 0
  let squares = 0
  let tau = 0
  for (let k = 1; k <= sorted.length; k++) {
    const z = sorted[k - 1]!
    sum += z
    squares += z * z
    const mean = sum / k
    const spread = squares - k * mean * mean
    const delta = (1 - spread) / k
    const candidate = mean - Math.sqrt(Math.max(0, delta))
    // the support is the longest prefix whose least member is above its own threshold
    if (candidate <= z) tau = candidate
  }
  return tau
}

export const entmax15: Activation = (logits) => {
  const top = maximum(logits)
  const halved = Float64Array.from(logits, (z) => (z - top) / 2)
  const tau = entmaxThreshold(halved)
  return halved.map((z) => Math.max(0, z - tau) ** 2)
}

export const activations: Readonly<Record<ActivationName, Activation>> = {
  "softmax-classic": softmaxClassic,
  softmax,
  sparsemax,
  entmax15
}

export const activationNames: ReadonlyArray<ActivationName> = ["softmax-classic", "softmax", "sparsemax", "entmax15"]

/**
 * The Jacobian-vector product J v of an activation at its output `p` (all are symmetric, so this is also the backward pass).
 * softmax: p * (v - <p, v>); sparsemax: v - mean of v on the support, zero off it (Martins and Astudillo 2016, eq. 9);
 * entmax15: s * (v - <s, v> / sum s) with s = sqrt p (Peters et al. 2019, prop. 2).
 */
export const jacobianProduct = (name: ActivationName, p: Float64Array, v: ArrayLike<number>): Float64Array => {
  const weights =
    name === "sparsemax"
      ? p.map((value) => (value > 0 ? 1 : 0))
      : name === "entmax15"
        ? p.map((value) => Math.sqrt(value))
        : p
  let total = 0
  let dot = 0
  for (let i = 0; i < p.length; i++) {
    total += weights[i]!
    dot += weights[i]! * v[i]!
  }
  return weights.map((weight, i) => weight * (v[i]! - dot / total))
}

/** All rows: `logits` is rows x classes, row-major; so is the result. */
export const applyRows = (activation: Activation, logits: Float32Array, classes: number): Float64Array => {
  const out = new Float64Array(logits.length)
  for (let at = 0; at < logits.length; at += classes) out.set(activation(logits.subarray(at, at + classes)), at)
  return out
}
