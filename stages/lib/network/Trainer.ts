/**
 * Training and inference of a network: uint8 images and labels in, losses, logits and named weights out. Stages use
 * this module and not the engine's programs.
 *
 * Gotchas: one call at a time. `step` runs off the event loop where the engine can, so the next batch can be read
 * meanwhile. Dropout masks depend on the seed, the layer, the epoch and the batch, so a resumed training has those of
 * an uninterrupted one.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  type Alive,
  type Block,
  type Engine,
  EngineError,
  EngineOutOfMemory,
  isTrainable,
  type Loss,
  type Optimizer,
  type Parameter,
  type Program
} from "../../../engine/index.ts"
import type { NetworkSpec } from "../../../schemas/Network.ts"
import { messageOf } from "../Failure.ts"
import * as Random from "../Random.ts"
import * as Safetensors from "../tables/Safetensors.ts"
import { checkFinite, Diverged, nonFinite } from "./Diverged.ts"
import * as Network from "./Network.ts"

export interface TrainerOptions extends Network.InputShape {
  readonly spec: NetworkSpec
  /** Seeds the initial weights and dropout. */
  readonly seed: number
  readonly optimizer: Optimizer
  /** Default `crossEntropy`. */
  readonly loss?: Loss
  /** Per channel, of pixels scaled to 0..1. */
  readonly mean: ReadonlyArray<number>
  readonly std: ReadonlyArray<number>
  /** The largest batch that `step` and `predict` are given; `predict` splits larger ones. Default 32. */
  readonly batchSize?: number
}

/** For inference: never used, and its moments are not allocated before a first step. */
export const noOptimizer: Optimizer = { kind: "sgd", learningRate: 1, weightDecay: 0, momentum: 0 }

export interface Batch {
  /** n * size * size * channels, NHWC. */
  readonly pixels: Uint8Array
  /** n class indices. */
  readonly labels: Int32Array
}

export interface StepOptions {
  readonly learningRate: number
  readonly epoch: number
  readonly batchIndex: number
}

export interface StepResult {
  /** Mean loss of the batch. */
  readonly loss: number
  readonly correct: number
  /** Layer name (conv1 ... fc2) -> L2 norm of the loss gradient with respect to its weights, without the L2 term. */
  readonly gradientNorms: Readonly<Record<string, number>>
}

/** A state that belongs to another network or optimizer, or a batch of the wrong size. */
export class TrainerMismatch extends Schema.TaggedError<TrainerMismatch>()("TrainerMismatch", {
  what: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `${this.what}: expected ${this.expected}, but ${this.actual}. Give what belongs to this network.`
  }
}

export type EngineFailure = EngineError | EngineOutOfMemory
export type LoadFailure = EngineFailure | TrainerMismatch | Safetensors.SafetensorsError

export interface Trainer {
  /** What a user should know before it trains. */
  readonly notice: Option.Option<string>
  /** Names of the layers that have weights, first to last. */
  readonly layers: ReadonlyArray<string>
  readonly step: (
    batch: Batch,
    options: StepOptions
  ) => Effect.Effect<StepResult, Diverged | TrainerMismatch | EngineFailure>
  /**
   * Logits, n x classes row-major, with running statistics and without dropout. Any n. Marks in `alive` the channels
   * and units that these images activate.
   */
  readonly predict: (
    pixels: Uint8Array,
    n: number,
    alive?: Alive
  ) => Effect.Effect<Float32Array, TrainerMismatch | EngineFailure>
  /** Marks for each channel or unit of each layer with a ReLU, none of them alive yet. */
  readonly nothingAlive: () => Alive
  /** In PyTorch's names, layouts and order, `num_batches_tracked` included. */
  readonly saveWeights: () => Effect.Effect<ReadonlyArray<Safetensors.NamedTensor>, EngineFailure>
  readonly loadWeights: (tensors: ReadonlyArray<Safetensors.NamedTensor>) => Effect.Effect<void, LoadFailure>
  /**
   * Weights, optimizer moments and step count: all that a resumed training needs to give the same bits. Valid until the
   * next call.
   */
  readonly saveState: () => Effect.Effect<Uint8Array, EngineFailure>
  /**
   * Layer name -> L2 norm of the last optimizer step on the layer's weights over that of the weights before it, the L2
   * term included. Computed from the moments of the state that `saveState` gave last, so that no copy of the weights is
   * needed.
   */
  readonly updateRatios: (learningRate: number) => Readonly<Record<string, number>>
  /** A value of the state that `saveState` gave last which is not finite, by the name of its tensor. */
  readonly nonFinite: () => Option.Option<readonly [tensor: string, value: number]>
  readonly loadState: (state: Uint8Array) => Effect.Effect<void, LoadFailure>
}

