/** What the engine tests share: the built addon, small networks, programs on every engine, comparisons. */
import * as path from "node:path"
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Precision } from "../../engine/Identity.ts"
import * as Addon from "../../engine/native/Addon.ts"
import { makeNativeProgram } from "../../engine/native/NativeProgram.ts"
import {
  type Loss,
  type NetworkShape,
  type Optimizer,
  type Parameter,
  type Program,
  parametersOf,
  type StepInput
} from "../../engine/Program.ts"
import { TfProgram } from "../../engine/tf/TfProgram.ts"
import type { Layer } from "../../schemas/Network.ts"
import * as Network from "../../stages/lib/network/Network.ts"
import * as Random from "../../stages/lib/Random.ts"

/** Kept between test runs: the addon is keyed by its sources. */
export const cacheDir = path.resolve("node_modules/.cache/op-pipe-engine")

export const location = Addon.locate(cacheDir)

// while the file is imported, and so under no test's time limit
await Effect.runPromise(Addon.build(location, () => {}))

/** The built addon. */
export const addon = async (): Promise<Addon.AddonExports> => Addon.load(location.binary)

export const cpuTf = async (): Promise<typeof tf> => {
  if (tf.findBackend("cpu") === null) tf.registerBackend("cpu", () => new MathBackendCPU())
  // no advice on the console to install tfjs-node
  tf.enableProdMode()
  await tf.setBackend("cpu")
  return tf
}

export interface Sizes {
  readonly size: number
  readonly classes: number
  readonly channels?: number
}

/** A network of the given layers; throws when they make none. */
export const networkOf = (layers: ReadonlyArray<Layer>, sizes: Sizes): NetworkShape => {
  const [first, ...rest] = layers
  return Result.getOrThrow(Network.resolve({ name: "test", layers: [first!, ...rest] }, { channels: 3, ...sizes }))
}

export const conv = (filters: number, kernel = 3, padding: "valid" | "same" = "valid"): Layer => ({
  type: "conv",
  filters,
  kernel,
  stride: 1,
  padding
})
export const batchNorm: Layer = { type: "batchNorm", epsilon: 1e-5, momentum: 0.1 }
export const relu: Layer = { type: "relu" }
export const pool: Layer = { type: "maxPool", size: 2 }
export const dense = (units: number | "classes"): Layer => ({ type: "dense", units })

export const mean = [0.485, 0.456, 0.406]
export const std = [0.229, 0.224, 0.225]

const normalization = ({ channels }: NetworkShape) => ({ mean: mean.slice(0, channels), std: std.slice(0, channels) })

/** The gradient is what one step of this takes away. */
export const plainSgd: Optimizer = { kind: "sgd", learningRate: 1, weightDecay: 0 }

export interface Make {
  readonly shape: NetworkShape
  readonly optimizer: Optimizer
  readonly batchSize: number
  readonly loss?: Loss
}

/** A mark for each channel or unit of the blocks with a ReLU. */
export const marksFor = (shape: NetworkShape): Map<string, Uint8Array> =>
  new Map(
    shape.blocks
      .filter((block) => block.relu)
      .map((block) => [block.name, new Uint8Array(block.kind === "conv" ? block.filters : block.units)])
  )

export const nativeProgram = async (
  make: Make,
  options: { readonly threads?: number; readonly isa?: string; readonly precision?: Precision } = {}
): Promise<Program> => {
  const { threads = 2, isa = "", precision = "fp32" } = options
  return makeNativeProgram(await addon(), { ...make, ...normalization(make.shape) }, threads, precision, isa)
}

export const cpuProgram = async (make: Make): Promise<Program> =>
  new TfProgram(await cpuTf(), { ...make, ...normalization(make.shape) })

/** Instruction sets that this machine can run, best first. */
export const instructionSets = async (): Promise<ReadonlyArray<string>> => {
  const best = (await addon()).info().isa
  const all = ["avx512", "avx2", "base"]
  return all.slice(all.indexOf(best))
}

