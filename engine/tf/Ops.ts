/**
 * The fused operations that networks are made of, each with its own gradient (`tf.customGrad`) written out in
 * TensorFlow.js kernels: the definition of what every engine computes, and the reference in the native engine's tests.
 *
 * Gotchas: TensorFlow.js registers its gradients only with tfjs-layers, and does not fuse under a gradient tape; with
 * the gradients written here neither matters. All convolutions are NHWC with HWIO weights. A tensor that a gradient
 * needs must be given to `save`: what is merely captured is disposed of when the forward pass of the operation returns.
 */
import type * as tfjs from "@tensorflow/tfjs-core"
import type { ConvBlock, DenseBlock, Pool } from "../Program.ts"
import * as Depthwise from "./Depthwise.ts"

export type Tf = typeof tfjs

type T4 = tfjs.Tensor4D
type T2 = tfjs.Tensor2D
type T1 = tfjs.Tensor1D

/** The gradient function for `customGrad`, whose own type does not allow several inputs. */
type Gradient = (dy: tfjs.Tensor, saved: Array<tfjs.Tensor>) => Array<tfjs.Tensor>

/** What batch normalization saw in a batch: for the running statistics. Variance over N, biased. */
export interface BatchStatistics {
  readonly mean: T1
  readonly variance: T1
}

const padding = (block: ConvBlock): "valid" | [[0, 0], [number, number], [number, number], [0, 0]] => {
  const { padBefore, padAfter } = block
  if (padBefore + padAfter === 0) return "valid"
  return [
    [0, 0],
    [padBefore, padAfter],
    [padBefore, padAfter],
    [0, 0]
  ]
}

const kernel = <T extends tfjs.Tensor>(
  tf: Tf,
  name: string,
  inputs: tfjs.NamedTensorMap,
  attrs: Record<string, unknown>
): T => tf.engine().runKernel(name, inputs, attrs as never) as T

const convAttributes = (block: ConvBlock): Record<string, unknown> => ({
  strides: [block.stride, block.stride],
  pad: padding(block),
  dataFormat: "NHWC",
  dilations: [1, 1],
  dimRoundingMode: undefined
})

const poolAttributes = ({ size, stride, padBefore, padAfter }: Pool): Record<string, unknown> => ({
  filterSize: [size, size],
  strides: [stride, stride],
  pad: padBefore + padAfter > 0 ? "same" : "valid",
  dimRoundingMode: undefined
})

/** z = conv(x, w) + b; n x size x size x channels in, n x convSize x convSize x filters out. */
const convolve = (tf: Tf, block: ConvBlock, x: T4, w: T4, b: T1): T4 => {
  const name = block.depthwise ? "DepthwiseConv2dNative" : "Conv2D"
  return tf.add(kernel<T4>(tf, name, { x, filter: w }, convAttributes(block)), b)
}

const reluAndPool = (tf: Tf, block: ConvBlock, z: T4): { readonly open: T4; readonly y: T4 } => {
  const open = block.relu ? tf.relu(z) : z
  const { pool } = block
  if (pool === null) return { open, y: open }
  const y =
    pool.kind === "max"
      ? kernel<T4>(tf, "MaxPool", { x: open }, poolAttributes(pool))
      : Depthwise.averagePool(tf, pool, open, block.outputSize)
  return { open, y }
}

/** dy at the block's output to dz before its ReLU. */
const throughPool = (tf: Tf, block: ConvBlock, dy: T4, z: T4, open: T4, y: T4): T4 => {
  const { pool } = block
  const wide =
    pool === null
      ? dy
      : pool.kind === "max"
        ? kernel<T4>(tf, "MaxPoolGrad", { dy, input: open, output: y }, poolAttributes(pool))
        : Depthwise.averagePoolGradient(tf, pool, dy, block.convSize)
  return block.relu ? tf.mul(wide, tf.step(z)) : wide
}

/**
 * Weight gradient of a stride-1 convolution as `kernel` matrix products of shifted inputs: much faster than
 * tfjs's own kernel on WebGPU (one thread per weight) and on `cpu` (element by element).
 */