interface Context {
  readonly engine: Engine
  readonly options: TrainerOptions
  readonly shape: ReturnType<typeof Network.resolve> extends Result.Result<infer A, infer _E> ? A : never
  readonly parameters: ReadonlyArray<Parameter>
  readonly program: Program
  readonly batchSize: number
  /** The buffer of `saveState`, made once and used each time: a few hundred megabytes would cost page faults. */
  readonly state: () => Safetensors.Layout
}

const engineFailure = (engine: string, cause: unknown): EngineFailure =>
  cause instanceof EngineError || cause instanceof EngineOutOfMemory
    ? cause
    : new EngineError({
        engine,
        expected: "the computation to succeed",
        actual: messageOf(cause),
        toDo: "Run `op-pipe doctor`, or try `--engine cpu`.",
        cause
      })

const attempt = <A>(context: Context, run: () => Promise<A>): Effect.Effect<A, EngineFailure> =>
  Effect.tryPromise({ try: run, catch: (cause) => engineFailure(context.engine.identity.name, cause) })

const checkPixels = (context: Context, pixels: Uint8Array, n: number): TrainerMismatch | undefined => {
  const { size, channels } = context.options
  const expected = n * size * size * channels
  if (n >= 1 && pixels.length === expected) return undefined
  return new TrainerMismatch({
    what: "pixels",
    expected: n < 1 ? "at least one image" : `${expected} bytes for ${n} images`,
    actual: n < 1 ? `there are ${n}` : `there are ${pixels.length}`
  })
}

const checkBatch = (context: Context, batch: Batch): TrainerMismatch | undefined => {
  const n = batch.labels.length
  const { classes } = context.options
  const outside = batch.labels.find((label) => label < 0 || label >= classes)
  if (outside !== undefined) {
    return new TrainerMismatch({ what: "labels", expected: `0 to ${classes - 1}`, actual: `one is ${outside}` })
  }
  if (n > context.batchSize) {
    return new TrainerMismatch({
      what: "batch",
      expected: `at most ${context.batchSize} images`,
      actual: `there are ${n}`
    })
  }
  return checkPixels(context, batch.pixels, n)
}

/** For each dense layer with dropout: 1 keeps a value, 0 drops it. */
const dropoutMasks = (context: Context, n: number, at: StepOptions): ReadonlyMap<string, Uint8Array> => {
  const masks = new Map<string, Uint8Array>()
  for (const block of context.shape.blocks) {
    if (block.kind !== "dense" || block.dropout === 0) continue
    const { uint32 } = Random.make(context.options.seed, "dropout", block.name, at.epoch, at.batchIndex)
    const threshold = Math.round(block.dropout * 4294967296)
    const mask = new Uint8Array(n * block.units)
    for (let i = 0; i < mask.length; i++) mask[i] = uint32() >= threshold ? 1 : 0
    masks.set(block.name, mask)
  }
  return masks
}

/** One value has no variance: batch normalization would make NaN of it, unnoticed until the running statistics are used. */
const checkNorms = ({ shape }: Context, n: number, at: StepOptions): Diverged | undefined => {
  const found = shape.blocks.find(
    (block) => block.kind === "conv" && block.norm !== null && n * block.convSize ** 2 < 2
  )
  if (found?.kind !== "conv" || found.norm === null) return undefined
  return new Diverged({
    ...at,
    what: `variance of ${found.norm.name}, over one image of 1 x 1`,
    actual: Number.NaN,
    toDo: "Choose a batch size that leaves no batch of one image (train.batchSize), or larger images."
  })
}

const step = Effect.fnUntraced(function* (context: Context, batch: Batch, at: StepOptions) {
  const problem = checkBatch(context, batch) ?? checkNorms(context, batch.labels.length, at)
  if (problem !== undefined) return yield* problem
  const masks = dropoutMasks(context, batch.labels.length, at)
  const result = yield* attempt(context, () =>
    context.program.step({ ...batch, learningRate: at.learningRate, dropoutMasks: masks })
  )
  const norms = Object.entries(result.gradientNorms).map(
    ([layer, norm]) => [`gradient norm of ${layer}`, norm] as const
  )
  yield* checkFinite({ loss: result.loss, ...Object.fromEntries(norms) }, at)
  return result
})