/** Random values, also where training starts with ones and zeros, and gammas of both signs. */
export const randomValue = (shape: NetworkShape, parameter: Parameter, seed: number): Float32Array => {
  const random = Random.make(seed, parameter.name)
  const n = parameter.shape.reduce((a, b) => a * b, 1)
  switch (parameter.role) {
    case "gamma":
      return Float32Array.from({ length: n }, () => random.between(0.5, 1.5) * (random.float() < 0.3 ? -1 : 1))
    case "beta":
    case "runningMean":
      return Float32Array.from({ length: n }, () => random.between(-0.5, 0.5))
    case "runningVariance":
      return Float32Array.from({ length: n }, () => random.between(0.5, 2))
    default:
      return Network.initialValue(shape, parameter, seed)
  }
}

export const fillRandom = (program: Program, shape: NetworkShape, seed: number): void => {
  for (const parameter of parametersOf(shape)) program.write("value", parameter, randomValue(shape, parameter, seed))
}

export const randomPixels = (n: number, shape: NetworkShape, seed: number): Uint8Array => {
  const random = Random.make(seed, "pixels")
  return Uint8Array.from({ length: n * shape.size * shape.size * shape.channels }, () => random.int(256))
}

export const randomLabels = (n: number, classes: number, seed: number): Int32Array => {
  const random = Random.make(seed, "labels")
  return Int32Array.from({ length: n }, () => random.int(classes))
}

/** Largest difference, relative to the largest magnitude of `expected` (at least `floor`). */
export const relativeError = (actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 1e-30): number => {
  let difference = 0
  let scale = floor
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i]! - expected[i]!)
    if (!(d <= difference)) difference = d
    scale = Math.max(scale, Math.abs(expected[i]!))
  }
  return difference / scale
}

/** L2 norm of the difference over the L2 norm of `expected`. */
export const normError = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  let difference = 0
  let scale = 0
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2
    scale += expected[i]! ** 2
  }
  return Math.sqrt(difference / Math.max(scale, 1e-60))
}

/** An optimizer with all that one may have. */
export const momentum: Optimizer = { kind: "sgd", learningRate: 0.05, weightDecay: 1e-3, momentum: 0.9 }

/** Which units of dense layers stay, where there is dropout. */
const masksFor = (shape: NetworkShape, n: number, seed: number): StepInput["dropoutMasks"] => {
  const random = Random.make(seed, "mask")
  const masks = new Map<string, Uint8Array>()
  for (const b of shape.blocks) {
    if (b.kind === "dense" && b.dropout > 0) {
      masks.set(
        b.name,
        Uint8Array.from({ length: n * b.units }, () => (random.float() < 0.6 ? 1 : 0))
      )
    }
  }
  return masks
}

/** What a program makes of a network: everything that can be read of it. */
export interface Outcome {
  readonly losses: ReadonlyArray<number>
  readonly norms: ReadonlyArray<number>
  readonly tensors: ReadonlyMap<string, Float32Array>
  readonly logits: Float32Array
  readonly alive: ReadonlyMap<string, Uint8Array>
}

/** Two steps from random weights, then inference. */
export const trained = async (program: Program, shape: NetworkShape, n: number, rate: number): Promise<Outcome> => {
  fillRandom(program, shape, 5)
  const losses: Array<number> = []
  const norms: Array<number> = []
  for (const step of [0, 1]) {
    const result = await program.step({
      pixels: randomPixels(n, shape, step),
      labels: randomLabels(n, shape.classes, step),
      learningRate: rate,
      dropoutMasks: masksFor(shape, n, step)
    })
    losses.push(result.loss)
    norms.push(...shape.blocks.map((b) => result.gradientNorms[b.name]!))
  }
  const tensors = new Map<string, Float32Array>()
  for (const p of parametersOf(shape)) tensors.set(p.name, await program.read("value", p))
  const alive = marksFor(shape)
  const logits = await program.predict(randomPixels(n, shape, 9), n, alive)
  program.dispose()
  return { losses, norms, tensors, logits, alive }
}
