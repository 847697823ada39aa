/**
 * A network in the addon: whole training steps and inferences as single native calls. See src/program.h.
 *
 * Gotchas: `unsupported` says what it does not cover; such networks run in TensorFlow.js on `NativeBackend`. An average
 * pooling is a layer of its own in the addon, so its layers are not the network's blocks (`layersOf`).
 */

import * as fs from "node:fs"
import * as os from "node:os"
import { EngineOutOfMemory, type Precision } from "../Identity.ts"
import type {
  Alive,
  Block,
  ConvBlock,
  DenseBlock,
  NetworkShape,
  Parameter,
  Pool,
  Program,
  ProgramOptions,
  Slot,
  StepInput,
  StepOutput
} from "../Program.ts"
import type { AddonExports, ProgramHandle } from "./Addon.ts"

/** The longest sides of windows; see src/kernels.h. */
const [maxKernel, maxWindow] = [32, 15]

const notFor = (block: Block, first: boolean, precision: Precision): string | undefined => {
  if (block.kind === "dense") return first ? `${block.name}, a dense layer on the pixels` : undefined
  const { name, kernel, stride, depthwise, pool } = block
  if (kernel > maxKernel) return `${name}, whose window is ${kernel} x ${kernel} (at most ${maxKernel})`
  if (first && depthwise) return `${name}, a depthwise convolution of the pixels`
  if (pool?.kind === "max" && pool.size > maxWindow)
    return `the max pooling after ${name}, of ${pool.size} x ${pool.size} (at most ${maxWindow})`
  const halves = pool?.kind === "max" && pool.size === 2 && pool.stride === 2 && pool.padBefore + pool.padAfter === 0
  return precision === "bf16" && (stride > 1 || depthwise || !halves)
    ? `${name}, which is not a convolution of stride 1 with max pooling of 2 x 2, in bf16`
    : undefined
}

/** The first thing in a network that the addon cannot run by itself; undefined when it can run all of it. */
export const unsupported = ({ blocks, channels }: NetworkShape, precision: Precision): string | undefined =>
  channels > 16
    ? `images of ${channels} channels`
    : blocks.map((block, i) => notFor(block, i === 0, precision)).find((each) => each !== undefined)

const convNumbers = (block: ConvBlock): ReadonlyArray<number> => {
  const max = block.pool?.kind === "max" ? block.pool : { size: 1, stride: 1, padBefore: 0 }
  return [
    1,
    block.inputSize,
    block.inputChannels,
    block.filters,
    block.depthwise ? 1 : 0,
    block.kernel,
    block.stride,
    block.padBefore,
    block.padAfter,
    block.convSize,
    max.size,
    max.stride,
    max.padBefore,
    block.pool?.kind === "average" ? block.convSize : block.outputSize,
    block.norm === null ? 0 : 1,
    block.relu ? 1 : 0,
    block.norm?.epsilon ?? 0,
    block.norm?.momentum ?? 0
  ]
}

const averageNumbers = ({ convSize, filters, outputSize }: ConvBlock, pool: Pool): ReadonlyArray<number> => [
  ...[2, convSize, filters, filters, 0, 1, 1, 0, 0, convSize],
  ...[pool.size, pool.stride, pool.padBefore, outputSize, 0, 0, 0, 0]
]

const denseNumbers = (block: DenseBlock): ReadonlyArray<number> => [
  0,
  block.inputs,
  block.units,
  block.relu ? 1 : 0,
  block.dropout,
  block.flattens?.[0] ?? 0,
  block.flattens?.[2] ?? 0
]

/** The addon's layers: the numbers of each, and the block whose weights it holds; null for an average pooling. */
const layersOf = (
  shape: NetworkShape
): ReadonlyArray<{ readonly block: number | null; readonly numbers: ReadonlyArray<number> }> =>
  shape.blocks.flatMap((each, block) => {
    if (each.kind === "dense") return [{ block, numbers: denseNumbers(each) }]
    const conv = { block, numbers: convNumbers(each) }
    return each.pool?.kind === "average" ? [conv, { block: null, numbers: averageNumbers(each, each.pool) }] : [conv]
  })

/** The order that decodeSpec in src/addon.cpp reads. */
const encodeSpec = (options: ProgramOptions, threads: number, precision: Precision): Float64Array => {
  const { shape, optimizer, mean, std } = options
  const adam = optimizer.kind === "adam"
  const layers = layersOf(shape)
  return Float64Array.from([
    shape.size,
    shape.channels,
    shape.classes,
    options.batchSize,
    threads,
    precision === "bf16" ? 1 : 0,
    adam ? 0 : 1,
    adam ? (optimizer.beta1 ?? 0.9) : (optimizer.momentum ?? 0),
    adam ? (optimizer.beta2 ?? 0.999) : 0,
    adam ? (optimizer.epsilon ?? 1e-8) : 0,
    optimizer.weightDecay,
    options.loss === "sparsemax" ? 1 : 0,
    ...std.map((s) => 1 / (255 * s)),
    ...mean.map((m, c) => -m / std[c]!),
    layers.length,
    ...layers.flatMap(({ numbers }) => numbers)
  ])
}

