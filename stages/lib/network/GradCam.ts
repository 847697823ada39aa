/**
 * Grad-CAM (Selvaraju et al. 2017): which places of an image speak for a class, by the last convolution of a network.
 *
 * The channels of the last convolution, after normalization and ReLU and before pooling, are weighed with the mean over
 * places of the gradient of the class's logit, and what is negative in their sum is cut off. It is computed in float64,
 * image by image: a few images need no engine, and a report has the same bytes on each.
 *
 * A map lies where its convolution looks: each of its values is at the middle of what it sees of the image, which without
 * padding is not at the borders.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { ConvBlock, DenseBlock, NetworkShape, Pool } from "../../../engine/Program.ts"
import { weightChannels } from "../../../engine/Program.ts"
import type { TrainedNetwork } from "../../../schemas/Train.ts"
import type { NamedTensor } from "../tables/Safetensors.ts"
import * as Network from "./Network.ts"

/** Values of an image, rows by columns by channels. */
interface Maps {
  readonly size: number
  readonly channels: number
  readonly data: Float64Array
}

/** How strongly each place speaks for a class: `size` x `size` values of at least 0. */
export interface Evidence {
  readonly size: number
  readonly values: Float64Array
  /** In pixels of the network's input: the middle of what the first value sees, and the distance from one to the next. */
  readonly from: number
  readonly step: number
}

export interface Looked {
  readonly logits: Float64Array
  /** Of a class, by its index. */
  readonly evidence: (label: number) => Evidence
}

export interface GradCam {
  /** Looks at `size * size * 3` levels. */
  readonly look: (pixels: Uint8Array) => Looked
  /** Of one look: how long it takes, whatever the machine. */
  readonly multiplications: number
}

type Values = ReadonlyMap<string, Float64Array>

/** Weights as [row][column][input channel][filter], so that the innermost loop runs along memory. */
const turned = (block: ConvBlock, weights: Float64Array): Float64Array => {
  const { filters, kernel } = block
  const channels = weightChannels(block)
  const out = new Float64Array(weights.length)
  for (let f = 0; f < filters; f++) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < kernel * kernel; p++) {
        out[(p * channels + c) * filters + f] = weights[(f * channels + c) * kernel * kernel + p]!
      }
    }
  }
  return out
}

/** Adds what one value of the input gives to all filters, or to its own of a depthwise convolution. */
const addTo = (
  out: Float64Array,
  at: number,
  block: ConvBlock,
  weights: Float64Array,
  place: number,
  x: Maps,
  from: number
) => {
  const { filters } = block
  if (block.depthwise) {
    for (let f = 0; f < filters; f++) out[at + f]! += x.data[from + f]! * weights[place * filters + f]!
    return
  }
  for (let c = 0; c < x.channels; c++) {
    const value = x.data[from + c]!
    if (value === 0) continue
    const row = (place * x.channels + c) * filters
    for (let f = 0; f < filters; f++) out[at + f]! += value * weights[row + f]!
  }
}

const convolve = (x: Maps, block: ConvBlock, weights: Float64Array, bias: Float64Array): Maps => {
  const { convSize, filters, kernel, padBefore, stride } = block
  const out = new Float64Array(convSize * convSize * filters)
  for (let y = 0; y < convSize; y++) {
    for (let u = 0; u < convSize; u++) {
      const at = (y * convSize + u) * filters
      out.set(bias, at)
      for (let i = 0; i < kernel; i++) {
        const row = y * stride + i - padBefore
        if (row < 0 || row >= x.size) continue
        for (let j = 0; j < kernel; j++) {
          const column = u * stride + j - padBefore
          if (column < 0 || column >= x.size) continue
          addTo(out, at, block, weights, i * kernel + j, x, (row * x.size + column) * x.channels)
        }
      }
    }
  }
  return { size: convSize, channels: filters, data: out }
}

