/** Verdicts, and results of `compare` over several seeds: the same trainings from other initial weights, on the same images. */
import * as Schema from "effect/Schema"
import { AtLeastOne, Count, Fraction, integerBetween, NonNegative } from "./Numbers.ts"

/** `mixed`: some parts of a claim hold and some do not. `undecided`: the data do not say. */
export const Verdict = Schema.Literals(["supported", "not supported", "mixed", "undecided"])
export type Verdict = typeof Verdict.Type

/** Of two one-sided tests on a difference and a margin. */
export const Equivalence = Schema.Literals(["equivalent", "different", "undecided"])
export type Equivalence = typeof Equivalence.Type

/** The study makes six claims, numbered from 1. */
export const ClaimId = integerBetween(1, 6)

const SeedCount = Schema.Int.check(Schema.isGreaterThanOrEqualTo(2))

/** Summary of values over seeds. */
export const Spread = Schema.Struct({
  mean: Schema.Finite,
  /** Sample standard deviation (n - 1). */
  sd: NonNegative,
  /** 95 % percentile bootstrap interval of the mean. */
  low95: Schema.Finite,
  high95: Schema.Finite
})
export type Spread = typeof Spread.Type

/** The scores of an epoch that are followed over seeds. */
export const SeedMetric = Schema.Literals([
  "trainLoss",
  "validationLoss",
  "trainAccuracy",
  "validationAccuracy",
  "testAccuracy",
  "validationF1Macro",
  "validationF1Micro",
  "testF1Macro",
  "testF1Micro"
])
export type SeedMetric = typeof SeedMetric.Type

export const SeedCurve = Schema.Struct({
  metric: SeedMetric,
  /** From epoch 1 to the last that every seed has. */
  epochs: Schema.Array(Schema.Struct({ epoch: AtLeastOne, ...Spread.fields }))
})
export type SeedCurve = typeof SeedCurve.Type

export const TestMetric = Schema.Literals(["testAccuracy", "testF1Macro"])
export type TestMetric = typeof TestMetric.Type

/** A score of the epoch with the best validation accuracy, by seed. */
export const SeedScore = Schema.Struct({
  metric: TestMetric,
  values: Schema.Array(Schema.Finite),
  ...Spread.fields
})
export type SeedScore = typeof SeedScore.Type

export const VariantSeeds = Schema.Struct({
  /** By seed. */
  bestEpochs: Schema.Array(AtLeastOne),
  scores: Schema.Array(SeedScore),
  curves: Schema.Array(SeedCurve)
})
export type VariantSeeds = typeof VariantSeeds.Type

const Interval = Schema.Struct({ low: Schema.Finite, high: Schema.Finite })
export type Interval = typeof Interval.Type

/** bn minus nobn, paired by seed: both begin with the same weights and see the same batches. */
export const SeedDifference = Schema.Struct({
  metric: TestMetric,
  values: Schema.Array(Schema.Finite),
  ...Spread.fields,
  /** 95 % interval of the mean by Student's t: the variation over seeds alone, on these test images. */
  student95: Interval,
  /** For verdicts: intervals that include the choice of test images, by the bootstrap of the first seed. */
  total95: Interval,
  total90: Interval,
  /** The p that belongs to these intervals: 1 minus the share at which their end reaches 0. */
  pValue: Fraction
})
export type SeedDifference = typeof SeedDifference.Type

/** A claim of the study over all seeds. */
export const SeedClaim = Schema.Struct({
  id: ClaimId,
  /** One verdict per seed; empty for a claim that is judged over seeds only. */
  verdicts: Schema.Array(Verdict),
  verdict: Verdict,
  sentence: Schema.NonEmptyString
})
export type SeedClaim = typeof SeedClaim.Type

export const Seeds = Schema.Struct({
  count: SeedCount,
  /** Epochs that every training has; the curves end there. */
  sharedEpochs: Count,
  bn: VariantSeeds,
  nobn: VariantSeeds,
  differences: Schema.Array(SeedDifference),
  equivalence: Equivalence,
  claims: Schema.Array(SeedClaim)
}).annotate({ identifier: "Seeds", description: "Means, spreads and verdicts over several seeds" })
export type Seeds = typeof Seeds.Type
