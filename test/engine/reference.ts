/**
 * The network once more in plain float64 loops, forward only: what finite differences are taken of. Slow and obvious.
 */
import type { ConvBlock, DenseBlock, Loss, NetworkShape, Pool } from "../../engine/Program.ts"
import { mean, std } from "./support.ts"

/** By PyTorch's names and layouts. */
export type Parameters = ReadonlyMap<string, Float64Array>

interface Images {
  readonly n: number
  readonly size: number
  readonly channels: number
  /** NHWC */
  readonly data: Float64Array
}

const convolve = (x: Images, block: ConvBlock, w: Float64Array, b: Float64Array): Images => {
  const { convSize, filters, depthwise, kernel, padBefore, stride } = block
  const channels = depthwise ? 1 : x.channels
  const out = new Float64Array(x.n * convSize * convSize * filters)
  let at = 0
  for (let n = 0; n < x.n; n++) {
    for (let y = 0; y < convSize; y++) {
      for (let u = 0; u < convSize; u++) {
        for (let f = 0; f < filters; f++) {
          let sum = b[f]!
          for (let c = 0; c < channels; c++) {
            for (let i = 0; i < kernel; i++) {
              for (let j = 0; j < kernel; j++) {
                const [row, column] = [y * stride + i - padBefore, u * stride + j - padBefore]
                if (row < 0 || column < 0 || row >= x.size || column >= x.size) continue
                const from = depthwise ? f : c
                const pixel = x.data[((n * x.size + row) * x.size + column) * x.channels + from]!
                sum += pixel * w[((f * channels + c) * kernel + i) * kernel + j]!
              }
            }
          }
          out[at++] = sum
        }
      }
    }
  }
  return { n: x.n, size: convSize, channels: filters, data: out }
}

const normalize = (x: Images, gamma: Float64Array, beta: Float64Array, epsilon: number): void => {
  const values = x.data.length / x.channels
  for (let c = 0; c < x.channels; c++) {
    let sum = 0
    for (let i = c; i < x.data.length; i += x.channels) sum += x.data[i]!
    const average = sum / values
    let square = 0
    for (let i = c; i < x.data.length; i += x.channels) square += (x.data[i]! - average) ** 2
    const scale = gamma[c]! / Math.sqrt(square / values + epsilon)
    for (let i = c; i < x.data.length; i += x.channels) x.data[i] = (x.data[i]! - average) * scale + beta[c]!
  }
}

/** The values of each window that lie in the image: their maximum or average. */
const poolOf = (x: Images, pool: Pool, size: number): Images => {
  const out = new Float64Array(x.n * size * size * x.channels)
  const inside = (at: number): ReadonlyArray<number> =>
    Array.from({ length: pool.size }, (_, i) => at * pool.stride - pool.padBefore + i).filter(
      (place) => place >= 0 && place < x.size
    )
  let to = 0
  for (let n = 0; n < x.n; n++) {
    for (let y = 0; y < size; y++) {
      for (let u = 0; u < size; u++) {
        for (let c = 0; c < x.channels; c++) {
          const values = inside(y).flatMap((row) =>
            inside(u).map((column) => x.data[((n * x.size + row) * x.size + column) * x.channels + c]!)
          )
          out[to++] = pool.kind === "max" ? Math.max(...values) : values.reduce((sum, v) => sum + v, 0) / values.length
        }
      }
    }
  }
  return { n: x.n, size, channels: x.channels, data: out }
}

const relu = (data: Float64Array): void => data.forEach((v, i) => (data[i] = Math.max(0, v)))

/** Rows of H,W,C as rows of C,H,W, as PyTorch flattens. */
const flatten = (x: Images): Float64Array => {
  const places = x.size * x.size
  return x.data.map((_, i) => {
    const [n, rest] = [Math.floor(i / (places * x.channels)), i % (places * x.channels)]
    const [c, p] = [Math.floor(rest / places), rest % places]
    return x.data[(n * places + p) * x.channels + c]!
  })
}

const dense = (x: Float64Array, n: number, block: DenseBlock, w: Float64Array, b: Float64Array): Float64Array => {
  const out = new Float64Array(n * block.units)
  for (let i = 0; i < n; i++) {
    for (let u = 0; u < block.units; u++) {
      let sum = b[u]!
      for (let k = 0; k < block.inputs; k++) sum += x[i * block.inputs + k]! * w[u * block.inputs + k]!
      out[i * block.units + u] = block.relu ? Math.max(0, sum) : sum
    }
  }
  return out
}

const crossEntropy = (logits: Float64Array, labels: Int32Array, classes: number): number => {
  let total = 0
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes)
    const top = Math.max(...row)
    total += top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0)) - row[label]!
  })
  return total / labels.length
}

/** The threshold over which the values sum to 1, by bisection: another way than the engines'. */
const threshold = (row: Float64Array): number => {
  let [low, high] = [Math.min(...row) - 1, Math.max(...row)]
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2
    if (row.reduce((sum, z) => sum + Math.max(0, z - middle), 0) > 1) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** Of Martins and Astudillo 2016, by its other definition: the conjugate at z, less z[label], plus 1/2. */
const sparsemax = (logits: Float64Array, labels: Int32Array, classes: number): number => {
  let total = 0
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes)
    const tau = threshold(row)
    const p = row.map((z) => Math.max(0, z - tau))
    // max over the simplex of p z - |p|^2 / 2, which sparsemax is the place of
    const conjugate = p.reduce((sum, each, c) => sum + each * row[c]! - (each * each) / 2, 0)
    total += conjugate - row[label]! + 0.5
  })
  return total / labels.length
}

/** Mean loss in training mode, without dropout. */
export const loss = (
  shape: NetworkShape,
  parameters: Parameters,
  pixels: Uint8Array,
  labels: Int32Array,
  name: Loss = "crossEntropy"
): number => {
  const n = labels.length
  const { size, channels } = shape
  const data = Float64Array.from(pixels, (p, i) => (p / 255 - mean[i % channels]!) / std[i % channels]!)
  let x: Images = { n, size, channels, data }
  let flat: Float64Array | undefined
  const get = (name: string): Float64Array => parameters.get(name)!
  for (const block of shape.blocks) {
    if (block.kind === "conv") {
      x = convolve(x, block, get(`${block.name}.weight`), get(`${block.name}.bias`))
      const { norm } = block
      if (norm !== null) normalize(x, get(`${norm.name}.weight`), get(`${norm.name}.bias`), norm.epsilon)
      if (block.relu) relu(x.data)
      if (block.pool !== null) x = poolOf(x, block.pool, block.outputSize)
    } else {
      flat = dense(flat ?? flatten(x), n, block, get(`${block.name}.weight`), get(`${block.name}.bias`))
    }
  }
  return (name === "sparsemax" ? sparsemax : crossEntropy)(flat!, labels, shape.classes)
}
