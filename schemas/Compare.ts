/**
 * Parameters and outputs of `compare`: scores of both networks under every output activation, statistics of their
 * difference, and a verdict on each of the study's six claims.
 *
 * Unless a name says otherwise, a score is of the test split and of the epoch with the best validation accuracy.
 */
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"
import { activationNames } from "./activations/Activations.ts"
import { SplitName } from "./Names.ts"
import { AtLeastOne, Count, Fraction, integerBetween, NonNegative, Positive, withDefault } from "./Numbers.ts"
import { ClaimId, Equivalence, Seeds, Verdict } from "./Seeds.ts"

export const ActivationName = Schema.Literals(activationNames)

export const CompareParams = Schema.Struct({
  /** The activation that the report is written for; the others are compared with it. */
  activation: withDefault(ActivationName, "softmax"),
  seed: withDefault(Count, 1),
  /** Resamples for the intervals. */
  bootstrap: withDefault(integerBetween(100, 100_000), 2000),
  /** Two networks are equivalent when the interval of their difference lies within plus and minus this. */
  equivalenceMargin: withDefault(Fraction, 0.03),
  /** Test images in the grid of predictions. */
  examples: withDefault(integerBetween(1, 100), 9)
}).annotate({ identifier: "CompareParams" })
export type CompareParams = typeof CompareParams.Type

/** Scores of one network under one activation. */
export const Scores = Schema.Struct({
  accuracy: Fraction,
  f1Micro: Fraction,
  /** Mean over classes; a class that is neither present nor predicted does not count. */
  f1Macro: Fraction,
  /** Label among the three most probable; ties go to the lower class index, a probability of 0 is never among them. */
  top3: Fraction,
  /** Mean of -ln p(label), nats; null where some label got probability 0 or the activation overflowed. */
  negativeLogLikelihood: Schema.NullOr(NonNegative),
  /** Rows whose label got probability exactly 0. */
  zeroLabelRows: Count,
  /** Mean over rows of the sum over classes of squared error, from 0 to 2. */
  brier: NonNegative,
  /** Expected calibration error of the top class, 15 bins of equal width. */
  calibrationError: Fraction,
  /** Mean number of classes with probability above 0. */
  supportSize: NonNegative,
  /** Rows that were not finite (classic softmax overflows above 88 in float32); they count as wrong. */
  overflowRows: Count
})
export type Scores = typeof Scores.Type

/** Mean confidence and accuracy of the rows whose top probability falls in (low, high]. */
export const CalibrationBin = Schema.Struct({
  low: Fraction,
  high: Fraction,
  rows: Count,
  confidence: Fraction,
  accuracy: Fraction
})
export type CalibrationBin = typeof CalibrationBin.Type

/** Scores of an activation applied to logits over a temperature that was fitted on validation. */
export const ScaledScores = Schema.Struct({
  /** What it minimizes on validation: the negative log-likelihood where it is finite, else the Brier score. */
  minimizes: Schema.Literals(["negativeLogLikelihood", "brier"]),
  temperature: Positive,
  scores: Scores
})
export type ScaledScores = typeof ScaledScores.Type

export const ActivationScores = Schema.Struct({
  activation: ActivationName,
  scores: Scores,
  calibration: Schema.Array(CalibrationBin),
  scaled: ScaledScores
})
export type ActivationScores = typeof ActivationScores.Type

export const ClassScores = Schema.Struct({
  class: Schema.NonEmptyString,
  support: Count,
  /** Independent groups of its test images. */
  groups: Count,
  precision: Fraction,
  recall: Fraction,
  f1: Fraction
})
export type ClassScores = typeof ClassScores.Type

/** Images of one class that are taken for one; classes by their index. */
export const ConfusionCell = Schema.Struct({ label: Count, predicted: Count, images: AtLeastOne })
export type ConfusionCell = typeof ConfusionCell.Type

export const SplitScore = Schema.Struct({
  split: SplitName,
  images: Count,
  accuracy: Fraction,
  f1Macro: Fraction
}).pipe(Schema.encodeKeys({ images: "pictures" }))
export type SplitScore = typeof SplitScore.Type

export const VariantMetrics = Schema.Struct({
  /** The epoch with the best validation accuracy. */
  bestEpoch: AtLeastOne,
  /** The seed study's method: the best test score over epochs. Selecting on the test set makes it too high. */
  testSelected: Schema.Struct({ epoch: AtLeastOne, accuracy: Fraction, f1Micro: Fraction }),
  splits: Schema.Array(SplitScore),
  activations: Schema.Array(ActivationScores),
  /** Test accuracy with a 95 % interval from resampled groups. */
  accuracy: Schema.Struct({ estimate: Fraction, low95: Fraction, high95: Fraction }),
  perClass: Schema.Array(ClassScores),
  /** The pairs of classes that occur in the test split: of a thousand classes a matrix has a million cells, nearly all 0. */
  confusion: Schema.Array(ConfusionCell)
})
export type VariantMetrics = typeof VariantMetrics.Type

