/**
 * Parameters and output of `losses`: the same network trained by the cross-entropy of softmax and by the loss of sparsemax,
 * each read by both activations.
 *
 * Every score is of the test split, at the epoch with the best validation accuracy and with a temperature of its own, fitted
 * on validation.
 */
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"
import { ActivationName, Constant, ScaledScores } from "./Compare.ts"
import { AtLeastOne, Count, integerBetween, withDefault } from "./Numbers.ts"
import { LossName } from "./Train.ts"

export const LossesParams = Schema.Struct({
  seed: withDefault(Count, 1),
  /** Resamples for the intervals. */
  bootstrap: withDefault(integerBetween(100, 100_000), 2000),
  /** Images that go through a network at once. */
  batchSize: withDefault(integerBetween(1, 4096), 64)
}).annotate({ identifier: "LossesParams" })
export type LossesParams = typeof LossesParams.Type

/** A network by the loss that trained it, and the activation that reads its logits. */
export const Reading = Schema.Struct({
  loss: LossName,
  activation: ActivationName,
  /** By seed. */
  bySeed: Schema.NonEmptyArray(ScaledScores)
})
export type Reading = typeof Reading.Type

export const LossMetric = Schema.Literals(["brier", "accuracy", "top3", "supportSize"])
export type LossMetric = typeof LossMetric.Type

/** A difference of two readings on the same test images, with its 95 % interval over groups of these and over seeds. */
export const LossDifference = Schema.Struct({
  metric: LossMetric,
  /** By seed. */
  values: Schema.NonEmptyArray(Schema.Finite),
  mean: Schema.Finite,
  low95: Schema.Finite,
  high95: Schema.Finite
})
export type LossDifference = typeof LossDifference.Type

export const Losses = Schema.Struct({
  seeds: AtLeastOne,
  testImages: Count,
  /** Independent groups of the test images. */
  groups: Count,
  constant: Constant,
  /** Whether each network is better than the constant answer, with its whole 95 % interval. */
  learned: Schema.Record(LossName, Schema.Boolean),
  readings: Schema.Array(Reading),
  /** The network trained by sparsemax's loss, read by sparsemax, minus that trained by cross-entropy, read by softmax. */
  asTrained: Schema.Array(LossDifference),
  /** Both read by sparsemax: trained by its loss minus trained by cross-entropy. */
  underSparsemax: Schema.Array(LossDifference)
}).annotate({ identifier: "Losses", description: "What the loss of sparsemax is worth" })
export type Losses = typeof Losses.Type

export const LossesArtifact = Artifact.json({ tag: "Losses/v1", path: "losses.json", schema: Losses })
export const LossesReport = Artifact.file({ tag: "LossesReport/v1", path: "losses.html" })
