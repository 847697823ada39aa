/**
 * Parameters and outputs of `gradstats`: gradient norms, update-to-weight ratios and dead ReLUs of both networks by
 * layer and epoch.
 */
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"
import { AtLeastOne, Fraction, NonNegative, Positive, withDefault } from "./Numbers.ts"

/** When something is flagged. */
export const GradientThresholds = Schema.Struct({
  /** A layer vanishes when its norm is below this share of the largest norm of any layer in the same epoch. */
  vanishing: Positive,
  /** A layer explodes when its norm is above this. */
  exploding: Positive,
  /** A layer is dead when more than this share of its channels or units is dead. */
  dead: Fraction,
  /** A layer stands still when its update-to-weight ratio is below this; about 1e-3 is healthy. */
  still: Positive,
  /** A layer is rushed when the ratio is above this. */
  rushed: Positive
})
export type GradientThresholds = typeof GradientThresholds.Type

const { vanishing, exploding, dead, still, rushed } = GradientThresholds.fields

export const GradstatsParams = Schema.Struct({
  vanishing: withDefault(vanishing, 1e-3),
  exploding: withDefault(exploding, 100),
  dead: withDefault(dead, 0.5),
  still: withDefault(still, 1e-5),
  rushed: withDefault(rushed, 0.1)
}).annotate({ identifier: "GradstatsParams" })
export type GradstatsParams = typeof GradstatsParams.Type

export const GradientFlag = Schema.Struct({
  kind: Schema.Literals(["vanishing", "exploding", "dead", "still", "rushed"]),
  layer: Schema.NonEmptyString,
  epoch: AtLeastOne,
  /** The measured norm, share or ratio. */
  value: NonNegative
})
export type GradientFlag = typeof GradientFlag.Type

/** Of the layers with a ReLU. */
export const DeadShares = Schema.Struct({
  layers: Schema.Array(Schema.NonEmptyString),
  /** `[layer][epoch]`: share of the channels or units whose output is 0 for every validation image. */
  share: Schema.Array(Schema.Array(Fraction))
})
export type DeadShares = typeof DeadShares.Type

export const VariantGradients = Schema.Struct({
  layers: Schema.Array(Schema.NonEmptyString),
  epochs: Schema.Array(AtLeastOne),
  /** `[layer][epoch]`: mean L2 norm over the epoch's batches. */
  gradientNorm: Schema.Array(Schema.Array(NonNegative)),
  /** `[layer][epoch]`: norm of the epoch's last optimizer step over that of the weights before it. */
  updateRatio: Schema.Array(Schema.Array(NonNegative)),
  dead: DeadShares,
  /** Norm of the first layer over that of the last, by epoch; null where the last is 0. */
  firstOverLast: Schema.Array(Schema.NullOr(NonNegative)),
  /** Standard deviation over layers of log10 of the norm, by epoch: 0 is perfectly even. */
  unevenness: Schema.Array(NonNegative),
  /** Mean over layers of the standard deviation of the epoch-to-epoch change of log10 of the norm: 0 is perfectly steady. */
  unsteadiness: NonNegative,
  flags: Schema.Array(GradientFlag)
})
export type VariantGradients = typeof VariantGradients.Type

const Both = Schema.Struct({
  /** Null where the variant has no such layer, or the layer no such number. */
  bn: Schema.NullOr(NonNegative),
  nobn: Schema.NullOr(NonNegative)
})

export const LastEpochRow = Schema.Struct({
  layer: Schema.NonEmptyString,
  ...Both.fields,
  /** bn / nobn; null where either is missing or nobn is 0. */
  ratio: Schema.NullOr(NonNegative),
  updateRatio: Both,
  deadShare: Both
})
export type LastEpochRow = typeof LastEpochRow.Type

export const Gradstats = Schema.Struct({
  thresholds: GradientThresholds,
  /** One colour scale for both heat maps: the least norm above 0 and the greatest. */
  scale: Schema.Struct({ minimum: Positive, maximum: Positive }),
  bn: VariantGradients,
  nobn: VariantGradients,
  lastEpoch: Schema.Array(LastEpochRow)
}).annotate({ identifier: "Gradstats", description: "Gradient norms of both networks by layer and epoch" })
export type Gradstats = typeof Gradstats.Type

export const GradstatsArtifact = Artifact.json({ tag: "Gradstats/v1", path: "gradstats.json", schema: Gradstats })
export const GradientHeatMaps = Artifact.file({ tag: "Chart/v1", path: "gradient-norms.svg" })
export const GradientProfiles = Artifact.file({ tag: "Chart/v1", path: "gradient-profiles.svg" })
export const UpdateRatios = Artifact.file({ tag: "Chart/v1", path: "update-to-weight.svg" })
export const DeadUnits = Artifact.file({ tag: "Chart/v1", path: "dead-relus.svg" })
export const GradientRatio = Artifact.file({ tag: "Chart/v1", path: "first-over-last.svg" })
