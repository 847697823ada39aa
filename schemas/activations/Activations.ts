/**
 * The output activations: from logits to probabilities, as pure functions on rows of numbers.
 *
 * To add one, add its entry to `table` below, and nothing else: the parameter `compare.activation`, the scores, the
 * chart of calibration, the report, the flag `--activation` of `predict`, and the tests take their names and functions
 * from here.
 *
 * All keep the order of the logits and, except for the classic form's overflow, do not change when the same number is
 * added to every logit.
 */
import { descending, sparsemaxThreshold } from "./Sparsemax.ts"

/** Probabilities of one row. Input and output have one number per class. */
export type Activation = (logits: ArrayLike<number>) => Float64Array

const maximum = (values: ArrayLike<number>): number => {
  let top = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) top = Math.max(top, values[i]!)
  return top
}

const softmaxClassic: Activation = (logits) => {
  const out = new Float64Array(logits.length)
  let sum = 0
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.fround(Math.exp(Math.fround(logits[i]!)))
    sum = Math.fround(sum + out[i]!)
  }
  return out.map((value) => Math.fround(value / sum))
}

const softmax: Activation = (logits) => {
  const top = maximum(logits)
  const out = Float64Array.from(logits, (z) => Math.exp(z - top))
  const sum = out.reduce((a, b) => a + b, 0)
  return out.map((value) => value / sum)
}

const sparsemax: Activation = (logits) => {
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

const entmax15: Activation = (logits) => {
  const top = maximum(logits)
  const halved = Float64Array.from(logits, (z) => (z - top) / 2)
  const tau = entmaxThreshold(halved)
  return halved.map((z) => Math.max(0, z - tau) ** 2)
}

/** An output activation: a description, its function, and the weights of its Jacobian. */
export interface OutputActivation {
  /** For the report, after the name and a colon. */
  readonly about: string
  readonly apply: Activation
  /** The `s` of the Jacobian at the output `p`: J v = s * (v - <s, v> / sum s). All of them have one of this form. */
  readonly slope: (p: Float64Array) => Float64Array
  /** Set where the probabilities equal those of another activation unless they overflow. */
  readonly overflows?: true
}

const table = {
  "softmax-classic": {
    about:
      "exp(z) / sum exp(z) as it is written, in float32; it overflows when a logit is above 88.72, which shows why the stable form is needed",
    apply: softmaxClassic,
    slope: (p) => p,
    overflows: true
  },
  softmax: {
    about: "the same after the largest logit is subtracted, which changes nothing but the overflow",
    apply: softmax,
    slope: (p) => p
  },
  sparsemax: {
    about:
      "the nearest point of the probability simplex, with 0 for classes that are far behind (Martins and Astudillo 2016, algorithm 1)",
    apply: sparsemax,
    // the mean on the support, and zero off it (equation 9)
    slope: (p) => p.map((value) => (value > 0 ? 1 : 0))
  },
  entmax15: {
    about: "1.5-entmax, between softmax and sparsemax (Peters, Niculae and Martins 2019, algorithm 2)",
    apply: entmax15,
    // proposition 2
    slope: (p) => p.map((value) => Math.sqrt(value))
  }
} satisfies Readonly<Record<string, OutputActivation>>

export type ActivationName = keyof typeof table

export const activations: Readonly<Record<ActivationName, OutputActivation>> = table

export const activationNames = Object.keys(table) as ReadonlyArray<ActivationName>

/** The Jacobian-vector product J v of an activation at its output `p`; all Jacobians are symmetric, so this is also the backward pass. */
export const jacobianProduct = (name: ActivationName, p: Float64Array, v: ArrayLike<number>): Float64Array => {
  const weights = activations[name].slope(p)
  let total = 0
  let dot = 0
  for (let i = 0; i < p.length; i++) {
    total += weights[i]!
    dot += weights[i]! * v[i]!
  }
  return weights.map((weight, i) => weight * (v[i]! - dot / total))
}

/** All rows: `logits` is rows x classes, row-major; so is the result. */
export const applyRows = (name: ActivationName, logits: Float32Array, classes: number): Float64Array => {
  const out = new Float64Array(logits.length)
  const { apply } = activations[name]
  for (let at = 0; at < logits.length; at += classes) out.set(apply(logits.subarray(at, at + classes)), at)
  return out
}
