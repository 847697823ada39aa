/**
 * Gradients of whole networks against central differences in float64: relative error at most 1e-5 of the largest
 * gradient of a tensor. The difference quotient itself is good to about 1e-8 (step 1e-5, float64).
 */
import { describe, expect, test } from "vitest"
import { processor } from "../../engine/Processor.ts"
import {
  isTrainable,
  type Loss,
  type NetworkShape,
  type Parameter,
  type Program,
  parametersOf
} from "../../engine/Program.ts"
import * as Random from "../../stages/lib/Random.ts"
import * as Reference from "./reference.ts"
import {
  batchNorm,
  conv,
  cpuProgram,
  dense,
  instructionSets,
  type Make,
  nativeProgram,
  networkOf,
  normError,
  plainSgd,
  pool,
  randomLabels,
  randomPixels,
  randomValue,
  relu
} from "./support.ts"

const n = 3
const perTensor = 25
const step = 1e-5
/** So large that what is left of the old weights after a step is below the gradient's rounding. */
const rate = 4096

const shapeOf = (bn: boolean): NetworkShape => {
  const block = (filters: number) => [conv(filters), ...(bn ? [batchNorm] : []), relu, pool]
  return networkOf([...block(5), ...block(18), dense(9), relu, dense("classes")], { size: 13, classes: 4 })
}

interface Sample {
  readonly name: string
  readonly at: ReadonlyArray<number>
  readonly expected: ReadonlyArray<number>
}

/** Random, and the classes' biases so far apart that sparsemax leaves some classes out. */
const valueOf = (shape: NetworkShape, parameter: Parameter): Float32Array => {
  const values = randomValue(shape, parameter, 3)
  return parameter.name === "fc2.bias" ? values.map((value, i) => value + 0.4 * i) : values
}

const differences = (
  shape: NetworkShape,
  pixels: Uint8Array,
  labels: Int32Array,
  loss: Loss
): ReadonlyArray<Sample> => {
  const values = new Map(parametersOf(shape).map((p) => [p.name, Float64Array.from(valueOf(shape, p))]))
  const random = Random.make(1, "where")
  return parametersOf(shape)
    .filter(isTrainable)
    .map(({ name }) => {
      const tensor = values.get(name)!
      const at = Array.from({ length: perTensor }, () => random.int(tensor.length))
      const expected = at.map((i) => {
        const before = tensor[i]!
        const lossAt = (value: number): number => {
          tensor[i] = value
          return Reference.loss(shape, values, pixels, labels, loss)
        }
        const slope = (lossAt(before + step) - lossAt(before - step)) / (2 * step)
        tensor[i] = before
        return slope
      })
      return { name, at, expected }
    })
}

/** Engine gradients at the sampled places. */
const gradients = async (program: Program, shape: NetworkShape, pixels: Uint8Array, labels: Int32Array) => {
  for (const p of parametersOf(shape)) program.write("value", p, valueOf(shape, p))
  await program.step({ pixels, labels, learningRate: rate, dropoutMasks: new Map() })
  const found = new Map<string, Float64Array>()
  for (const p of parametersOf(shape).filter(isTrainable)) {
    const before = valueOf(shape, p)
    const after = await program.read("value", p)
    found.set(
      p.name,
      Float64Array.from(after, (value, i) => (before[i]! - value) / rate)
    )
  }
  program.dispose()
  return found
}

describe.each([
  [false, "crossEntropy"],
  [true, "crossEntropy"],
  [false, "sparsemax"],
  [true, "sparsemax"]
] as const)("finite differences, batch normalization %s, loss %s", (bn, loss) => {
  const shape = shapeOf(bn)
  const pixels = randomPixels(n, shape, 3)
  const labels = randomLabels(n, shape.classes, 3)
  const samples = differences(shape, pixels, labels, loss)
  const make: Make = { shape, optimizer: plainSgd, batchSize: n, loss }

  const check = async (program: Program, label: string): Promise<void> => {
    const found = await gradients(program, shape, pixels, labels)
    for (const { name, at, expected } of samples) {
      const actual = at.map((i) => found.get(name)![i]!)
      // a bias before normalization has no gradient at all: compare with nothing but the quotient's own error
      const scale = Math.max(1e-3, ...expected.map(Math.abs))
      const error = Math.max(...actual.map((a, i) => Math.abs(a - expected[i]!))) / scale
      expect(error, `${label}: ${name}`).toBeLessThan(1e-5)
    }
  }

  test("native, every instruction set", async () => {
    for (const isa of await instructionSets()) await check(await nativeProgram(make, { isa }), isa)
  })

  test("cpu", { timeout: 30_000 }, async () => check(await cpuProgram(make), "cpu"))

  test("bf16 points the same way", async () => {
    if (processor()?.bf16 !== true) return
    const found = await gradients(await nativeProgram(make, { precision: "bf16" }), shape, pixels, labels)
    for (const { name, at, expected } of samples) {
      if (Math.max(...expected.map(Math.abs)) < 1e-3) continue
      // 8 bits of mantissa: 0.4 % a product; where two values under a window are closer, another one is the maximum
      expect(
        normError(
          at.map((i) => found.get(name)![i]!),
          expected
        ),
        name
      ).toBeLessThan(0.15)
    }
  })
})
