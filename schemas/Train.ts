/** Parameters and outputs of `train`: the history of one training, and its network. */
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"
import { Preparation } from "./Augment.ts"
import { NetworkSpec, PresetName } from "./Network.ts"
import { AtLeastOne, Count, Fraction, integerBetween, NonNegative, Positive, withDefault } from "./Numbers.ts"

export const LossName = Schema.Literals(["crossEntropy", "sparsemax"])
export type LossName = typeof LossName.Type

export const TrainParams = Schema.Struct({
  /** A network by name, or a stack of layers. */
  network: withDefault(Schema.Union([PresetName, NetworkSpec]), "seed"),
  /**
   * `batch`: of a network by name, batch normalization after each convolution, before the ReLU; a stack of layers must have some.
   * `none`: a stack's layers of it are left out. `asGiven`: a stack is trained as it is, and a network by name has none.
   */
  normalization: withDefault(Schema.Literals(["batch", "none", "asGiven"]), "asGiven"),
  epochs: withDefault(integerBetween(1, 10_000), 24),
  batchSize: withDefault(integerBetween(1, 4096), 32),
  /** The loss to minimize: the cross-entropy of softmax, or the loss of sparsemax (Martins and Astudillo 2016). */
  loss: withDefault(LossName, "crossEntropy"),
  optimizer: withDefault(Schema.Literals(["adam", "sgd"]), "adam"),
  learningRate: withDefault(Positive, 0.0005),
  /** L2 regularization, coupled as torch's `weight_decay`: this times the weight is added to its gradient. */
  weightDecay: withDefault(NonNegative, 0.0001),
  /** Of `sgd`. */
  momentum: withDefault(Fraction, 0.9),
  /**
   * How the learning rate changes: `constant`; `step`, times `gamma` every `stepEpochs`; `cosine`, down to zero over
   * all epochs; `plateau`, times `gamma` when more than `plateauEpochs` epochs in a row brought no lower validation
   * loss.
   */
  schedule: withDefault(Schema.Literals(["constant", "step", "cosine", "plateau"]), "step"),
  stepEpochs: withDefault(AtLeastOne, 8),
  gamma: withDefault(Fraction, 0.5),
  plateauEpochs: withDefault(AtLeastOne, 3),
  /** Training stops after this many epochs in a row without a better validation accuracy; 0: never. */
  patience: withDefault(Count, 0),
  seed: withDefault(Count, 0)
}).annotate({ identifier: "TrainParams", description: "How a network is trained" })
export type TrainParams = typeof TrainParams.Type

/** One epoch. Losses are means of the training's loss (cross-entropy in nats); accuracies are fractions. */
export const Epoch = Schema.Struct({
  /** From 1. */
  epoch: AtLeastOne,
  trainLoss: NonNegative,
  validationLoss: NonNegative,
  trainAccuracy: Fraction,
  validationAccuracy: Fraction,
  testAccuracy: Fraction,
  validationF1Macro: Fraction,
  validationF1Micro: Fraction,
  testF1Macro: Fraction,
  testF1Micro: Fraction,
  learningRate: NonNegative,
  /** Images per second while training; a timing, hence volatile. */
  imagesPerSecond: Schema.optionalKey(Positive),
  /** Layer name -> L2 norm of the loss gradient with respect to the layer's weights, mean over the epoch's batches. */
  gradientNorm: Schema.Record(Schema.String, NonNegative),
  /** Layer name -> norm of the epoch's last optimizer step on the layer's weights over the norm of the weights before it. */
  updateRatio: Schema.Record(Schema.String, NonNegative),
  /** Name of a layer with a ReLU -> share of its channels or units whose output is 0 for every validation image. */
  deadShare: Schema.Record(Schema.String, Fraction)
})
export type Epoch = typeof Epoch.Type

export const History = Schema.Struct({
  classes: Schema.Array(Schema.NonEmptyString),
  /** Layers that have weights, first to last. */
  layers: Schema.Array(Schema.NonEmptyString),
  loss: LossName,
  /** The number of epochs that were planned. */
  plannedEpochs: AtLeastOne,
  /** Whether it ended before that, since validation accuracy did not improve (`patience`). */
  stoppedEarly: Schema.Boolean,
  /** The epoch with the highest validation accuracy (the earliest of equals). Its weights are the model. */
  bestEpoch: AtLeastOne,
  epochs: Schema.NonEmptyArray(Epoch)
}).annotate({ identifier: "History", description: "What one training did, epoch by epoch" })
export type History = typeof History.Type

export const HistoryArtifact = Artifact.json({
  tag: "History/v1",
  path: "history.json",
  schema: History,
  volatile: ["imagesPerSecond"]
})

/** Weights in PyTorch's names and layouts, of the best epoch. */
export const Weights = Artifact.file({ tag: "Weights/v1", path: "model.safetensors" })

/** One row of the layer table: `Conv2d-1`, its output without the batch axis as PyTorch writes it (C, H, W), its parameters. */
export const LayerTableRow = Schema.Struct({
  layer: Schema.NonEmptyString,
  outputShape: Schema.Array(Schema.Int),
  parameters: Count
})

/** The trained network: with its weights, all that inference needs. */
export const TrainedNetwork = Schema.Struct({
  spec: NetworkSpec,
  size: AtLeastOne,
  /** How its images were prepared. */
  preparation: Preparation,
  classes: Schema.Array(Schema.NonEmptyString),
  /** Per channel (R, G, B), of pixels scaled to 0..1. */
  mean: Schema.Array(Schema.Finite),
  std: Schema.Array(Positive),
  table: Schema.Array(LayerTableRow),
  totalParameters: AtLeastOne
}).annotate({ identifier: "TrainedNetwork", description: "A network, what it takes and what it tells apart" })
export type TrainedNetwork = typeof TrainedNetwork.Type

export const NetworkArtifact = Artifact.json({ tag: "TrainedNetwork/v1", path: "network.json", schema: TrainedNetwork })
export const NetworkTable = Artifact.file({ tag: "NetworkTable/v1", path: "network.txt" })
