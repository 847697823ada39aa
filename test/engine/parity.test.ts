/**
 * The native program against the composed TensorFlow.js operations on `cpu`, over shapes that the kernels treat
 * differently: odd sizes, one image, channel counts that fill no vector, both paddings, several kernel sizes, with and
 * without normalization and ReLU, every instruction set, several thread counts.
 */
import { describe, expect, test } from "vitest"
import { processor } from "../../engine/Processor.ts"
import { isTrainable, type NetworkShape, type Program, parametersOf } from "../../engine/Program.ts"
import type { Layer } from "../../schemas/Network.ts"
import {
  batchNorm,
  conv,
  cpuProgram,
  dense,
  fillRandom,
  instructionSets,
  marksFor,
  momentum,
  nativeProgram,
  networkOf,
  type Outcome,
  plainSgd,
  pool,
  randomLabels,
  randomPixels,
  randomValue,
  relativeError,
  relu,
  trained
} from "./support.ts"

const block = (layer: Layer, bn: boolean, active = true): ReadonlyArray<Layer> => [
  layer,
  ...(bn ? [batchNorm] : []),
  ...(active ? [relu] : []),
  pool
]

const head: ReadonlyArray<Layer> = [dense("classes")]
const dropout: Layer = { type: "dropout", rate: 0.4 }

interface Case {
  readonly name: string
  readonly layers: ReadonlyArray<Layer>
  readonly size: number
  readonly n: number
  readonly classes?: number
  readonly channels?: number
}

const cases: ReadonlyArray<Case> = [
  { name: "one image, one channel out", layers: [...block(conv(1), false), ...head], size: 8, n: 1 },
  {
    name: "channels 17, odd size",
    layers: [...block(conv(17), false), ...block(conv(5), false), ...head],
    size: 17,
    n: 3
  },
  {
    name: "channels 17, odd size, norm",
    layers: [...block(conv(17), true), ...block(conv(5), true), ...head],
    size: 17,
    n: 3
  },
  { name: "channels 70", layers: [...block(conv(70), false), ...block(conv(33), false), ...head], size: 12, n: 2 },
  { name: "channels 70, norm", layers: [...block(conv(70), true), ...block(conv(33), true), ...head], size: 12, n: 2 },
  { name: "norm then none", layers: [...block(conv(8), true), ...block(conv(6), false), ...head], size: 14, n: 4 },
  { name: "none then norm", layers: [...block(conv(8), false), ...block(conv(6), true), ...head], size: 14, n: 4 },
  { name: "kernel 5", layers: [...block(conv(6, 5), false), ...block(conv(4, 5), false), ...head], size: 20, n: 2 },
  { name: "kernel 5, norm", layers: [...block(conv(6, 5), true), ...block(conv(4, 5), true), ...head], size: 20, n: 2 },
  { name: "kernel 1", layers: [...block(conv(6, 1), false), ...block(conv(4, 1), false), ...head], size: 9, n: 2 },
  {
    name: "same padding",
    layers: [...block(conv(9, 3, "same"), false), ...block(conv(7, 3, "same"), false), ...head],
    size: 11,
    n: 3
  },
  {
    name: "same padding, even kernel, norm",
    layers: [...block(conv(9, 4, "same"), true), ...block(conv(7, 2, "same"), true), ...head],
    size: 11,
    n: 3
  },
  {
    name: "no ReLU",
    layers: [...block(conv(9), false, false), ...block(conv(7), false, false), ...head],
    size: 14,
    n: 3
  },
  {
    name: "no ReLU, norm",
    layers: [...block(conv(9), true, false), ...block(conv(7), true, false), ...head],
    size: 14,
    n: 3
  },
  { name: "one colour channel", layers: [...block(conv(9), true), ...head], size: 14, n: 3, channels: 1 },
  {
    name: "dense tower",
    layers: [...block(conv(4), false), dense(33), relu, dropout, dense(7), dropout, ...head],
    size: 10,
    n: 5,
    classes: 19
  },
  { name: "batch 19", layers: [...block(conv(4), true), dense(65), relu, dropout, ...head], size: 10, n: 19 }
]

const compare = (actual: Outcome, expected: Outcome, label: string): void => {
  expect(relativeError(actual.losses, expected.losses), `${label}: losses`).toBeLessThan(2e-5)
  expect(relativeError(actual.norms, expected.norms), `${label}: norms`).toBeLessThan(1e-4)
  expect(relativeError(actual.logits, expected.logits), `${label}: logits`).toBeLessThan(1e-4)
  expect(actual.alive, `${label}: alive`).toEqual(expected.alive)
  for (const [name, tensor] of expected.tensors) {
    expect(relativeError(actual.tensors.get(name)!, tensor), `${label}: ${name}`).toBeLessThan(1e-4)
  }
}