const roles: ReadonlyArray<Parameter["role"]> = ["weight", "bias", "gamma", "beta", "runningMean", "runningVariance"]
const slots: ReadonlyArray<Slot> = ["value", "moment1", "moment2"]

/** Bytes that are available without swapping, as the kernel estimates them, within the container's limit. */
const availableBytes = (): number => {
  let available = os.freemem()
  try {
    const line = /^MemAvailable:\s+(\d+) kB/mu.exec(fs.readFileSync("/proc/meminfo", "utf8"))
    if (line !== null) available = Number(line[1]) * 1024
  } catch {
    // not Linux: what os says
  }
  const limit = process.constrainedMemory()
  return limit > 0 && limit < 2 ** 50 ? Math.min(available, limit - process.memoryUsage.rss()) : available
}

class NativeProgram implements Program {
  readonly #addon: AddonExports
  readonly #handle: ProgramHandle
  readonly #shape: NetworkShape
  /** By layer of the addon: the block, or null. */
  readonly #blocks: ReadonlyArray<Block | null>
  /** By block: the layer that holds its weights. */
  readonly #layers: ReadonlyArray<number>

  constructor(addon: AddonExports, handle: ProgramHandle, shape: NetworkShape) {
    this.#addon = addon
    this.#handle = handle
    this.#shape = shape
    const layers = layersOf(shape)
    this.#blocks = layers.map(({ block }) => (block === null ? null : shape.blocks[block]!))
    this.#layers = shape.blocks.map((_, block) => layers.findIndex((layer) => layer.block === block))
  }

  #byLayer<A>(of: ReadonlyMap<string, A> | undefined): ReadonlyArray<A | null> {
    return this.#blocks.map((block) => (block === null ? null : (of?.get(block.name) ?? null)))
  }

  async step(input: StepInput): Promise<StepOutput> {
    const { loss, correct, squares } = await this.#addon.step(
      this.#handle,
      input.pixels,
      input.labels,
      input.learningRate,
      this.#byLayer(input.dropoutMasks)
    )
    const gradientNorms = Object.fromEntries(
      this.#shape.blocks.map((block, i) => [block.name, Math.sqrt(squares[this.#layers[i]!]!)])
    )
    return { loss, correct, gradientNorms }
  }

  predict(pixels: Uint8Array, n: number, alive?: Alive): Promise<Float32Array> {
    const logits = new Float32Array(n * this.#shape.classes)
    return this.#addon.predict(this.#handle, pixels, n, logits, this.#byLayer(alive))
  }

  async read(slot: Slot, parameter: Parameter, into?: Float32Array): Promise<Float32Array> {
    const data = into ?? new Float32Array(parameter.shape.reduce((n, d) => n * d, 1))
    const layer = this.#layers[parameter.block]!
    this.#addon.read(this.#handle, layer, roles.indexOf(parameter.role), slots.indexOf(slot), data)
    return data
  }

  write(slot: Slot, parameter: Parameter, data: Float32Array): void {
    const layer = this.#layers[parameter.block]!
    this.#addon.write(this.#handle, layer, roles.indexOf(parameter.role), slots.indexOf(slot), data)
  }

  get stepCount(): number {
    return this.#addon.steps(this.#handle)
  }

  set stepCount(n: number) {
    this.#addon.steps(this.#handle, n)
  }

  /** Seconds by phase since the last call; for the benchmark. */
  profile(): Readonly<Record<string, number>> {
    return this.#addon.profile(this.#handle)
  }

  dispose(): void {
    this.#addon.dispose(this.#handle)
  }
}

export type { NativeProgram }

/**
 * Makes a program, or throws `EngineOutOfMemory` before anything is mapped. `isa` is "" for the best of this machine,
 * or "avx2" or "base" (tests and comparisons).
 */
export const makeNativeProgram = (
  addon: AddonExports,
  options: ProgramOptions,
  threads: number,
  precision: Precision = "fp32",
  isa = ""
): NativeProgram => {
  const spec = encodeSpec(options, threads, precision)
  const requestedBytes = addon.plan(spec, isa)
  const available = availableBytes()
  const purpose = `the network at ${options.shape.size} x ${options.shape.size} with batches of ${options.batchSize}`
  if (requestedBytes > available) {
    throw new EngineOutOfMemory({ engine: "native", purpose, requestedBytes, availableBytes: available })
  }
  try {
    return new NativeProgram(addon, addon.create(spec, isa), options.shape)
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOMEM") {
      throw new EngineOutOfMemory({ engine: "native", purpose, requestedBytes, availableBytes: available })
    }
    throw cause
  }
}
