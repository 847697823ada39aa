/**
 * A trained network as a TensorFlow.js layers model: `model.json` and `weights.bin`, as `tf.loadLayersModel` reads
 * them.
 *
 * The model takes pixels as they are (0 to 255, N x size x size x 3) and gives logits: its first layer, a frozen batch
 * normalization, is the normalization of pixels. Names of layers and weights are those of Keras ("conv1/kernel",
 * "bn1/moving_mean").
 *
 * Gotcha: the optimizer's moments are not part of it; the model is for inference, not for further training.
 */
import * as Result from "effect/Result"
import type { Block, NetworkShape, Parameter, Pool } from "../../../engine/Program.ts"
import { fromTorch, tfShape } from "../../../engine/tf/Layouts.ts"
import type { TrainedNetwork } from "../../../schemas/Train.ts"
import * as Safetensors from "../tables/Safetensors.ts"
import * as Network from "./Network.ts"

export interface LayersModel {
  readonly modelJson: string
  readonly weights: Uint8Array
}

export const fileNames = { model: "model.json", weights: "weights.bin" } as const

interface Layer {
  readonly class_name: string
  readonly config: Readonly<Record<string, unknown>>
}

interface Weight {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly data: Float32Array
}

const batchNorm = (name: string, epsilon: number, momentum: number, trainable: boolean): Layer => ({
  class_name: "BatchNormalization",
  config: { name, trainable, axis: 3, momentum, epsilon, center: true, scale: true }
})

const relu = (name: string): Layer => ({ class_name: "Activation", config: { name, activation: "relu" } })

const paddingOf = ({ padBefore, padAfter }: Pick<Pool, "padBefore" | "padAfter">): "same" | "valid" =>
  padBefore + padAfter > 0 ? "same" : "valid"

const poolLayer = (name: string, pool: Pool): Layer => ({
  class_name: pool.kind === "max" ? "MaxPooling2D" : "AveragePooling2D",
  config: {
    name: `${name}_pool`,
    pool_size: [pool.size, pool.size],
    strides: [pool.stride, pool.stride],
    padding: paddingOf(pool),
    data_format: "channels_last"
  }
})

const convLayers = (block: Extract<Block, { kind: "conv" }>): ReadonlyArray<Layer> => {
  const { name, filters, kernel, stride, norm, depthwise } = block
  return [
    {
      class_name: depthwise ? "DepthwiseConv2D" : "Conv2D",
      config: {
        name,
        ...(depthwise ? { depth_multiplier: 1 } : { filters }),
        kernel_size: [kernel, kernel],
        strides: [stride, stride],
        padding: paddingOf(block),
        data_format: "channels_last",
        dilation_rate: [1, 1],
        activation: "linear",
        use_bias: true
      }
    },
    // Keras's momentum is the share of the old value, PyTorch's that of the new
    ...(norm === null ? [] : [batchNorm(norm.name, norm.epsilon, 1 - norm.momentum, true)]),
    ...(block.relu ? [relu(`${name}_relu`)] : []),
    ...(block.pool === null ? [] : [poolLayer(name, block.pool)])
  ]
}

const denseLayers = ({
  name,
  units,
  dropout,
  flattens,
  ...block
}: Extract<Block, { kind: "dense" }>): ReadonlyArray<Layer> => [
  ...(flattens === null ? [] : [{ class_name: "Flatten", config: { name: "flatten", data_format: "channels_last" } }]),
  { class_name: "Dense", config: { name, units, activation: "linear", use_bias: true } },
  ...(block.relu ? [relu(`${name}_relu`)] : []),
  ...(dropout === 0 ? [] : [{ class_name: "Dropout", config: { name: `${name}_dropout`, rate: dropout } }])
]

const input = "normalize"

const layersOf = ({ size, channels, blocks }: NetworkShape): ReadonlyArray<Layer> => {
  const { class_name, config } = batchNorm(input, 0, 0.99, false)
  const shape = [null, size, size, channels]
  return [
    { class_name, config: { ...config, batch_input_shape: shape, dtype: "float32" } },
    ...blocks.flatMap((block) => (block.kind === "conv" ? convLayers(block) : denseLayers(block)))
  ]
}

