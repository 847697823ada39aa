/**
 * A network as data: a stack of layers, first to last. No logic here; `stages/lib/network/Network.ts` has the presets, the
 * layer table and the initialisation.
 *
 * Gotchas: activations are NHWC; a `dense` layer after an image flattens it by itself; `units: "classes"` is the
 * number of classes of the data, known only when the network is built.
 */
import * as Schema from "effect/Schema"
import { Fraction, integerBetween, numberBetween, Positive } from "./Numbers.ts"

/** A number or a size of a layer. */
const Extent = integerBetween(1, 65536)

/** Square convolution with bias, stride `stride`. Weights are He/Kaiming uniform with a = sqrt 5, as torch's default. */
export const ConvLayer = Schema.Struct({
  type: Schema.Literal("conv"),
  filters: Extent,
  kernel: Extent,
  stride: Extent,
  padding: Schema.Literals(["valid", "same"])
})

/** Batch normalization over N, H, W. PyTorch's semantics: new = (1 - momentum) * old + momentum * batch, unbiased variance. */
export const BatchNormLayer = Schema.Struct({
  type: Schema.Literal("batchNorm"),
  epsilon: Positive,
  momentum: Fraction
})

export const ReluLayer = Schema.Struct({ type: Schema.Literal("relu") })

/** Convolution of each channel by itself, with bias; otherwise as `conv`. */
export const DepthwiseConvLayer = Schema.Struct({
  type: Schema.Literal("depthwiseConv"),
  kernel: Extent,
  stride: Extent,
  padding: Schema.Literals(["valid", "same"])
})

/** Without a stride, windows lie side by side. Without padding, pixels at the right and bottom that fill no window are dropped. */
const pooling = {
  size: Extent,
  stride: Schema.optionalKey(Extent),
  padding: Schema.optionalKey(Schema.Literals(["valid", "same"]))
} as const

export const MaxPoolLayer = Schema.Struct({ type: Schema.Literal("maxPool"), ...pooling })

/** What lies in the padding is not part of the average. */
export const AveragePoolLayer = Schema.Struct({ type: Schema.Literal("averagePool"), ...pooling })

/** The average of each channel over the whole image. */
export const GlobalAveragePoolLayer = Schema.Struct({ type: Schema.Literal("globalAveragePool") })

export const DenseLayer = Schema.Struct({
  type: Schema.Literal("dense"),
  units: Schema.Union([Extent, Schema.Literal("classes")])
})

/** Inverted dropout: in training each value is zero with probability `rate`, else divided by 1 - rate. */
export const DropoutLayer = Schema.Struct({
  type: Schema.Literal("dropout"),
  rate: numberBetween(0, 0.99)
})

export const Layer = Schema.Union([
  ConvLayer,
  DepthwiseConvLayer,
  BatchNormLayer,
  ReluLayer,
  MaxPoolLayer,
  AveragePoolLayer,
  GlobalAveragePoolLayer,
  DenseLayer,
  DropoutLayer
])
export type Layer = typeof Layer.Type

export const NetworkSpec = Schema.Struct({
  name: Schema.NonEmptyString,
  layers: Schema.NonEmptyArray(Layer)
}).annotate({ identifier: "NetworkSpec", description: "A stack of layers, first to last" })
export type NetworkSpec = typeof NetworkSpec.Type

/** The named networks: the seed study's final one, and the deeper one that it was simplified from. */
export const PresetName = Schema.Literals(["seed", "deep"])
export type PresetName = typeof PresetName.Type
