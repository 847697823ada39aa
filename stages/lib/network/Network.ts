/**
 * Networks: the two presets, the shape of a spec at a given image size (names, sizes, parameters), the layer table as
 * torchsummary prints it, and the initialisation.
 *
 * Gotchas: layers are named as PyTorch users name them, by kind and order (conv1, bn1, fc1). A spec must be a stack of
 * convolutions (each with an optional batchNorm, relu and pooling after it, in that order), then of dense layers (each
 * with an optional relu and dropout). Anything else is a `NetworkError` that names the layer.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Block, NetworkShape, Parameter } from "../../../engine/Program.ts"
import { parametersOf, weightChannels } from "../../../engine/Program.ts"
import type { Layer, NetworkSpec, PresetName } from "../../../schemas/Network.ts"
import * as Random from "../Random.ts"

export interface InputShape {
  /** Height and width of the images, in pixels. */
  readonly size: number
  readonly channels: number
  readonly classes: number
}

/** A spec that is not a network at the given size. `layer` counts from 1, as in the layer table. */
export class NetworkError extends Schema.TaggedError<NetworkError>()("NetworkError", {
  network: Schema.String,
  layer: Schema.String,
  expected: Schema.String,
  actual: Schema.String,
  toDo: Schema.String
}) {
  override get message(): string {
    return `network ${this.network}, ${this.layer}: expected ${this.expected}, but ${this.actual}. ${this.toDo}`
  }
}

const convolution = (filters: number, batchNorm: boolean): ReadonlyArray<Layer> => [
  { type: "conv", filters, kernel: 3, stride: 1, padding: "valid" },
  ...(batchNorm ? ([{ type: "batchNorm", epsilon: 1e-5, momentum: 0.1 }] as const) : []),
  { type: "relu" },
  { type: "maxPool", size: 2 }
]

const dense = (units: number): ReadonlyArray<Layer> => [
  { type: "dense", units },
  { type: "relu" },
  { type: "dropout", rate: 0.4 }
]

const presets: Record<PresetName, { readonly filters: ReadonlyArray<number>; readonly units: ReadonlyArray<number> }> =
  {
    seed: { filters: [16, 32, 64], units: [512] },
    deep: { filters: [16, 32, 64, 128, 256], units: [1024, 512] }
  }