/** bn minus nobn, with a 95 % percentile interval from paired resamples of groups of test images, and a 90 % one for equivalence. */
export const Difference = Schema.Struct({
  metric: Schema.NonEmptyString,
  estimate: Schema.Finite,
  low95: Schema.Finite,
  high95: Schema.Finite,
  low90: Schema.Finite,
  high90: Schema.Finite
})
export type Difference = typeof Difference.Type

/** One line of the first figure: bn minus nobn on test. */
export const HeadlineDifference = Schema.Struct({
  /** The loss is softmax's negative log-likelihood, in nats, whatever the activation: it is finite. */
  metric: Schema.Literals(["accuracy", "loss", "calibrationError"]),
  /** By seed. */
  values: Schema.Array(Schema.Finite),
  mean: Schema.Finite,
  /** 95 % interval: over groups of test images and, where there are several seeds, over these too. */
  low95: Schema.Finite,
  high95: Schema.Finite,
  /** What is smaller does not matter. */
  margin: Positive
})
export type HeadlineDifference = typeof HeadlineDifference.Type

/** McNemar's test, exact binomial, two-sided, on paired test predictions. */
export const McNemar = Schema.Struct({
  onlyBnRight: Count,
  onlyNobnRight: Count,
  pValue: Fraction
})
export type McNemar = typeof McNemar.Type

/** A test by groups of related test images: exact, two-sided, the two networks' predictions of a group changing places. */
export const GroupTest = Schema.Struct({
  groups: Count,
  /** Groups in which the networks are right about different numbers of images. */
  differing: Count,
  pValue: Fraction
})
export type GroupTest = typeof GroupTest.Type

/** The best answer that is always the same: the test split's most frequent class. */
export const Constant = Schema.Struct({ class: Schema.NonEmptyString, share: Fraction })
export type Constant = typeof Constant.Type

export const Ranked = Schema.Struct({ class: Schema.NonEmptyString, probability: Fraction })
export type Ranked = typeof Ranked.Type

/** A test image with the network's predictions. */
export const Example = Schema.Struct({
  path: Schema.NonEmptyString,
  label: Schema.NonEmptyString,
  softmax: Schema.Array(Ranked),
  sparsemax: Schema.Array(Ranked)
})
export type Example = typeof Example.Type

export const Evidence = Schema.Struct({ name: Schema.NonEmptyString, value: Schema.Finite })
export type Evidence = typeof Evidence.Type

/** One condition of a claim: a value, what it must be, and whether it is. */
export const Part = Schema.Struct({
  name: Schema.NonEmptyString,
  value: Schema.Finite,
  relation: Schema.Literals(["at most", "at least"]),
  threshold: Schema.Finite,
  /** Where the value has one. */
  interval: Schema.optionalKey(Schema.Struct({ low: Schema.Finite, high: Schema.Finite })),
  state: Schema.Literals(["holds", "fails", "unclear"])
})
export type Part = typeof Part.Type

/** One claim of the study, judged by its numbers. */
export const Claim = Schema.Struct({
  id: ClaimId,
  claim: Schema.NonEmptyString,
  /** The rule that turns the evidence into the verdict. */
  rule: Schema.NonEmptyString,
  verdict: Verdict,
  sentence: Schema.NonEmptyString,
  parts: Schema.Array(Part),
  evidence: Schema.Array(Evidence)
})
export type Claim = typeof Claim.Type

export const Metrics = Schema.Struct({
  activation: ActivationName,
  classes: Schema.Array(Schema.NonEmptyString),
  testImages: Count,
  bn: VariantMetrics,
  nobn: VariantMetrics,
  /** Of images, as if they were independent. */
  mcNemar: McNemar,
  groupTest: GroupTest,
  constant: Constant,
  differences: Schema.Array(Difference),
  /** Accuracy, loss, calibration: over all seeds. */
  headline: Schema.Array(HeadlineDifference),
  equivalence: Schema.Struct({ margin: Fraction, verdict: Equivalence }),
  examples: Schema.Array(Example),
  /** Of the first seed; everything but `seeds` is about its networks. */
  claims: Schema.Array(Claim),
  /** With several seeds only. */
  seeds: Schema.optionalKey(Seeds)
})
  .pipe(Schema.encodeKeys({ testImages: "testPictures" }))
  .annotate({ identifier: "Metrics", description: "Scores, statistics and verdicts of the study" })
export type Metrics = typeof Metrics.Type

export const MetricsArtifact = Artifact.json({ tag: "Metrics/v2", path: "metrics.json", schema: Metrics })
export const ReportArtifact = Artifact.file({ tag: "Report/v1", path: "report.html" })
/** The same in short, for a repository's page; charts are linked as files. */
export const MarkdownReport = Artifact.file({ tag: "MarkdownReport/v1", path: "report.md" })
/** Each figure of the report as files, `NAME-light` and `NAME-dark`: SVG, and PNG where pixels are many. */
export const Figures = Artifact.folder({ tag: "Figures/v1", path: "figures" })
/** Each table of the report as `NAME.csv`, with the numbers as they are. */
export const Tables = Artifact.folder({ tag: "Tables/v1", path: "tables" })