/** Keras's name of a parameter within its layer. */
const kerasNames: Readonly<Record<Parameter["role"], string>> = {
  weight: "kernel",
  bias: "bias",
  gamma: "gamma",
  beta: "beta",
  runningMean: "moving_mean",
  runningVariance: "moving_variance"
}

/** (pixel - 255 mean) / sqrt((255 std)^2), with gamma 1 and beta 0. */
const normalization = ({ mean, std }: TrainedNetwork): ReadonlyArray<Weight> => {
  const shape = [mean.length]
  const of = (name: string, values: ReadonlyArray<number>): Weight => ({
    name: `${input}/${name}`,
    shape,
    data: Float32Array.from(values)
  })
  return [
    of(
      "gamma",
      mean.map(() => 1)
    ),
    of(
      "beta",
      mean.map(() => 0)
    ),
    of(
      "moving_mean",
      mean.map((value) => 255 * value)
    ),
    of(
      "moving_variance",
      std.map((value) => (255 * value) ** 2)
    )
  ]
}

const weightsOf = (
  shape: NetworkShape,
  tensors: ReadonlyArray<Safetensors.NamedTensor>
): Result.Result<ReadonlyArray<Weight>, Safetensors.SafetensorsError> => {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const weights: Array<Weight> = []
  for (const parameter of Network.parametersOf(shape)) {
    const { name, role } = parameter
    const tensor = byName.get(name)
    if (tensor?.dtype !== "F32" || tensor.shape.join() !== parameter.shape.join()) {
      const actual = tensor === undefined ? "it is missing" : `it is ${tensor.dtype} of ${tensor.shape.join(" x ")}`
      const expected = `${name} as F32 of ${parameter.shape.join(" x ")}`
      return Result.fail(new Safetensors.SafetensorsError({ expected, actual }))
    }
    const layer = name.slice(0, name.lastIndexOf("."))
    const data = fromTorch(shape, parameter, tensor.data)
    const block = shape.blocks[parameter.block]
    const depthwise = role === "weight" && block?.kind === "conv" && block.depthwise
    weights.push({
      name: `${layer}/${depthwise ? "depthwise_kernel" : kerasNames[role]}`,
      shape: tfShape(shape, parameter),
      data
    })
  }
  return Result.succeed(weights)
}

const concatenate = (weights: ReadonlyArray<Weight>): Uint8Array => {
  const bytes = new Uint8Array(weights.reduce((n, { data }) => n + data.byteLength, 0))
  let at = 0
  for (const { data } of weights) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

/** The two files. `generatedBy` names the program; `tensors` are those of the network's safetensors file. */
export const make = (
  network: TrainedNetwork,
  tensors: ReadonlyArray<Safetensors.NamedTensor>,
  generatedBy: string
): Result.Result<LayersModel, Safetensors.SafetensorsError | Network.NetworkError> => {
  const { spec, size, classes, mean, std } = network
  const shape = Network.resolve(spec, { size, channels: 3, classes: classes.length })
  if (Result.isFailure(shape)) return Result.fail(shape.failure)
  const trained = weightsOf(shape.success, tensors)
  if (Result.isFailure(trained)) return Result.fail(trained.failure)
  const weights = [...normalization(network), ...trained.success]
  const model = {
    format: "layers-model",
    generatedBy,
    convertedBy: null,
    modelTopology: {
      class_name: "Sequential",
      config: { name: spec.name, layers: layersOf(shape.success) },
      keras_version: "tfjs-layers 4.22.0",
      backend: "tensor_flow.js"
    },
    weightsManifest: [
      {
        paths: [fileNames.weights],
        weights: weights.map(({ name, shape }) => ({ name, shape, dtype: "float32" }))
      }
    ],
    userDefinedMetadata: { classes, size, mean, std }
  }
  return Result.succeed({ modelJson: `${JSON.stringify(model, null, 2)}\n`, weights: concatenate(weights) })
}
