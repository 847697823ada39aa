/**
 * What backends of TensorFlow.js lack, or answer differently, for convolutions of each channel by itself: their
 * gradients, and average pooling, which is such a convolution with equal weights. Written in operations that all have.
 */
import type * as tfjs from "@tensorflow/tfjs-core"
import type { ConvBlock, Pool } from "../Program.ts"

type Tf = typeof tfjs
type T4 = tfjs.Tensor4D

/** Windows over both sides of an image. */
interface Windows {
  readonly size: number
  readonly stride: number
  readonly padBefore: number
  readonly padAfter: number
}

const windowsOf = ({ kernel, stride, padBefore, padAfter }: ConvBlock): Windows => ({
  size: kernel,
  stride,
  padBefore,
  padAfter
})

const around = (tf: Tf, x: T4, before: number, after: number): T4 =>
  before + after === 0
    ? x
    : tf.pad(x, [
        [0, 0],
        [before, after],
        [before, after],
        [0, 0]
      ])

const convolve = (tf: Tf, x: T4, filter: T4, stride: number): T4 =>
  tf
    .engine()
    .runKernel(
      "DepthwiseConv2dNative",
      { x, filter } as never,
      { strides: [stride, stride], pad: "valid", dataFormat: "NHWC", dilations: [1, 1] } as never
    ) as T4

/** The values of dy, `stride` apart, with zeros between. */
const spread = (tf: Tf, dy: T4, stride: number): T4 => {
  const [n, height, width, channels] = dy.shape
  if (stride === 1) return dy
  const zerosAfter = (x: tfjs.Tensor3D): tfjs.Tensor3D =>
    tf.pad(x, [
      [0, 0],
      [0, stride - 1],
      [0, 0]
    ])
  const rows = zerosAfter(tf.reshape(dy, [n * height, 1, width * channels]))
  const all = zerosAfter(tf.reshape(rows, [n * height * stride * width, 1, channels]))
  const wide = tf.reshape(all, [n, height * stride, width * stride, channels]) as T4
  return tf.slice(wide, [0, 0, 0, 0], [n, (height - 1) * stride + 1, (width - 1) * stride + 1, channels])
}

const throughWindows = (tf: Tf, windows: Windows, dy: T4, filter: T4, inputSize: number): T4 => {
  const { size, stride, padBefore } = windows
  const wide = spread(tf, dy, stride)
  const padded = around(tf, wide, size - 1 - padBefore, inputSize - wide.shape[1] + padBefore)
  return convolve(tf, padded, tf.reverse(filter, [0, 1]), 1)
}

/** The gradient at the input of a depthwise convolution. */
export const inputGradient = (tf: Tf, block: ConvBlock, dz: T4, filter: T4, inputSize: number): T4 =>
  throughWindows(tf, windowsOf(block), dz, filter, inputSize)

/** The gradient of a depthwise convolution's weights: for each place of the window, the products summed. */
export const filterGradient = (tf: Tf, block: ConvBlock, x: T4, dz: T4): T4 => {
  const { kernel, stride, padBefore, padAfter, convSize } = block
  const [n, , , channels] = x.shape
  const padded = around(tf, x, padBefore, padAfter)
  const reach = (convSize - 1) * stride + 1
  const taps: Array<tfjs.Tensor> = []
  for (let i = 0; i < kernel; i++) {
    for (let j = 0; j < kernel; j++) {
      const seen = tf.stridedSlice(padded, [0, i, j, 0], [n, i + reach, j + reach, channels], [1, stride, stride, 1])
      taps.push(tf.sum(tf.mul(seen, dz), [0, 1, 2]))
    }
  }
  return tf.reshape(tf.stack(taps), [kernel, kernel, channels, 1])
}

/** 1 / how many places of each window lie in an image of `inputSize`: [1, outputs, outputs, 1]. */
const shares = (tf: Tf, { size, stride, padBefore }: Pool, inputSize: number, outputs: number): T4 => {
  const inside = Array.from({ length: outputs }, (_, i) => {
    const from = i * stride - padBefore
    return Math.min(inputSize, from + size) - Math.max(0, from)
  })
  return tf.tensor4d(
    inside.flatMap((rows) => inside.map((columns) => 1 / (rows * columns))),
    [1, outputs, outputs, 1]
  )
}

export const averagePool = (tf: Tf, pool: Pool, x: T4, outputs: number): T4 => {
  const { size, stride, padBefore, padAfter } = pool
  const ones = tf.ones([size, size, x.shape[3], 1]) as T4
  const sums = convolve(tf, around(tf, x, padBefore, padAfter), ones, stride)
  return tf.mul(sums, shares(tf, pool, x.shape[1], outputs))
}

export const averagePoolGradient = (tf: Tf, pool: Pool, dy: T4, inputSize: number): T4 => {
  const ones = tf.ones([pool.size, pool.size, dy.shape[3], 1]) as T4
  return throughWindows(tf, pool, tf.mul(dy, shares(tf, pool, inputSize, dy.shape[1])), ones, inputSize)
}
