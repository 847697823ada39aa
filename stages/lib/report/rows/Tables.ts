/**
 * The report's tables as rows of plain numbers, for `tables/NAME.csv` beside it. The numbers are not rounded.
 */
import { variantNames } from "../../../../charts/Theme.ts"
import type { Metrics } from "../../../../schemas/Compare.ts"
import { variants } from "../../../../schemas/Names.ts"
import type { ReportData } from "../Data.ts"
import { confusedPairs, type Found, fateOf } from "../Mistakes.ts"
import type { Rows } from "./Csv.ts"

const headline = ({ headline: rows }: Metrics): Rows =>
  rows.flatMap(({ metric, values, mean, low95, high95, margin }) =>
    values.map((difference, i) => ({ metric, seed: i + 1, difference, mean, low95, high95, margin }))
  )

const activations = (metrics: Metrics): Rows =>
  variants.flatMap((variant) =>
    metrics[variant].activations.map(({ activation, scores, scaled }) => ({
      network: variantNames[variant],
      activation,
      ...scores,
      temperature: scaled.temperature,
      temperatureBy: scaled.minimizes,
      scaledNegativeLogLikelihood: scaled.scores.negativeLogLikelihood,
      scaledBrier: scaled.scores.brier,
      scaledCalibrationError: scaled.scores.calibrationError,
      scaledTop3: scaled.scores.top3,
      scaledSupportSize: scaled.scores.supportSize
    }))
  )

const calibration = (metrics: Metrics): Rows =>
  variants.flatMap((variant) =>
    metrics[variant].activations.flatMap(({ activation, calibration: bins }) =>
      bins.filter(({ rows }) => rows > 0).map((bin) => ({ network: variantNames[variant], activation, ...bin }))
    )
  )

const classes = (metrics: Metrics): Rows =>
  variants.flatMap((variant) => metrics[variant].perClass.map((row) => ({ network: variantNames[variant], ...row })))

const epochs = ({ histories }: Pick<ReportData, "histories">): Rows =>
  variants.flatMap((variant) =>
    // the images per second are a timing, which no result holds
    histories[variant].epochs.map(({ imagesPerSecond: _, gradientNorm, updateRatio, deadShare, ...row }) => ({
      network: variantNames[variant],
      ...row,
      ...Object.fromEntries(Object.entries(gradientNorm).map(([layer, norm]) => [`gradientNorm ${layer}`, norm])),
      ...Object.fromEntries(Object.entries(updateRatio).map(([layer, ratio]) => [`updateRatio ${layer}`, ratio])),
      ...Object.fromEntries(Object.entries(deadShare).map(([layer, share]) => [`deadShare ${layer}`, share]))
    }))
  )

const seeds = ({ seeds: over }: Metrics): Rows =>
  variants.flatMap((variant) =>
    (over?.[variant].scores ?? []).flatMap(({ metric, values }) =>
      values.map((value, i) => ({
        network: variantNames[variant],
        seed: i + 1,
        bestEpoch: over![variant].bestEpochs[i]!,
        metric,
        value
      }))
    )
  )

const claims = ({ claims: all }: Metrics): Rows =>
  all.flatMap(({ id, verdict, parts }) =>
    parts.map(({ name, value, relation, threshold, interval, state }) => ({
      claim: id,
      verdict,
      part: name,
      value,
      relation,
      threshold,
      low: interval?.low ?? null,
      high: interval?.high ?? null,
      state
    }))
  )

const pairs = (metrics: Metrics): Rows =>
  confusedPairs(metrics).map(({ label, predicted, images }) => ({
    trueClass: metrics.classes[label]!,
    predictedClass: metrics.classes[predicted]!,
    imagesBn: images.bn,
    imagesNobn: images.nobn
  }))

const mistakes = ({ classes: names }: Metrics, found: ReadonlyArray<Found>): Rows =>
  found.map((one) => ({
    path: one.path,
    trueClass: names[one.label]!,
    change: fateOf(one),
    predictedBn: names[one.bn.predicted] ?? null,
    confidenceBn: one.bn.confidence,
    predictedNobn: names[one.nobn.predicted] ?? null,
    confidenceNobn: one.nobn.confidence
  }))

const lastEpoch = ({ gradients }: Pick<ReportData, "gradients">): Rows =>
  gradients.lastEpoch.map(({ layer, bn, nobn, ratio, updateRatio, deadShare }) => ({
    layer,
    normBn: bn,
    normNobn: nobn,
    ratio,
    updateRatioBn: updateRatio.bn,
    updateRatioNobn: updateRatio.nobn,
    deadShareBn: deadShare.bn,
    deadShareNobn: deadShare.nobn
  }))

const layers = ({ networks }: Pick<ReportData, "networks">): Rows =>
  variants.flatMap((variant) =>
    networks[variant].table.map(({ layer, outputShape, parameters }) => ({
      network: variantNames[variant],
      layer,
      output: outputShape.join(" x "),
      parameters
    }))
  )

export type TableInput = Pick<ReportData, "gradients" | "histories" | "manifest" | "metrics" | "networks">

/** All tables by name; a table without rows is left out. */
export const tablesOf = (input: TableInput, found: ReadonlyArray<Found>): Readonly<Record<string, Rows>> => {
  const { manifest, metrics } = input
  const all: Readonly<Record<string, Rows>> = {
    hero: headline(metrics),
    images: manifest.counts.map((row) => ({ ...row })),
    "set-aside": manifest.setAside.map(({ path, reason }) => ({ path, reason })),
    "near-duplicates": manifest.duplicates.flatMap(({ class: name, paths, kept }, i) =>
      paths.map((path) => ({ group: i + 1, class: name, path, kept: kept.includes(path) ? "yes" : "no" }))
    ),
    "label-conflicts": manifest.conflicts.flatMap(({ paths }, i) =>
      paths.map((path) => ({ group: i + 1, class: path.split("/")[0]!, path }))
    ),
    layers: layers(input),
    epochs: epochs(input),
    seeds: seeds(metrics),
    "gradients-last-epoch": lastEpoch(input),
    activations: activations(metrics),
    calibration: calibration(metrics),
    classes: classes(metrics),
    "confused-pairs": pairs(metrics),
    mistakes: mistakes(metrics, found),
    claims: claims(metrics)
  }
  return Object.fromEntries(Object.entries(all).filter(([, rows]) => rows.length > 0))
}