/** Batch normalization with the running statistics, then the ReLU; in place. */
const finish = (x: Maps, block: ConvBlock, values: Values): void => {
  const { norm, relu } = block
  const of = (name: string): Float64Array | undefined => values.get(`${norm?.name}.${name}`)
  const [gamma, beta, average, variance] = [of("weight"), of("bias"), of("running_mean"), of("running_var")]
  for (let i = 0; i < x.data.length; i++) {
    const c = i % x.channels
    let value = x.data[i]!
    if (norm !== null)
      value = ((value - average![c]!) * gamma![c]!) / Math.sqrt(variance![c]! + norm.epsilon) + beta![c]!
    x.data[i] = relu ? Math.max(0, value) : value
  }
}

/** Calls `with_` for each place of each window: which output it belongs to, and its share of the gradient. */
const places = (pool: Pool, size: number, at: number): readonly [first: number, end: number] => [
  Math.max(0, at * pool.stride - pool.padBefore),
  Math.min(size, at * pool.stride - pool.padBefore + pool.size)
]

/** Pooled values, and the way back of a gradient. */
const poolOf = (x: Maps, pool: Pool, size: number) => {
  const { channels } = x
  const data = new Float64Array(size * size * channels)
  // of a maximum, where it came from: the first of equals
  const sources = new Int32Array(pool.kind === "max" ? data.length : 0)
  const each = (visit: (to: number, from: number, count: number) => void): void => {
    for (let y = 0; y < size; y++) {
      const [top, bottom] = places(pool, x.size, y)
      for (let u = 0; u < size; u++) {
        const [left, right] = places(pool, x.size, u)
        const count = (bottom - top) * (right - left)
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < right; column++) {
            for (let c = 0; c < channels; c++) {
              visit((y * size + u) * channels + c, (row * x.size + column) * channels + c, count)
            }
          }
        }
      }
    }
  }
  if (pool.kind === "max") {
    data.fill(Number.NEGATIVE_INFINITY)
    each((to, from) => {
      if (x.data[from]! <= data[to]!) return
      data[to] = x.data[from]!
      sources[to] = from
    })
  } else {
    each((to, from, count) => {
      data[to]! += x.data[from]! / count
    })
  }
  const back = (gradient: Float64Array): Float64Array => {
    const out = new Float64Array(x.data.length)
    if (pool.kind === "max") {
      for (const [to, from] of sources.entries()) out[from]! += gradient[to]!
    } else {
      each((to, from, count) => {
        out[from]! += gradient[to]! / count
      })
    }
    return out
  }
  return { pooled: { size, channels, data } satisfies Maps, back }
}

/** Where each number of PyTorch's order (channel, row, column) is in ours (row, column, channel). */
const flattening = ({ size, channels }: Maps): Int32Array =>
  Int32Array.from({ length: size * size * channels }, (_, i) => {
    const [c, place] = [Math.floor(i / (size * size)), i % (size * size)]
    return place * channels + c
  })

const dense = (x: Float64Array, block: DenseBlock, weights: Float64Array, bias: Float64Array): Float64Array =>
  Float64Array.from({ length: block.units }, (_, u) => {
    let sum = bias[u]!
    for (let k = 0; k < block.inputs; k++) sum += x[k]! * weights[u * block.inputs + k]!
    return block.relu ? Math.max(0, sum) : sum
  })

/** The dense layers, and the gradient of a logit with respect to their input. */
const head = (input: Float64Array, blocks: ReadonlyArray<DenseBlock>, values: Values) => {
  const outputs = [input]
  for (const block of blocks) {
    outputs.push(dense(outputs.at(-1)!, block, values.get(`${block.name}.weight`)!, values.get(`${block.name}.bias`)!))
  }
  const gradientOf = (label: number): Float64Array => {
    let gradient = outputs.at(-1)!.map((_, k) => (k === label ? 1 : 0))
    for (const [i, block] of [...blocks.entries()].reverse()) {
      const weights = values.get(`${block.name}.weight`)!
      const below = new Float64Array(block.inputs)
      for (let u = 0; u < block.units; u++) {
        const g = block.relu && outputs[i + 1]![u] === 0 ? 0 : gradient[u]!
        if (g === 0) continue
        for (let k = 0; k < block.inputs; k++) below[k]! += g * weights[u * block.inputs + k]!
      }
      gradient = below
    }
    return gradient
  }
  return { logits: outputs.at(-1)!, gradientOf }
}