export const filterGradientByProducts = (tf: Tf, block: ConvBlock, x: T4, dz: T4): T4 => {
  const { kernel, padBefore, padAfter, convSize, inputChannels, filters } = block
  const n = x.shape[0]
  const around: [number, number] = [padBefore, padAfter]
  const padded = padBefore + padAfter > 0 ? tf.pad(x, [[0, 0], around, around, [0, 0]]) : x
  const rows = n * convSize * convSize
  const gradient = tf.reshape(dz, [rows, filters])
  // one product per row of the window: its taps side by side make the product wide enough to be worth starting
  const windowRows: Array<tfjs.Tensor> = []
  for (let i = 0; i < kernel; i++) {
    const taps: Array<T4> = []
    for (let j = 0; j < kernel; j++) taps.push(tf.slice(padded, [0, i, j, 0], [n, convSize, convSize, inputChannels]))
    const run = kernel === 1 ? taps[0]! : tf.concat(taps, 3)
    windowRows.push(tf.matMul(tf.reshape(run, [rows, kernel * inputChannels]), gradient, true, false))
  }
  return tf.reshape(tf.stack(windowRows), [kernel, kernel, inputChannels, filters])
}

/** Input gradient of a stride-1 convolution as the convolution of dz with the weights turned by 180 degrees. */
export const inputGradientByConvolution = (tf: Tf, block: ConvBlock, dz: T4, w: T4): T4 => {
  const { kernel: size, padBefore, padAfter } = block
  const turned = tf.transpose(tf.reverse(w, [0, 1]), [0, 1, 3, 2])
  const around: [number, number] = [size - 1 - padBefore, size - 1 - padAfter]
  const padded = tf.pad(dz, [[0, 0], around, around, [0, 0]])
  return kernel<T4>(tf, "Conv2D", { x: padded, filter: turned }, { ...convAttributes(block), pad: "valid" })
}

const convGradients = (
  tf: Tf,
  block: ConvBlock,
  dz: T4,
  x: T4,
  w: T4
): { readonly dx: () => T4; readonly dw: () => T4 } => {
  if (block.depthwise) {
    return {
      dx: () => Depthwise.inputGradient(tf, block, dz, w, x.shape[1]),
      dw: () => Depthwise.filterGradient(tf, block, x, dz)
    }
  }
  const attributes = convAttributes(block)
  const backend = tf.getBackend()
  const composed = block.stride === 1 && (backend === "cpu" || backend === "webgpu")
  return {
    dx: () =>
      composed && backend === "cpu"
        ? inputGradientByConvolution(tf, block, dz, w)
        : kernel<T4>(tf, "Conv2DBackpropInput", { dy: dz, filter: w }, { ...attributes, inputShape: x.shape }),
    dw: () =>
      composed
        ? filterGradientByProducts(tf, block, x, dz)
        : kernel<T4>(tf, "Conv2DBackpropFilter", { x, dy: dz }, { ...attributes, filterShape: w.shape })
  }
}

/** Convolution, bias, ReLU, max pooling. */
export const convBlock = (tf: Tf, block: ConvBlock, x: T4, w: T4, b: T1): T4 =>
  tf.customGrad((...args) => {
    const [xIn, wIn, bIn, save] = args as unknown as [T4, T4, T1, tfjs.GradSaveFunc]
    const convolved = convolve(tf, block, xIn, wIn, bIn)
    const pooled = reluAndPool(tf, block, convolved)
    save([xIn, wIn, convolved, pooled.open, pooled.y])
    const gradFunc = (dy: tfjs.Tensor, saved: ReadonlyArray<tfjs.Tensor>): Array<tfjs.Tensor> => {
      const [xs, ws, z, open, y] = saved as [T4, T4, T4, T4, T4]
      const dz = throughPool(tf, block, dy as T4, z, open, y)
      const { dx, dw } = convGradients(tf, block, dz, xs, ws)
      // the first block's input is the images, whose gradient is not needed
      return [block.name === "conv1" ? tf.zerosLike(xs) : dx(), dw(), tf.sum(dz, [0, 1, 2])]
    }
    return { value: pooled.y, gradFunc: gradFunc as Gradient }
  })(x, w, b) as T4

