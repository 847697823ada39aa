/**
 * Five training steps against PyTorch, from the same weights: losses, gradients, norms, parameters, running statistics
 * and logits. The fixture and its tolerances are described in test/fixtures/torch/make.py.
 */
import * as fs from "node:fs"
import * as Result from "effect/Result"
import { describe, expect, test } from "vitest"
import {
  isTrainable,
  type NetworkShape,
  type Optimizer,
  type Parameter,
  type Program,
  parametersOf
} from "../../engine/Program.ts"
import * as Safetensors from "../../stages/lib/tables/Safetensors.ts"
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
  relativeError,
  relu
} from "./support.ts"

const steps = 5
const batch = 6
const adam: Optimizer = { kind: "adam", learningRate: 1e-3, weightDecay: 1e-2 }

const readFixture = (name: string): ReadonlyMap<string, Float32Array | BigInt64Array> => {
  const bytes = fs.readFileSync(new URL(`../fixtures/torch/golden-${name}.safetensors`, import.meta.url))
  return new Map(Result.getOrThrow(Safetensors.decode(bytes)).map((tensor) => [tensor.name, tensor.data]))
}

const shapeOf = (bn: boolean): NetworkShape => {
  const block = (filters: number) => [conv(filters), ...(bn ? [batchNorm] : []), relu, pool]
  return networkOf([...block(8), ...block(20), ...block(16), dense(24), relu, dense("classes")], {
    size: 31,
    classes: 5
  })
}

const floats = (data: Float32Array | BigInt64Array | undefined): Float32Array => {
  if (!(data instanceof Float32Array)) throw new Error("the fixture lacks a tensor")
  return data
}

const batchOf = (fixture: ReturnType<typeof readFixture>, step: number, shape: NetworkShape) => {
  const perBatch = batch * shape.size * shape.size * shape.channels
  const pixels = new Uint8Array(fixture.get("pixels")!.buffer).slice(step * perBatch, (step + 1) * perBatch)
  const labels = Int32Array.from(
    fixture.get("labels")!.subarray(step * batch, (step + 1) * batch) as BigInt64Array,
    Number
  )
  return { pixels, labels, learningRate: 1e-3, dropoutMasks: new Map() }
}

const check = async (name: string, make: (options: Make) => Promise<Program>, tolerance = 1e-5): Promise<void> => {
  const fixture = readFixture(name)
  const shape = shapeOf(name === "bn")
  const parameters = parametersOf(shape)
  const start = async (optimizer: Optimizer): Promise<Program> => {
    const program = await make({ shape, optimizer, batchSize: batch })
    for (const p of parameters) program.write("value", p, floats(fixture.get(`initial.${p.name}`)))
    return program
  }

  // PyTorch's gradient of a bias before batch normalization is rounding noise around zero; here it is zero
  const noisy = (p: Parameter): boolean => name === "bn" && p.role === "bias" && p.name.startsWith("conv")
  const probe = await start(plainSgd)
  await probe.step({ ...batchOf(fixture, 0, shape), learningRate: 1 })
  for (const p of parameters.filter(isTrainable)) {
    if (noisy(p)) continue
    const before = floats(fixture.get(`initial.${p.name}`))
    const gradient = (await probe.read("value", p)).map((after, i) => before[i]! - after)
    // what is taken away is rounded to the parameter's own precision
    expect(
      relativeError(gradient, floats(fixture.get(`gradient.${p.name}`)), 1e-3),
      `gradient of ${p.name}`
    ).toBeLessThan(2e-4)
  }
  probe.dispose()

  const program = await start(adam)
  const losses = floats(fixture.get("losses"))
  const norms = floats(fixture.get("norms"))
  for (let s = 0; s < steps; s++) {
    const result = await program.step(batchOf(fixture, s, shape))
    expect(Math.abs(result.loss - losses[s]!), `loss of step ${s}`).toBeLessThan(1e-4)
    const actual = shape.blocks.map((b) => result.gradientNorms[b.name]!)
    expect(relativeError(actual, norms.subarray(s * 5, s * 5 + 5)), `norms of step ${s}`).toBeLessThan(1e-4)
  }
  for (const p of parameters) {
    const actual = await program.read("value", p)
    const wanted = floats(fixture.get(`final.${p.name}`))
    expect(normError(actual, wanted), `${p.name} after ${steps} steps`).toBeLessThan(noisy(p) ? 1e-4 : tolerance)
    // single elements: Adam divides a gradient by its own size, so where it is rounding noise its sign is too
    expect(relativeError(actual, wanted), `${p.name} after ${steps} steps, largest`).toBeLessThan(30 * tolerance)
  }
  const { pixels } = batchOf(fixture, steps - 1, shape)
  const logits = await program.predict(pixels, batch)
  const expected = floats(fixture.get("logits"))
  for (let i = 0; i < expected.length; i++) expect(Math.abs(logits[i]! - expected[i]!)).toBeLessThan(1e-4)
  program.dispose()
}

describe.each(["nobn", "bn"])("PyTorch, %s", (name) => {
  test("native, every instruction set, one and two threads", async () => {
    for (const isa of await instructionSets()) {
      // without fused multiply-add every product is rounded
      const tolerance = isa === "base" ? 2e-5 : 1e-5
      for (const threads of [1, 2]) await check(name, (options) => nativeProgram(options, { isa, threads }), tolerance)
    }
  })
  test("cpu", { timeout: 60_000 }, () => check(name, cpuProgram))
})