/** Where the values of the last convolution look. */
const viewOf = (blocks: ReadonlyArray<ConvBlock>): Pick<Evidence, "from" | "step"> => {
  let [from, step] = [0, 1]
  for (const [i, { kernel, padBefore, pool, stride }] of blocks.entries()) {
    from += step * ((kernel - 1) / 2 - padBefore)
    step *= stride
    if (pool === null || i === blocks.length - 1) continue
    from += step * ((pool.size - 1) / 2 - pool.padBefore)
    step *= pool.stride
  }
  return { from, step }
}

const evidenceOf = (maps: Maps, gradient: Float64Array): Float64Array => {
  const { size, channels, data } = maps
  const weights = new Float64Array(channels)
  for (let i = 0; i < gradient.length; i++) weights[i % channels]! += gradient[i]! / (size * size)
  return Float64Array.from({ length: size * size }, (_, place) => {
    let sum = 0
    for (let c = 0; c < channels; c++) sum += weights[c]! * data[place * channels + c]!
    return Math.max(0, sum)
  })
}

const multiplicationsOf = ({ blocks }: NetworkShape): number =>
  blocks.reduce(
    (sum, block) =>
      sum +
      (block.kind === "dense"
        ? block.inputs * block.units
        : block.convSize ** 2 * block.filters * block.kernel ** 2 * weightChannels(block)),
    0
  )

/** None for a network that has no convolution. */
export const make = (network: TrainedNetwork, weights: ReadonlyArray<NamedTensor>): Option.Option<GradCam> => {
  const { spec, size, classes, mean, std } = network
  const shape = Result.getOrThrow(Network.resolve(spec, { size, channels: 3, classes: classes.length }))
  const convs = shape.blocks.filter((block) => block.kind === "conv")
  const denses = shape.blocks.filter((block) => block.kind === "dense")
  const last = convs.at(-1)
  if (last === undefined) return Option.none()
  // all but the counters of batches
  const values = new Map(
    weights.flatMap((each) => (each.dtype === "F32" ? [[each.name, Float64Array.from(each.data)] as const] : []))
  )
  const filters = convs.map((block) => turned(block, values.get(`${block.name}.weight`)!))
  const view = viewOf(convs)
  const look = (pixels: Uint8Array): Looked => {
    let x: Maps = {
      size,
      channels: 3,
      data: Float64Array.from(pixels, (p, i) => (p / 255 - mean[i % 3]!) / std[i % 3]!)
    }
    let maps = x
    let back = (gradient: Float64Array): Float64Array => gradient
    for (const [i, block] of convs.entries()) {
      maps = convolve(x, block, filters[i]!, values.get(`${block.name}.bias`)!)
      finish(maps, block, values)
      x = maps
      back = (gradient) => gradient
      if (block.pool === null) continue
      const pooling = poolOf(maps, block.pool, block.outputSize)
      x = pooling.pooled
      back = pooling.back
    }
    const order = flattening(x)
    const { logits, gradientOf } = head(
      Float64Array.from(order, (from) => x.data[from]!),
      denses,
      values
    )
    return {
      logits,
      evidence: (label) => {
        const flat = gradientOf(label)
        const gradient = new Float64Array(flat.length)
        for (const [i, to] of order.entries()) gradient[to] = flat[i]!
        return { size: maps.size, values: evidenceOf(maps, back(gradient)), ...view }
      }
    }
  }
  return Option.some({ look, multiplications: multiplicationsOf(shape) })
}
