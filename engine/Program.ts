/**
 * The networks of engines: a network as a list of blocks, its parameters by PyTorch's names and layouts, and the
 * interface of a network in memory. Every engine implements `Program`; no other module uses tensors of TensorFlow.js.
 *
 * Gotchas: images come as uint8 NHWC and are normalized inside; `read` and `write` speak PyTorch's layouts (OIHW, out x
 * in with columns in C,H,W order), whatever the engine keeps internally.
 */

/** Pooling. Places in the padding count neither for a maximum nor for an average. */
export interface Pool {
  readonly kind: "max" | "average"
  readonly size: number
  readonly stride: number
  readonly padBefore: number
  readonly padAfter: number
}

/** A convolution with optional batch normalization, ReLU and pooling. Sizes are H = W. */
export interface ConvBlock {
  readonly kind: "conv"
  readonly name: string
  readonly inputSize: number
  readonly inputChannels: number
  readonly filters: number
  /** Each channel is convolved by itself: `filters` is `inputChannels`, and a weight has one input channel. */
  readonly depthwise: boolean
  readonly kernel: number
  readonly stride: number
  /** Zeros before the first row and column, and after the last. */
  readonly padBefore: number
  readonly padAfter: number
  /** Height and width after the convolution. */
  readonly convSize: number
  readonly norm: { readonly name: string; readonly epsilon: number; readonly momentum: number } | null
  readonly relu: boolean
  readonly pool: Pool | null
  /** Height and width after the pooling. */
  readonly outputSize: number
}

/** A dense layer with optional ReLU and dropout. */
export interface DenseBlock {
  readonly kind: "dense"
  readonly name: string
  readonly inputs: number
  readonly units: number
  readonly relu: boolean
  /** Probability of a zero; 0 is no dropout. */
  readonly dropout: number
  /** The shape that is flattened into this layer (H, W, C), or null after a dense layer. */
  readonly flattens: readonly [height: number, width: number, channels: number] | null
}

export type Block = ConvBlock | DenseBlock

export interface NetworkShape {
  /** Height and width of the images. */
  readonly size: number
  readonly channels: number
  readonly classes: number
  readonly blocks: ReadonlyArray<Block>
}

/** One tensor of a network's state. `role` tells whether the optimizer changes it or the batch statistics do. */
export interface Parameter {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly role: "weight" | "bias" | "gamma" | "beta" | "runningMean" | "runningVariance"
  readonly block: number
}

/** Input channels of one filter. */
export const weightChannels = (block: ConvBlock): number => (block.depthwise ? 1 : block.inputChannels)

/** All tensors of a network in PyTorch's `state_dict` order, without the counters `num_batches_tracked`. */
export const parametersOf = (shape: NetworkShape): ReadonlyArray<Parameter> =>
  shape.blocks.flatMap((b, block): ReadonlyArray<Parameter> => {
    if (b.kind === "dense") {
      return [
        { name: `${b.name}.weight`, shape: [b.units, b.inputs], role: "weight", block },
        { name: `${b.name}.bias`, shape: [b.units], role: "bias", block }
      ]
    }
    const weights: ReadonlyArray<Parameter> = [
      { name: `${b.name}.weight`, shape: [b.filters, weightChannels(b), b.kernel, b.kernel], role: "weight", block },
      { name: `${b.name}.bias`, shape: [b.filters], role: "bias", block }
    ]
    if (b.norm === null) return weights
    const { name } = b.norm
    const perChannel = [b.filters]
    return [
      ...weights,
      { name: `${name}.weight`, shape: perChannel, role: "gamma", block },
      { name: `${name}.bias`, shape: perChannel, role: "beta", block },
      { name: `${name}.running_mean`, shape: perChannel, role: "runningMean", block },
      { name: `${name}.running_var`, shape: perChannel, role: "runningVariance", block }
    ]
  })

/** Whether the optimizer changes a parameter; running statistics are changed by batches instead. */
export const isTrainable = (parameter: Parameter): boolean =>
  parameter.role !== "runningMean" && parameter.role !== "runningVariance"

/**
 * The optimizer. L2 regularization is coupled, as torch's `weight_decay`: added to the gradient before the moments.
 * Adam: Kingma and Ba 2015, bias-corrected, epsilon outside the root as in torch. SGD: torch's momentum without
 * dampening or Nesterov.
 */
export type Optimizer =
  | {
      readonly kind: "adam"
      readonly learningRate: number
      readonly weightDecay: number
      readonly beta1?: number
      readonly beta2?: number
      readonly epsilon?: number
    }
  | {
      readonly kind: "sgd"
      readonly learningRate: number
      readonly weightDecay: number
      readonly momentum?: number
    }

/**
 * The loss to minimize. `crossEntropy`: of softmax(z), in nats. `sparsemax`: Martins and Astudillo 2016, equation 17,
 * -z[label] + 1/2 sum over the support of (z^2 - tau^2) + 1/2; its gradient is sparsemax(z) - onehot, and it is 0 where
 * the label leads by 1 or more.
 */
export type Loss = "crossEntropy" | "sparsemax"

export interface ProgramOptions {
  readonly shape: NetworkShape
  /** Default `crossEntropy`. */
  readonly loss?: Loss
  readonly optimizer: Optimizer
  /** Per channel, of pixels scaled to 0..1: x = (pixel / 255 - mean) / std. */
  readonly mean: ReadonlyArray<number>
  readonly std: ReadonlyArray<number>
  /** The largest batch that `step` and `predict` will see; buffers are made for it once. */
  readonly batchSize: number
}

export interface StepInput {
  /** n * size * size * channels, NHWC. */
  readonly pixels: Uint8Array
  /** n class indices. */
  readonly labels: Int32Array
  readonly learningRate: number
  /** By block name: n * units of 1 (keep) and 0, for each dense block with dropout. */
  readonly dropoutMasks: ReadonlyMap<string, Uint8Array>
}

export interface StepOutput {
  /** Mean over the batch of the program's loss; may be NaN or infinite. The parameters are unchanged when it is not finite. */
  readonly loss: number
  /** Number of images in the batch whose largest logit is that of the label. */
  readonly correct: number
  /** Block name -> L2 norm of the loss gradient with respect to the block's weights (not bias, no L2 term). */
  readonly gradientNorms: Readonly<Record<string, number>>
}

/** The values of a parameter: itself, and the optimizer's moments (SGD's momentum is `moment1`). */
export type Slot = "value" | "moment1" | "moment2"

/**
 * By name, for blocks with a ReLU: one byte per channel or unit, set to 1 when its output is above 0 for some image.
 */
export type Alive = ReadonlyMap<string, Uint8Array>

/** A network in an engine's memory. One call at a time: wait for a promise before the next call. */
export interface Program {
  /** What a user should know before the network trains, such as a layer that makes it slow. */
  readonly notice?: string
  readonly step: (input: StepInput) => Promise<StepOutput>
  /**
   * Logits n x classes, with running statistics and without dropout. Marks in `alive` the channels and units that these
   * images activate.
   */
  readonly predict: (pixels: Uint8Array, n: number, alive?: Alive) => Promise<Float32Array>
  /** A copy in PyTorch's layout; into `into` when it is given. */
  readonly read: (slot: Slot, parameter: Parameter, into?: Float32Array) => Promise<Float32Array>
  readonly write: (slot: Slot, parameter: Parameter, data: Float32Array) => void
  /** Optimizer steps done so far; part of the state (Adam's bias correction). */
  stepCount: number
  readonly dispose: () => void
}