const predict = Effect.fnUntraced(function* (context: Context, pixels: Uint8Array, n: number, alive?: Alive) {
  const problem = checkPixels(context, pixels, n)
  if (problem !== undefined) return yield* problem
  const { classes } = context.options
  const perImage = pixels.length / n
  const logits = new Float32Array(n * classes)
  for (let from = 0; from < n; from += context.batchSize) {
    const count = Math.min(context.batchSize, n - from)
    const part = pixels.subarray(from * perImage, (from + count) * perImage)
    logits.set(yield* attempt(context, () => context.program.predict(part, count, alive)), from * classes)
  }
  return logits
})

type Slot = "value" | "moment1" | "moment2"

const saveWeights = Effect.fnUntraced(function* (context: Context) {
  const tensors: Array<Safetensors.NamedTensor> = []
  for (const parameter of context.parameters) {
    const { name, shape } = parameter
    const data = yield* attempt(context, () => context.program.read("value", parameter))
    tensors.push({ name, shape, dtype: "F32", data })
    if (parameter.role === "runningVariance") {
      const counter = `${name.slice(0, -"running_var".length)}num_batches_tracked`
      const count = BigInt64Array.of(BigInt(context.program.stepCount))
      tensors.push({ name: counter, shape: [], dtype: "I64", data: count })
    }
  }
  return tensors
})

const writeAll = Effect.fnUntraced(function* (
  context: Context,
  slot: Slot,
  tensors: ReadonlyArray<Safetensors.NamedTensor>
) {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const prefix = slot === "value" ? "" : `${slot}.`
  for (const parameter of context.parameters) {
    if (slot !== "value" && !isTrainable(parameter)) continue
    const tensor = byName.get(`${prefix}${parameter.name}`)
    const expected = `F32 of ${parameter.shape.join(" x ")}`
    if (tensor === undefined || tensor.dtype !== "F32" || tensor.shape.join() !== parameter.shape.join()) {
      const actual = tensor === undefined ? "it is missing" : `it is ${tensor.dtype} of ${tensor.shape.join(" x ")}`
      return yield* new TrainerMismatch({ what: `${prefix}${parameter.name}`, expected, actual })
    }
    const { data } = tensor
    yield* Effect.try({
      try: () => context.program.write(slot, parameter, data),
      catch: (cause) => engineFailure(context.engine.identity.name, cause)
    })
  }
  return byName
})

const loadWeights = Effect.fnUntraced(function* (context: Context, tensors: ReadonlyArray<Safetensors.NamedTensor>) {
  const byName = yield* writeAll(context, "value", tensors)
  for (const [name, tensor] of byName) {
    if (name.endsWith("num_batches_tracked") && tensor.dtype === "I64")
      context.program.stepCount = Number(tensor.data[0])
  }
})

const stepCountName = "optimizer.step"

/** The tensors of a state and the slot of each. */
const stateOf = (context: Pick<Context, "options" | "parameters">) => {
  const slots: ReadonlyArray<Slot> =
    context.options.optimizer.kind === "adam" ? ["value", "moment1", "moment2"] : ["value", "moment1"]
  return slots.flatMap((slot) =>
    context.parameters
      .filter((parameter) => slot === "value" || isTrainable(parameter))
      .map((parameter) => ({ slot, parameter, name: slot === "value" ? parameter.name : `${slot}.${parameter.name}` }))
  )
}

const stateLayout = (context: Pick<Context, "options" | "parameters">): Safetensors.Layout => {
  const specs = stateOf(context).map(({ name, parameter }) => ({ name, shape: parameter.shape, dtype: "F32" as const }))
  const counter = { name: stepCountName, shape: [], dtype: "I64" as const }
  return Safetensors.layout([counter, ...specs], { optimizer: context.options.optimizer.kind })
}

/** The change of a weight by the optimizer's step number `steps`, from the moments after it; see `Optimizer`. */
const changeOf = (optimizer: Optimizer, rate: number, steps: number): ((m: number, v: number) => number) => {
  if (optimizer.kind === "sgd") return (m) => rate * m
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = optimizer
  const scaled = rate / (1 - beta1 ** steps)
  const rootScale = 1 / Math.sqrt(1 - beta2 ** steps)
  return (m, v) => (scaled * m) / (Math.sqrt(v) * rootScale + epsilon)
}

const saveState = Effect.fnUntraced(function* (context: Context) {
  const { bytes, tensors } = context.state()
  for (const tensor of tensors) {
    if (tensor.dtype === "I64") tensor.data[0] = BigInt(context.program.stepCount)
  }
  for (const [i, { slot, parameter }] of stateOf(context).entries()) {
    const { data } = tensors[i + 1]!
    if (data instanceof Float32Array) yield* attempt(context, () => context.program.read(slot, parameter, data))
  }
  return bytes
})

