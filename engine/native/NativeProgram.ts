/**
 * A network in the addon: whole training steps and inferences as single native calls. See src/program.h.
 *
 * Gotchas: it covers stacks of stride-1 convolutions with 2 x 2 pooling and dense layers (`supports`); other networks
 * run in TensorFlow.js on `NativeBackend`.
 */

import * as fs from "node:fs"
import * as os from "node:os"
import { EngineOutOfMemory, type Precision } from "../Identity.ts"
import type {
  Alive,
  Block,
  NetworkShape,
  Parameter,
  Program,
  ProgramOptions,
  Slot,
  StepInput,
  StepOutput
} from "../Program.ts"
import type { AddonExports, ProgramHandle } from "./Addon.ts"

/** Whether the addon can run a network by itself. */
export const supports = (shape: NetworkShape): boolean =>
  shape.blocks[0]?.kind === "conv" &&
  shape.channels <= 16 &&
  shape.blocks.every(
    (block) => block.kind === "dense" || (block.stride === 1 && block.pool === 2 && block.kernel <= 15)
  )

const blockNumbers = (block: Block): ReadonlyArray<number> =>
  block.kind === "conv"
    ? [
        1,
        block.inputSize,
        block.inputChannels,
        block.filters,
        block.kernel,
        block.padBefore,
        block.padAfter,
        block.convSize,
        block.pool,
        block.outputSize,
        block.norm === null ? 0 : 1,
        block.relu ? 1 : 0,
        block.norm?.epsilon ?? 0,
        block.norm?.momentum ?? 0
      ]
    : [
        0,
        block.inputs,
        block.units,
        block.relu ? 1 : 0,
        block.dropout,
        block.flattens?.[0] ?? 0,
        block.flattens?.[2] ?? 0
      ]

/** The order that decodeSpec in src/addon.cpp reads. */
const encodeSpec = (options: ProgramOptions, threads: number, precision: Precision): Float64Array => {
  const { shape, optimizer, mean, std } = options
  const adam = optimizer.kind === "adam"
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
    shape.blocks.length,
    ...shape.blocks.flatMap(blockNumbers)
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

  constructor(addon: AddonExports, handle: ProgramHandle, shape: NetworkShape) {
    this.#addon = addon
    this.#handle = handle
    this.#shape = shape
  }

  async step(input: StepInput): Promise<StepOutput> {
    const masks = this.#shape.blocks.map((block) => input.dropoutMasks.get(block.name) ?? null)
    const { loss, correct, squares } = await this.#addon.step(
      this.#handle,
      input.pixels,
      input.labels,
      input.learningRate,
      masks
    )
    const gradientNorms = Object.fromEntries(this.#shape.blocks.map((block, i) => [block.name, Math.sqrt(squares[i]!)]))
    return { loss, correct, gradientNorms }
  }

  predict(pixels: Uint8Array, n: number, alive?: Alive): Promise<Float32Array> {
    const marks = this.#shape.blocks.map((block) => alive?.get(block.name) ?? null)
    return this.#addon.predict(this.#handle, pixels, n, new Float32Array(n * this.#shape.classes), marks)
  }

  async read(slot: Slot, parameter: Parameter, into?: Float32Array): Promise<Float32Array> {
    const data = into ?? new Float32Array(parameter.shape.reduce((n, d) => n * d, 1))
    this.#addon.read(this.#handle, parameter.block, roles.indexOf(parameter.role), slots.indexOf(slot), data)
    return data
  }

  write(slot: Slot, parameter: Parameter, data: Float32Array): void {
    this.#addon.write(this.#handle, parameter.block, roles.indexOf(parameter.role), slots.indexOf(slot), data)
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