/**
 * Convolution, bias, batch normalization with the batch's statistics (Ioffe and Szegedy 2015, section 3), ReLU, max
 * pooling. `onStatistics` gets the batch's mean and variance, kept: the receiver disposes of them.
 */
export const convNormBlock = (
  tf: Tf,
  block: ConvBlock,
  inputs: { readonly x: T4; readonly w: T4; readonly b: T1; readonly gamma: T1; readonly beta: T1 },
  onStatistics: (statistics: BatchStatistics) => void
): T4 => {
  const epsilon = block.norm?.epsilon ?? 1e-5
  return tf.customGrad((...args) => {
    const [xIn, wIn, bIn, gammaIn, betaIn, save] = args as unknown as [T4, T4, T1, T1, T1, tfjs.GradSaveFunc]
    const z = convolve(tf, block, xIn, wIn, bIn)
    const mean = tf.mean(z, [0, 1, 2]) as T1
    const centered = tf.sub(z, mean)
    const variance = tf.mean(tf.square(centered), [0, 1, 2]) as T1
    onStatistics({ mean: tf.keep(mean.clone()), variance: tf.keep(variance.clone()) })
    const scale = tf.rsqrt(tf.add(variance, epsilon))
    const standard = tf.mul(centered, scale)
    const scaled = tf.add(tf.mul(standard, gammaIn), betaIn) as T4
    const pooled = reluAndPool(tf, block, scaled)
    save([xIn, wIn, gammaIn, scale, standard, scaled, pooled.open, pooled.y])
    const gradFunc = (dy: tfjs.Tensor, saved: ReadonlyArray<tfjs.Tensor>): Array<tfjs.Tensor> => {
      const [x, w, gamma, inverse, xhat, normal, open, y] = saved as [T4, T4, T1, T1, T4, T4, T4, T4]
      const g = throughPool(tf, block, dy as T4, normal, open, y)
      const dbeta = tf.sum(g, [0, 1, 2])
      const dgamma = tf.sum(tf.mul(g, xhat), [0, 1, 2])
      const values = xhat.size / xhat.shape[3]
      const centeredGradient = tf.sub(g, tf.add(tf.div(dbeta, values), tf.mul(xhat, tf.div(dgamma, values))))
      const dz = tf.mul(tf.mul(gamma, inverse), centeredGradient) as T4
      const { dx, dw } = convGradients(tf, block, dz, x, w)
      // a bias before batch normalization does not change the loss
      return [block.name === "conv1" ? tf.zerosLike(x) : dx(), dw(), tf.zerosLike(gamma), dgamma, dbeta]
    }
    return { value: pooled.y, gradFunc: gradFunc as Gradient }
  })(inputs.x, inputs.w, inputs.b, inputs.gamma, inputs.beta) as T4
}

/** The same in inference: the running statistics are constants, folded into weights and bias. */
export const convNormInference = (
  tf: Tf,
  block: ConvBlock,
  x: T4,
  parameters: {
    readonly w: T4
    readonly b: T1
    readonly gamma: T1
    readonly beta: T1
    readonly mean: T1
    readonly variance: T1
  }
): T4 => {
  const { w, b, gamma, beta, mean, variance } = parameters
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, block.norm?.epsilon ?? 1e-5)))
  const shift = tf.add(tf.mul(tf.sub(b, mean), scale), beta) as T1
  // the filters of a depthwise convolution are the last axis but one
  const factor = block.depthwise ? tf.reshape(scale, [block.filters, 1]) : scale
  return reluAndPool(tf, block, convolve(tf, block, x, tf.mul(w, factor), shift)).y
}

