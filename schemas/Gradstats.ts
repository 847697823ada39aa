/** What `gradstats` takes and gives: gradient norms by layer and epoch of both networks, and what they say. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"

const Positive = Schema.Finite.check(Schema.isGreaterThan(0))
const NonNegative = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const EpochNumber = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** When a gradient norm is flagged. */
export const GradientThresholds = Schema.Struct({
  /** A layer vanishes when its norm is below this share of the largest norm of any layer in the same epoch. */
  vanishing: Positive,
  /** A layer explodes when its norm is above this. */
  exploding: Positive
})
export type GradientThresholds = typeof GradientThresholds.Type

export const GradstatsParams = Schema.Struct({
  vanishing: Positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-3))),
  exploding: Positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(100)))
}).annotate({ identifier: "GradstatsParams" })
export type GradstatsParams = typeof GradstatsParams.Type

export const GradientFlag = Schema.Struct({
  kind: Schema.Literals(["vanishing", "exploding"]),
  layer: Schema.NonEmptyString,
  epoch: EpochNumber,
  /** The norm, as it was measured. */
  gradientNorm: NonNegative
})
export type GradientFlag = typeof GradientFlag.Type

export const VariantGradients = Schema.Struct({
  layers: Schema.Array(Schema.NonEmptyString),
  epochs: Schema.Array(EpochNumber),
  /** `[layer][epoch]`: mean L2 norm over the epoch's batches. */
  gradientNorm: Schema.Array(Schema.Array(NonNegative)),
  /** Norm of the first layer over that of the last, by epoch; null where the last is 0. */
  firstOverLast: Schema.Array(Schema.NullOr(NonNegative)),
  /** Standard deviation over layers of log10 of the norm, by epoch: 0 is perfectly even. */
  unevenness: Schema.Array(NonNegative),
  /** Mean over layers of the standard deviation of the epoch-to-epoch change of log10 of the norm: 0 is perfectly steady. */
  unsteadiness: NonNegative,
  flags: Schema.Array(GradientFlag)
})
export type VariantGradients = typeof VariantGradients.Type

export const LastEpochRow = Schema.Struct({
  layer: Schema.NonEmptyString,
  /** Null where the variant has no such layer. */
  bn: Schema.NullOr(NonNegative),
  nobn: Schema.NullOr(NonNegative),
  /** bn / nobn; null where either is missing or nobn is 0. */
  ratio: Schema.NullOr(NonNegative)
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
export const GradientRatio = Artifact.file({ tag: "Chart/v1", path: "first-over-last.svg" })