/** A named network, with batch normalization before each ReLU of a convolution or without. */
export const preset = (name: PresetName, options: { readonly batchNorm: boolean }): NetworkSpec => {
  const { filters, units } = presets[name]
  const [first, ...rest] = [
    ...filters.flatMap((n) => convolution(n, options.batchNorm)),
    ...units.flatMap(dense),
    { type: "dense", units: "classes" } as const
  ]
  return { name: `${name}${options.batchNorm ? "-bn" : ""}`, layers: [first!, ...rest] }
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** The layers so far, while a spec is resolved. */
interface Stack {
  readonly blocks: Array<Mutable<Block>>
  size: number
  channels: number
  /** Values per image once flattened; 0 while still an image. */
  flat: number
  /** Types of the layers since the last conv or dense, that one included. */
  seen: Array<Layer["type"]>
}

/** Undefined: the layer fits. */
type Problem = { readonly expected: string; readonly actual: string; readonly toDo: string } | undefined

const misplaced = (layer: Layer, after: string): Problem => ({
  expected: `${layer.type} ${after}`,
  actual: "it is not",
  toDo: "Order the layers as conv, batchNorm, relu, maxPool (or another pooling) and dense, relu, dropout."
})

const tooSmall = (need: number, have: number): Problem => ({
  expected: `an input of at least ${need} x ${need}`,
  actual: `it is ${have} x ${have} here`,
  toDo: "Take larger images or fewer layers."
})

/** Where windows lie along one side of an image. TensorFlow's "same": of an odd padding the larger half goes after. */
const windows = (size: number, window: number, stride: number, padding: "valid" | "same") => {
  const outputSize = padding === "same" ? Math.ceil(size / stride) : Math.floor((size - window) / stride) + 1
  const pad = padding === "same" ? Math.max(0, (outputSize - 1) * stride + window - size) : 0
  return { outputSize, padBefore: Math.floor(pad / 2), padAfter: Math.ceil(pad / 2) }
}

const addConv = (stack: Stack, layer: Extract<Layer, { type: "conv" | "depthwiseConv" }>): Problem => {
  if (stack.flat > 0) return misplaced(layer, "before the first dense layer")
  const { kernel, stride, padding } = layer
  const { outputSize, padBefore, padAfter } = windows(stack.size, kernel, stride, padding)
  if (outputSize < 1) return tooSmall(kernel, stack.size)
  const filters = layer.type === "conv" ? layer.filters : stack.channels
  stack.blocks.push({
    kind: "conv",
    name: `conv${stack.blocks.length + 1}`,
    inputSize: stack.size,
    inputChannels: stack.channels,
    filters,
    depthwise: layer.type === "depthwiseConv",
    kernel,
    stride,
    padBefore,
    padAfter,
    convSize: outputSize,
    norm: null,
    relu: false,
    pool: null,
    outputSize
  })
  stack.size = outputSize
  stack.channels = filters
  stack.seen = ["conv"]
  return undefined
}

type PoolLayer = Extract<Layer, { type: "maxPool" | "averagePool" | "globalAveragePool" }>

const isPool = (layer: Layer): layer is PoolLayer =>
  layer.type === "maxPool" || layer.type === "averagePool" || layer.type === "globalAveragePool"

const addPool = (stack: Stack, layer: PoolLayer): Problem => {
  const block = stack.blocks.at(-1)
  if (block?.kind !== "conv" || block.pool !== null)
    return misplaced(layer, "after a conv, its batchNorm or its relu, and the only pooling there")
  const { size, stride = size, padding = "valid" } = layer.type === "globalAveragePool" ? { size: stack.size } : layer
  const { outputSize, padBefore, padAfter } = windows(stack.size, size, stride, padding)
  if (outputSize < 1) return tooSmall(size, stack.size)
  block.pool = { kind: layer.type === "maxPool" ? "max" : "average", size, stride, padBefore, padAfter }
  block.outputSize = outputSize
  stack.size = outputSize
  return undefined
}

const addDense = (stack: Stack, layer: Extract<Layer, { type: "dense" }>, classes: number): Problem => {
  const { size, channels } = stack
  const first = stack.flat === 0
  const units = layer.units === "classes" ? classes : layer.units
  stack.blocks.push({
    kind: "dense",
    name: `fc${stack.blocks.filter((b) => b.kind === "dense").length + 1}`,
    inputs: first ? size * size * channels : stack.flat,
    units,
    relu: false,
    dropout: 0,
    flattens: first ? [size, size, channels] : null
  })
  stack.flat = units
  stack.seen = ["dense"]
  return undefined
}

/** Adds a layer that belongs to the last conv or dense. */
const amend = (stack: Stack, layer: Layer): Problem => {
  const block = stack.blocks.at(-1)
  const has = (type: Layer["type"]): boolean => stack.seen.includes(type)
  if (layer.type === "batchNorm") {
    if (block?.kind !== "conv" || stack.seen.length > 1) return misplaced(layer, "right after a conv")
    block.norm = { name: `bn${stack.blocks.length}`, epsilon: layer.epsilon, momentum: layer.momentum }
  } else if (layer.type === "relu") {
    if (block === undefined || has("relu") || stack.seen.some((type) => type.endsWith("Pool")) || has("dropout"))
      return misplaced(layer, "after conv, batchNorm or dense")
    block.relu = true
  } else if (isPool(layer)) {
    const problem = addPool(stack, layer)
    if (problem !== undefined) return problem
  } else if (layer.type === "dropout") {
    if (block?.kind !== "dense" || has("dropout")) return misplaced(layer, "after a dense layer or its relu")
    block.dropout = layer.rate
  }
  stack.seen.push(layer.type)
  return undefined
}

/** The shape of a spec for given images and classes. */
export const resolve = (spec: NetworkSpec, input: InputShape): Result.Result<NetworkShape, NetworkError> => {
  const stack: Stack = { blocks: [], size: input.size, channels: input.channels, flat: 0, seen: [] }
  for (const [index, layer] of spec.layers.entries()) {
    const problem =
      layer.type === "conv" || layer.type === "depthwiseConv"
        ? addConv(stack, layer)
        : layer.type === "dense"
          ? addDense(stack, layer, input.classes)
          : amend(stack, layer)
    if (problem !== undefined) {
      return Result.fail(
        new NetworkError({ network: spec.name, layer: `layer ${index + 1} (${layer.type})`, ...problem })
      )
    }
  }
  const last = stack.blocks.at(-1)
  if (last?.kind !== "dense" || last.units !== input.classes || last.relu || last.dropout > 0) {
    return Result.fail(
      new NetworkError({
        network: spec.name,
        layer: "the last layer",
        expected: `dense with ${input.classes} units and nothing after it`,
        actual: "it is something else",
        toDo: 'End the stack with { type: "dense", units: "classes" }.'
      })
    )
  }
  return Result.succeed({ ...input, blocks: stack.blocks })
}

/** One line of the layer table. */
export interface LayerRow {
  /** As torchsummary prints it: "Conv2d-1". */
  readonly layer: string
  /** Without the batch dimension, channels first: [16, 222, 222]. */
  readonly outputShape: ReadonlyArray<number>
  readonly parameters: number
}

export interface LayerTable {
  readonly rows: ReadonlyArray<LayerRow>
  readonly totalParameters: number
}

const blockRows = (block: Block): ReadonlyArray<readonly [string, ReadonlyArray<number>, number]> => {
  if (block.kind === "dense") {
    const shape = [block.units]
    return [
      ["Linear", shape, block.units * (block.inputs + 1)],
      ...(block.relu ? ([["ReLU", shape, 0]] as const) : []),
      ...(block.dropout > 0 ? ([["Dropout", shape, 0]] as const) : [])
    ]
  }
  const { filters, convSize, outputSize, kernel, pool } = block
  const shape = [filters, convSize, convSize]
  return [
    ["Conv2d", shape, filters * (weightChannels(block) * kernel * kernel + 1)],
    ...(block.norm !== null ? ([["BatchNorm2d", shape, 2 * filters]] as const) : []),
    ...(block.relu ? ([["ReLU", shape, 0]] as const) : []),
    ...(pool === null
      ? []
      : ([[pool.kind === "max" ? "MaxPool2d" : "AvgPool2d", [filters, outputSize, outputSize], 0]] as const))
  ]
}

/** The rows of the layer table and the number of trainable parameters. */
export const layerTable = (spec: NetworkSpec, input: InputShape): Result.Result<LayerTable, NetworkError> =>
  Result.map(resolve(spec, input), (shape) => {
    const rows = shape.blocks
      .flatMap(blockRows)
      .map(([type, outputShape, parameters], i) => ({ layer: `${type}-${i + 1}`, outputShape, parameters }))
    return { rows, totalParameters: rows.reduce((n, row) => n + row.parameters, 0) }
  })

/** The table as torchsummary prints it. */
export const renderLayerTable = (table: LayerTable): string => {
  const line = (layer: string, shape: string, parameters: string): string =>
    layer.padStart(20) + shape.padStart(27) + parameters.padStart(16)
  const total = table.totalParameters.toLocaleString("en-US")
  return [
    line("Layer (type)", "Output Shape", "Param #"),
    "=".repeat(64),
    ...table.rows.map((r) =>
      line(r.layer, `[${[-1, ...r.outputShape].join(", ")}]`, r.parameters.toLocaleString("en-US"))
    ),
    "=".repeat(64),
    `Total params: ${total}`,
    `Trainable params: ${total}`,
    "Non-trainable params: 0"
  ].join("\n")
}

/**
 * Values of one tensor before training, PyTorch's layout and defaults: Kaiming uniform with a = sqrt 5, which is
 * U(-1/sqrt(fanIn), 1/sqrt(fanIn)), for weights and the same bound for biases (torch.nn.Linear.reset_parameters);
 * ones and zeros for batch normalization. Each tensor has its own stream, named by the seed and the tensor, so that
 * networks that share a layer's name and shape share its first weights.
 */
export const initialValue = (shape: NetworkShape, parameter: Parameter, seed: number): Float32Array => {
  const size = parameter.shape.reduce((n, d) => n * d, 1)
  const out = new Float32Array(size)
  if (parameter.role === "gamma" || parameter.role === "runningVariance") return out.fill(1)
  if (parameter.role === "beta" || parameter.role === "runningMean") return out
  const block = shape.blocks[parameter.block]!
  const fanIn = block.kind === "dense" ? block.inputs : weightChannels(block) * block.kernel * block.kernel
  const bound = 1 / Math.sqrt(fanIn)
  const { uint32 } = Random.make(seed, "init", parameter.name)
  for (let i = 0; i < size; i++) out[i] = (uint32() / 2147483648 - 1) * bound
  return out
}

/** Names of the layers that have weights and a gradient norm, first to last: conv1, ..., fc2. */
export const weightLayers = (shape: NetworkShape): ReadonlyArray<string> => shape.blocks.map((block) => block.name)

export { parametersOf }