/** y = dropout(relu(x w + b)). `mask` (n x units of 0 and 1) is divided by 1 - rate; null is no dropout. */
export const denseBlock = (tf: Tf, block: DenseBlock, x: T2, w: T2, b: T1, mask: T2 | null): T2 =>
  tf.customGrad((...args) => {
    const [xIn, wIn, bIn, save] = args as unknown as [T2, T2, T1, tfjs.GradSaveFunc]
    const summed = tf.add(tf.matMul(xIn, wIn), bIn)
    const open = block.relu ? tf.relu(summed) : summed
    const factor = mask === null ? null : tf.mul(mask, 1 / (1 - block.dropout))
    const value = factor === null ? open : tf.mul(open, factor)
    save([xIn, wIn, summed, ...(factor === null ? [] : [factor])])
    const gradFunc = (dy: tfjs.Tensor, saved: ReadonlyArray<tfjs.Tensor>): Array<tfjs.Tensor> => {
      const [xs, ws, z, kept] = saved as [T2, T2, tfjs.Tensor, T2 | undefined]
      const undropped = kept === undefined ? (dy as T2) : tf.mul(dy as T2, kept)
      const dz = (block.relu ? tf.mul(undropped, tf.step(z)) : undropped) as T2
      return [tf.matMul(dz, ws, false, true), tf.matMul(xs, dz, true, false), tf.sum(dz, 0)]
    }
    return { value, gradFunc: gradFunc as Gradient }
  })(x, w, b) as T2

/** Mean cross-entropy of softmax(logits), in nats; the gradient is (softmax - onehot) / n. */
export const softmaxCrossEntropy = (tf: Tf, logits: T2, labels: T1): tfjs.Scalar =>
  tf.customGrad((...args) => {
    const [z, save] = args as unknown as [T2, tfjs.GradSaveFunc]
    const [n, classes] = z.shape
    const shifted = tf.sub(z, tf.max(z, 1, true))
    const logProbabilities = tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true)))
    const onehot = tf.oneHot(labels, classes, 1, 0, "float32")
    const value = tf.neg(tf.div(tf.sum(tf.mul(onehot, logProbabilities)), n)) as tfjs.Scalar
    save([tf.div(tf.sub(tf.exp(logProbabilities), onehot), n)])
    const gradFunc = (dy: tfjs.Tensor, saved: ReadonlyArray<tfjs.Tensor>): Array<tfjs.Tensor> => [tf.mul(saved[0]!, dy)]
    return { value, gradFunc: gradFunc as Gradient }
  })(logits) as tfjs.Scalar

/**
 * Mean sparsemax loss (Martins and Astudillo 2016, equation 17); the gradient is (sparsemax - onehot) / n. Their support, the k
 * largest logits with 1 + k z(k) above the sum of the first k, is written without sorting: those that the others exceed by less than 1 together.
 */
export const sparsemaxLoss = (tf: Tf, logits: T2, labels: T1): tfjs.Scalar =>
  tf.customGrad((...args) => {
    const [z, save] = args as unknown as [T2, tfjs.GradSaveFunc]
    const [n, classes] = z.shape
    const shifted = tf.sub(z, tf.max(z, 1, true)) as T2
    const above = tf.relu(tf.sub(tf.reshape(shifted, [n, 1, classes]), tf.reshape(shifted, [n, classes, 1])))
    const support = tf.step(tf.sub(1, tf.sum(above, 2)))
    const size = tf.sum(support, 1, true)
    const tau = tf.div(tf.sub(tf.sum(tf.mul(support, shifted), 1, true), 1), size)
    const probabilities = tf.relu(tf.sub(shifted, tau))
    const onehot = tf.oneHot(labels, classes, 1, 0, "float32")
    const squares = tf.mul(support, tf.sub(tf.square(shifted), tf.square(tau)))
    const rows = tf.sub(tf.add(tf.div(tf.sum(squares, 1), 2), 0.5), tf.sum(tf.mul(onehot, shifted), 1))
    const value = tf.div(tf.sum(rows), n) as tfjs.Scalar
    save([tf.div(tf.sub(probabilities, onehot), n)])
    const gradFunc = (dy: tfjs.Tensor, saved: ReadonlyArray<tfjs.Tensor>): Array<tfjs.Tensor> => [tf.mul(saved[0]!, dy)]
    return { value, gradFunc: gradFunc as Gradient }
  })(logits) as tfjs.Scalar
