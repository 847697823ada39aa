/**
 * Networks of other layers than the presets': strides, windows that overlap, paddings, average and global pooling,
 * convolutions of each channel by itself. Random networks of them on the native program against the composed
 * TensorFlow.js operations on `cpu`, and their gradients against central differences in float64.
 */
import { describe, expect, test } from "vitest"
import { unsupported } from "../../engine/native/NativeProgram.ts"
import { isTrainable, type NetworkShape, parametersOf } from "../../engine/Program.ts"
import type { Layer } from "../../schemas/Network.ts"
import * as Random from "../../stages/lib/Random.ts"
import * as Reference from "./reference.ts"
import {
  batchNorm,
  conv,
  cpuProgram,
  dense,
  instructionSets,
  momentum,
  nativeProgram,
  networkOf,
  plainSgd,
  randomLabels,
  randomPixels,
  randomValue,
  relativeError,
  relu,
  trained
} from "./support.ts"

/** A convolution of any kind with what may follow it. */
const randomBlock = (random: Random.Random, first: boolean): ReadonlyArray<Layer> => {
  const pick = <A>(of: ReadonlyArray<A>): A => of[random.int(of.length)]!
  const paddings = ["valid", "same"] as const
  const window = {
    kernel: 1 + random.int(5),
    stride: 1 + random.int(3),
    padding: pick(paddings)
  } as const
  const pooling = {
    size: 1 + random.int(4),
    ...(random.int(2) === 0 ? { stride: 1 + random.int(3) } : {}),
    ...(random.int(2) === 0 ? { padding: pick(paddings) } : {})
  }
  const pools: ReadonlyArray<ReadonlyArray<Layer>> = [
    [],
    [{ type: "maxPool", size: 2 }],
    [{ type: "maxPool", ...pooling }],
    [{ type: "averagePool", ...pooling }],
    [{ type: "globalAveragePool" }]
  ]
  return [
    first || random.int(3) > 0
      ? { type: "conv", filters: 1 + random.int(20), ...window }
      : { type: "depthwiseConv", ...window },
    ...(random.int(2) === 0 ? [batchNorm] : []),
    ...(random.int(4) > 0 ? [relu] : []),
    ...pick(pools.slice(0, first ? 4 : 5))
  ]
}

/** Null where the layers do not fit the image. */
const randomNetwork = (seed: number): NetworkShape | null => {
  const random = Random.make(seed, "network")
  const blocks = Array.from({ length: 1 + random.int(3) }, (_, i) => randomBlock(random, i === 0))
  try {
    return networkOf([...blocks.flat(), dense("classes")], { size: 9 + random.int(16), classes: 3 })
  } catch {
    return null
  }
}

const networks = Array.from({ length: 400 }, (_, seed) => ({ seed, shape: randomNetwork(seed) }))
  .flatMap(({ seed, shape }) => (shape === null ? [] : [{ seed, shape }]))
  .slice(0, 60)

const labelOf = (seed: number, shape: NetworkShape): string => `network ${seed}: ${JSON.stringify(shape.blocks)}`

describe("random networks, native against tfjs", () => {
  test("most are networks, and the native program runs all of them", () => {
    expect(networks).toHaveLength(60)
    for (const { shape, seed } of networks) expect(unsupported(shape, "fp32"), labelOf(seed, shape)).toBeUndefined()
  })

  test.each(networks)("network $seed", { timeout: 60_000 }, async ({ seed, shape }) => {
    const n = 2 + (seed % 3)
    const make = { shape, optimizer: momentum, batchSize: n + 1 }
    const expected = await trained(await cpuProgram(make), shape, n, 0.01)
    for (const [i, isa] of (await instructionSets()).entries()) {
      const label = `${isa}, ${labelOf(seed, shape)}`
      const actual = await trained(await nativeProgram(make, { isa, threads: 1 + i }), shape, n, 0.01)
      expect(relativeError(actual.losses, expected.losses), `${label}: losses`).toBeLessThan(1e-4)
      expect(relativeError(actual.norms, expected.norms), `${label}: norms`).toBeLessThan(1e-3)
      expect(relativeError(actual.logits, expected.logits), `${label}: logits`).toBeLessThan(1e-3)
      for (const [name, tensor] of expected.tensors) {
        expect(relativeError(actual.tensors.get(name)!, tensor), `${label}: ${name}`).toBeLessThan(1e-3)
      }
      expect(actual.alive, label).toEqual(expected.alive)
    }
  })

  test("gives the same bits for any thread count", async () => {
    for (const { shape } of networks.slice(0, 8)) {
      const make = { shape, optimizer: momentum, batchSize: 7 }
      const first = await trained(await nativeProgram(make, { threads: 1 }), shape, 7, 0.01)
      for (const threads of [2, 3])
        expect(await trained(await nativeProgram(make, { threads }), shape, 7, 0.01)).toEqual(first)
    }
  })
})