const updateRatios = (context: Context, learningRate: number): Readonly<Record<string, number>> => {
  const { tensors } = context.state()
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor.data]))
  const change = changeOf(context.options.optimizer, learningRate, context.program.stepCount)
  const ratios: Record<string, number> = {}
  for (const { name, role, block } of context.parameters) {
    if (role !== "weight") continue
    const of = (slot: string): Float32Array => byName.get(slot) as Float32Array
    const [value, moment1] = [of(name), of(`moment1.${name}`)]
    const moment2 = context.options.optimizer.kind === "adam" ? of(`moment2.${name}`) : moment1
    let [changed, before] = [0, 0]
    for (let i = 0; i < value.length; i++) {
      const step = change(moment1[i]!, moment2[i]!)
      changed += step * step
      before += (value[i]! + step) ** 2
    }
    ratios[context.shape.blocks[block]!.name] = before === 0 ? 0 : Math.sqrt(changed / before)
  }
  return ratios
}

const loadState = Effect.fnUntraced(function* (context: Context, state: Uint8Array) {
  const decoded = Safetensors.decode(state)
  if (Result.isFailure(decoded)) return yield* decoded.failure
  yield* writeAll(context, "value", decoded.success)
  yield* writeAll(context, "moment1", decoded.success)
  if (context.options.optimizer.kind === "adam") yield* writeAll(context, "moment2", decoded.success)
  const stepCount = decoded.success.find((tensor) => tensor.name === stepCountName)
  if (stepCount?.dtype !== "I64") {
    return yield* new TrainerMismatch({ what: stepCountName, expected: "an I64 scalar", actual: "it is missing" })
  }
  context.program.stepCount = Number(stepCount.data[0])
})

const marksOf = (block: Block): ReadonlyArray<readonly [string, Uint8Array]> =>
  block.relu ? [[block.name, new Uint8Array(block.kind === "conv" ? block.filters : block.units)]] : []

/**
 * A network in an engine's memory, initialised from the seed; freed when the scope closes. Fails with `NetworkError`
 * when the spec makes no network at this size, and with `EngineOutOfMemory` before anything is allocated.
 */
export const make: (
  engine: Engine,
  options: TrainerOptions
) => Effect.Effect<Trainer, Network.NetworkError | EngineFailure, Scope.Scope> = Effect.fnUntraced(
  function* (engine, options) {
    const resolved = Network.resolve(options.spec, options)
    if (Result.isFailure(resolved)) return yield* resolved.failure
    const shape = resolved.success
    const batchSize = options.batchSize ?? 32
    const { optimizer, mean, std, channels, loss = "crossEntropy" } = options
    if (mean.length !== channels || std.length !== channels) {
      return yield* new Network.NetworkError({
        network: options.spec.name,
        layer: "the input",
        expected: `${channels} means and standard deviations, one per channel`,
        actual: `there are ${mean.length} and ${std.length}`,
        toDo: "Give one of each per channel."
      })
    }
    const program = yield* Effect.acquireRelease(
      engine.program({ shape, optimizer, loss, mean, std, batchSize }),
      (made) => Effect.sync(() => made.dispose())
    )
    const parameters = Network.parametersOf(shape)
    let state: Safetensors.Layout | undefined
    const context: Context = {
      engine,
      options,
      shape,
      parameters,
      program,
      batchSize,
      state: () => (state ??= stateLayout({ options, parameters }))
    }
    yield* Effect.try({
      try: () => {
        for (const parameter of parameters) {
          program.write("value", parameter, Network.initialValue(shape, parameter, options.seed))
        }
      },
      catch: (cause) => engineFailure(engine.identity.name, cause)
    })
    return {
      notice: Option.fromUndefinedOr(program.notice),
      layers: Network.weightLayers(shape),
      step: (batch, at) => step(context, batch, at),
      predict: (pixels, n, alive) => predict(context, pixels, n, alive),
      nothingAlive: () => new Map(shape.blocks.flatMap(marksOf)),
      saveWeights: () => saveWeights(context),
      loadWeights: (tensors) => loadWeights(context, tensors),
      saveState: () => saveState(context),
      updateRatios: (rate) => updateRatios(context, rate),
      nonFinite: () => nonFinite(context.state().tensors),
      loadState: (state) => loadState(context, state)
    }
  }
)