describe("native against tfjs", () => {
  test.each(cases)("$name", { timeout: 30_000 }, async ({ layers, size, n, classes = 4, channels = 3 }) => {
    const shape = networkOf(layers, { size, classes, channels })
    const make = { shape, optimizer: momentum, batchSize: n + 1 }
    const expected = await trained(await cpuProgram(make), shape, n, 0.05)
    for (const isa of await instructionSets()) {
      for (const threads of [1, 2, 3]) {
        compare(
          await trained(await nativeProgram(make, { isa, threads }), shape, n, 0.05),
          expected,
          `${isa}, ${threads} threads`
        )
      }
    }
  })
})

/** A network in which the first unit of each block with a ReLU is dead, by its bias. */
const killFirst = (program: Program, shape: NetworkShape): void => {
  fillRandom(program, shape, 5)
  for (const [index, each] of shape.blocks.entries()) {
    const name = each.kind === "conv" && each.norm !== null ? each.norm.name : each.name
    const bias = parametersOf(shape).find((p) => p.block === index && p.name === `${name}.bias`)!
    const values = randomValue(shape, bias, 5)
    if (each.relu) values[0] = -1e4
    program.write("value", bias, values)
  }
}

describe("what images bring to life", () => {
  const layers = [...block(conv(17), false), ...block(conv(5), true), dense(33), relu, ...head]
  const shape = networkOf(layers, { size: 17, classes: 4 })
  const make = { shape, optimizer: plainSgd, batchSize: 4 }
  const programs = async (): Promise<ReadonlyArray<Program>> => [
    await cpuProgram(make),
    ...(await Promise.all((await instructionSets()).map((isa) => nativeProgram(make, { isa })))),
    ...(processor()?.bf16 === true ? [await nativeProgram(make, { precision: "bf16" })] : [])
  ]

  test("a unit that its bias keeps below 0 is dead, others are not, on every engine", async () => {
    for (const program of await programs()) {
      killFirst(program, shape)
      const alive = marksFor(shape)
      for (const seed of [1, 2, 3]) await program.predict(randomPixels(4, shape, seed), 4, alive)
      expect([...alive.keys()]).toEqual(["conv1", "conv2", "fc1"])
      for (const [name, marks] of alive) {
        expect(marks[0], name).toBe(0)
        expect(marks.filter((mark) => mark === 1).length, name).toBeGreaterThan(marks.length / 3)
      }
      program.dispose()
    }
  })

  test("marks are added to, and logits are the same with and without", async () => {
    for (const program of await programs()) {
      fillRandom(program, shape, 5)
      const pixels = randomPixels(4, shape, 1)
      const alive = marksFor(shape)
      for (const marks of alive.values()) marks[0] = 1
      expect(await program.predict(pixels, 4, alive)).toEqual(await program.predict(pixels, 4))
      for (const marks of alive.values()) expect(marks[0]).toBe(1)
      program.dispose()
    }
  })
})

describe("native", () => {
  const shape = networkOf([...block(conv(16), true), ...block(conv(32), true), dense(40), relu, ...head], {
    size: 30,
    classes: 6
  })

  test.each(["fp32", "bf16"] as const)(
    "gives the same bits twice, and for any thread count, in %s",
    async (precision) => {
      if (precision === "bf16" && processor()?.bf16 !== true) return
      const make = { shape, optimizer: momentum, batchSize: 7 }
      const first = await trained(await nativeProgram(make, { threads: 1, precision }), shape, 7, 0.05)
      for (const threads of [1, 2, 3, 5]) {
        expect(await trained(await nativeProgram(make, { threads, precision }), shape, 7, 0.05)).toEqual(first)
      }
    }
  )

  test("changes nothing when the loss is not finite", async () => {
    const program = await nativeProgram({ shape, optimizer: plainSgd, batchSize: 4 })
    fillRandom(program, shape, 1)
    const fc = parametersOf(shape).find((p) => p.name === "fc2.bias")!
    program.write("value", fc, new Float32Array(6).fill(Number.POSITIVE_INFINITY))
    const before = await Promise.all(parametersOf(shape).map((p) => program.read("value", p)))
    const input = {
      pixels: randomPixels(4, shape, 1),
      labels: randomLabels(4, 6, 1),
      learningRate: 1,
      dropoutMasks: new Map()
    }
    expect((await program.step(input)).loss).toBeNaN()
    expect(await Promise.all(parametersOf(shape).map((p) => program.read("value", p)))).toEqual(before)
    expect(program.stepCount).toBe(0)
    program.dispose()
  })

  test("NaN weights show in the loss", async () => {
    const program = await nativeProgram({ shape, optimizer: plainSgd, batchSize: 4 })
    fillRandom(program, shape, 1)
    const first = parametersOf(shape)[0]!
    program.write("value", first, new Float32Array(first.shape.reduce((a, b) => a * b, 1)).fill(Number.NaN))
    const input = {
      pixels: randomPixels(4, shape, 1),
      labels: randomLabels(4, 6, 1),
      learningRate: 1,
      dropoutMasks: new Map()
    }
    expect((await program.step(input)).loss).toBeNaN()
    program.dispose()
  })

  test("trains all that the optimizer may", () => {
    expect(
      parametersOf(shape)
        .filter((p) => !isTrainable(p))
        .map((p) => p.role)
    ).toEqual(["runningMean", "runningVariance", "runningMean", "runningVariance"])
  })
})