/** A step so large that what is left of the old weights is below the gradient's rounding. */
const rate = 4096
const step = 1e-5

const finite: ReadonlyArray<readonly [name: string, layers: ReadonlyArray<Layer>]> = [
  [
    "stride 2, 5 x 5, pool 3 by 2",
    [
      { type: "conv", filters: 5, kernel: 5, stride: 2, padding: "same" },
      relu,
      { type: "maxPool", size: 3, stride: 2, padding: "same" },
      conv(18, 2),
      relu,
      { type: "averagePool", size: 2, stride: 1 }
    ]
  ],
  [
    "every other pixel",
    [
      conv(5),
      relu,
      { type: "maxPool", size: 1, stride: 2 },
      conv(4),
      batchNorm,
      relu,
      { type: "maxPool", size: 1, stride: 2 }
    ]
  ],
  [
    "depthwise with normalization, global pooling",
    [
      conv(6),
      batchNorm,
      relu,
      { type: "depthwiseConv", kernel: 3, stride: 2, padding: "same" },
      batchNorm,
      relu,
      conv(7, 1),
      batchNorm,
      relu,
      { type: "globalAveragePool" }
    ]
  ]
]

describe.each(finite)("finite differences: %s", (_name, layers) => {
  const shape = networkOf([...layers, dense("classes")], { size: 17, classes: 4 })
  const pixels = randomPixels(3, shape, 3)
  const labels = randomLabels(3, 4, 3)
  const values = new Map(parametersOf(shape).map((p) => [p.name, Float64Array.from(randomValue(shape, p, 3))]))
  const lossWith = (name: string, at: number, change: number): number => {
    const tensor = values.get(name)!
    const before = tensor[at]!
    tensor[at] = before + change
    const loss = Reference.loss(shape, values, pixels, labels)
    tensor[at] = before
    return loss
  }

  test("on every instruction set and on cpu", { timeout: 60_000 }, async () => {
    const random = Random.make(1, "where")
    const samples = parametersOf(shape)
      .filter(isTrainable)
      .map((parameter) => {
        const length = values.get(parameter.name)!.length
        const at = Array.from({ length: 12 }, () => random.int(length))
        const slopes = at.map(
          (i) => (lossWith(parameter.name, i, step) - lossWith(parameter.name, i, -step)) / (2 * step)
        )
        return { parameter, at, slopes }
      })
    const make = { shape, optimizer: plainSgd, batchSize: 3 }
    const programs = [
      await cpuProgram(make),
      ...(await Promise.all((await instructionSets()).map((isa) => nativeProgram(make, { isa }))))
    ]
    for (const program of programs) {
      for (const p of parametersOf(shape)) program.write("value", p, randomValue(shape, p, 3))
      await program.step({ pixels, labels, learningRate: rate, dropoutMasks: new Map() })
      for (const { parameter, at, slopes } of samples) {
        const before = randomValue(shape, parameter, 3)
        const after = await program.read("value", parameter)
        const scale = Math.max(1e-3, ...slopes.map(Math.abs))
        for (const [k, i] of at.entries())
          expect(Math.abs((before[i]! - after[i]!) / rate - slopes[k]!) / scale, parameter.name).toBeLessThan(2e-5)
      }
      program.dispose()
    }
  })
})
