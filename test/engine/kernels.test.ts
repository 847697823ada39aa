/**
 * The kernels of `NativeBackend` against tfjs's own on the same inputs, over random geometries: odd sizes, one image,
 * 1 to 70 channels, strides, dilations, the paddings that tfjs can be asked for. What oneDNN is not used for must be as
 * right as what it is.
 */
import * as tf from "@tensorflow/tfjs-core"
import { beforeAll, describe, expect, test } from "vitest"
import * as Addon from "../../engine/native/Addon.ts"
import type { NativeBackend } from "../../engine/native/NativeBackend.ts"
import { backendName, makeTf } from "../../engine/native/NativeTf.ts"
import * as Random from "../../stages/lib/Random.ts"
import { addon, cpuTf, location, relativeError } from "./support.ts"

type Inputs = Readonly<Record<string, { readonly shape: Array<number>; readonly data: Float32Array }>>

const array = (random: Random.Random, shape: Array<number>) => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.between(-1, 1))
})

const runOn = async (
  backend: string,
  kernel: string,
  inputs: Inputs,
  attrs: Record<string, unknown>
): Promise<Float32Array> => {
  await tf.setBackend(backend)
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, tf.tensor(data.slice(), shape)])
  )
  const out = tf.engine().runKernel(kernel, tensors, attrs as never) as tf.Tensor
  const values = ((await out.data()) as Float32Array).slice()
  tf.dispose([out, ...Object.values(tensors)])
  return values
}

const agree = async (kernel: string, inputs: Inputs, attrs: Record<string, unknown>, label: string): Promise<void> => {
  const expected = await runOn("cpu", kernel, inputs, attrs)
  const actual = await runOn(backendName, kernel, inputs, attrs)
  expect(actual.length, label).toBe(expected.length)
  // sums of some thousand products in fp32, in another order
  expect(relativeError(actual, expected, 1e-3), label).toBeLessThan(2e-5)
}

describe.skipIf(location.oneDnn === undefined)("native kernels", () => {
  beforeAll(async () => {
    await addon()
    await cpuTf()
    const dnnl = Addon.loadDnnl(location.binary)
    expect(dnnl?.version).toMatch(/^\d+\.\d+/u)
    await makeTf(dnnl)
  })

  test("convolutions and their gradients", { timeout: 60_000 }, async () => {
    const random = Random.make(1, "convolutions")
    for (let i = 0; i < 24; i++) {
      const [n, cin, cout] = [
        1 + random.int(3),
        1 + random.int(i % 4 === 0 ? 70 : 9),
        1 + random.int(i % 4 === 1 ? 70 : 9)
      ]
      const [h, w, k] = [6 + random.int(7), 6 + random.int(7), 1 + random.int(4)]
      const stride = 1 + random.int(3)
      const explicit = [
        [0, 0],
        [random.int(k), random.int(k)],
        [random.int(k), random.int(k)],
        [0, 0]
      ]
      const pad = ["valid", "same", explicit][random.int(3)]
      const attrs = {
        strides: [stride, stride],
        pad,
        dataFormat: "NHWC",
        dilations: [1, 1],
        dimRoundingMode: undefined
      }
      const label = JSON.stringify({ n, h, w, cin, cout, k, stride, pad })
      const x = array(random, [n, h, w, cin])
      const filter = array(random, [k, k, cin, cout])
      await agree("Conv2D", { x, filter }, attrs, label)
      const info = tf.backend_util.computeConv2DInfo([n, h, w, cin], [k, k, cin, cout], stride, 1, pad as never)
      const dy = array(random, info.outShape)
      await agree("Conv2DBackpropInput", { dy, filter }, { ...attrs, inputShape: x.shape }, label)
      await agree("Conv2DBackpropFilter", { x, dy }, { ...attrs, filterShape: filter.shape }, label)
    }
  })

  test("dilated convolution", async () => {
    const random = Random.make(2, "dilated")
    const attrs = { strides: [1, 1], pad: "valid", dataFormat: "NHWC", dilations: [2, 2], dimRoundingMode: undefined }
    await agree("Conv2D", { x: array(random, [2, 9, 9, 3]), filter: array(random, [3, 3, 3, 5]) }, attrs, "dilated")
  })

  test("matrix products, also batched and broadcast", async () => {
    const random = Random.make(3, "products")
    for (let i = 0; i < 16; i++) {
      const [m, k, n] = [1 + random.int(40), 1 + random.int(40), 1 + random.int(40)]
      const [transposeA, transposeB] = [random.int(2) === 1, random.int(2) === 1]
      const batches = random.int(4) === 0 ? 3 : 1
      const a = array(random, [batches, ...(transposeA ? [k, m] : [m, k])])
      const b = array(random, [1, ...(transposeB ? [n, k] : [k, n])])
      await agree(
        "BatchMatMul",
        { a, b },
        { transposeA, transposeB },
        JSON.stringify({ m, k, n, transposeA, transposeB, batches })
      )
    }
  })

  test("every other operation is tfjs's own", async () => {
    const random = Random.make(4, "others")
    await agree(
      "MaxPool",
      { x: array(random, [2, 9, 9, 5]) },
      { filterSize: [3, 3], strides: [2, 2], pad: "same", dimRoundingMode: undefined },
      "pool"
    )
    await agree("Softmax", { logits: array(random, [4, 7]) }, { dim: 1 }, "softmax")
    await agree("Slice", { x: array(random, [200, 200]) }, { begin: [5, 0], size: [100, 200] }, "slice")
  })

  test("reuses its buffers, and gives none away", async () => {
    await tf.setBackend(backendName)
    const backend = tf.backend() as NativeBackend
    const x = tf.randomUniform([1, 64, 64, 3]) as tf.Tensor4D
    const filter = tf.randomUniform([3, 3, 3, 8]) as tf.Tensor4D
    const once = async (): Promise<Float32Array> => {
      const y = tf.engine().runKernel("Conv2D", { x, filter }, {
        strides: [1, 1],
        pad: "same",
        dataFormat: "NHWC",
        dilations: [1, 1],
        dimRoundingMode: undefined
      } as never) as tf.Tensor
      const values = (await y.data()) as Float32Array
      y.dispose()
      return values
    }
    const first = await once()
    const copy = first.slice()
    const before = backend.allocations
    for (let i = 0; i < 5; i++) await once()
    expect(backend.allocations).toBe(before)
    expect(first).toEqual(copy)
    tf.dispose([x, filter])
  })
})
