/**
 * Scores of one network under one activation: probabilities against labels.
 *
 * A row whose probabilities are not finite (classic softmax, overflowed) counts as wrong, as without its label among
 * the top three, and as far off as can be in the Brier score; it makes the negative log-likelihood undefined.
 */
import type { CalibrationBin, ClassScores, Ranked, Scores } from "../../../../schemas/Compare.ts"
import * as Scoring from "../Scores.ts"

/** Probabilities, rows x classes, row-major, and one label per row. */
export interface Predictions {
  readonly classes: number
  readonly probabilities: Float64Array
  readonly labels: Int32Array
}

export const bins = 15
/** The bin of a confidence. */
export const binOf = (confidence: number): number => Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))

/** The number of classes in a top list. */
export const topCount = 3

const isFiniteRow = ({ classes, probabilities }: Predictions, row: number): boolean => {
  for (let k = row * classes; k < (row + 1) * classes; k++) if (!Number.isFinite(probabilities[k]!)) return false
  return true
}

/** The most probable class of each row (the first of equals), -1 for a row that is not finite. */
export const predictedClasses = (predictions: Predictions): Int32Array =>
  Int32Array.from(predictions.labels, (_, row) =>
    isFiniteRow(predictions, row)
      ? Scoring.argmax(predictions.probabilities, row * predictions.classes, predictions.classes)
      : -1
  )

/** Classes by falling probability; equals by index. */
export const ranked = (row: ArrayLike<number>): ReadonlyArray<number> =>
  Array.from(row, (_, k) => k).sort((a, b) => row[b]! - row[a]! || a - b)

/** The place of a class in that order, without sorting a thousand classes for each row. */
export const rankOf = (row: ArrayLike<number>, label: number): number => {
  const own = row[label]!
  let rank = 0
  for (let k = 0; k < row.length; k++) if (row[k]! > own || (k < label && row[k] === own)) rank += 1
  return rank
}

/** The `count` most probable classes; those with probability 0 are left out. */
export const topOf = (
  probabilities: ArrayLike<number>,
  classes: ReadonlyArray<string>,
  count: number
): ReadonlyArray<Ranked> =>
  ranked(probabilities)
    .slice(0, count)
    .filter((k) => probabilities[k]! > 0)
    .map((k) => ({ class: classes[k]!, probability: Math.min(1, probabilities[k]!) }))

/** Reliability: rows by confidence, in 15 bins of equal width. */
export const calibrationOf = (predictions: Predictions): ReadonlyArray<CalibrationBin> => {
  const { classes, probabilities, labels } = predictions
  const predicted = predictedClasses(predictions)
  const rows = new Float64Array(bins)
  const confidence = new Float64Array(bins)
  const right = new Float64Array(bins)
  for (let row = 0; row < labels.length; row++) {
    if (predicted[row]! < 0) continue
    const p = Math.min(1, probabilities[row * classes + predicted[row]!]!)
    const bin = binOf(p)
    rows[bin]! += 1
    confidence[bin]! += p
    if (predicted[row] === labels[row]) right[bin]! += 1
  }
  return Array.from(rows, (count, bin) => ({
    low: bin / bins,
    high: (bin + 1) / bins,
    rows: count,
    confidence: count === 0 ? 0 : Math.min(1, confidence[bin]! / count),
    accuracy: count === 0 ? 0 : right[bin]! / count
  }))
}

/** Mean over rows of |accuracy - confidence| of the row's bin (Naeini et al. 2015; Guo et al. 2017). */
export const calibrationError = (calibration: ReadonlyArray<CalibrationBin>): number => {
  const total = calibration.reduce((sum, bin) => sum + bin.rows, 0)
  if (total === 0) return 0
  return calibration.reduce((sum, bin) => sum + (bin.rows / total) * Math.abs(bin.accuracy - bin.confidence), 0)
}

export interface Sums {
  right: number
  top3: number
  logLikelihood: number
  zeroLabelRows: number
  brier: number
  support: number
  overflowRows: number
}

/** What the scores are means of. */
export const sumsOf = (predictions: Predictions): Sums => {
  const { classes, probabilities, labels } = predictions
  const sums: Sums = { right: 0, top3: 0, logLikelihood: 0, zeroLabelRows: 0, brier: 0, support: 0, overflowRows: 0 }
  for (let row = 0; row < labels.length; row++) {
    if (!isFiniteRow(predictions, row)) {
      sums.overflowRows += 1
      sums.brier += 2
      continue
    }
    const p = probabilities.subarray(row * classes, (row + 1) * classes)
    const label = labels[row]!
    const rank = rankOf(p, label)
    if (rank === 0) sums.right += 1
    if (p[label]! > 0 && rank < topCount) sums.top3 += 1
    if (p[label]! > 0) sums.logLikelihood += Math.log(p[label]!)
    else sums.zeroLabelRows += 1
    for (let k = 0; k < classes; k++) {
      sums.brier += (p[k]! - (k === label ? 1 : 0)) ** 2
      if (p[k]! > 0) sums.support += 1
    }
  }
  return sums
}

/** The Brier score alone: a search asks for it again and again. */
export const brierOf = (predictions: Predictions): number =>
  sumsOf(predictions).brier / Math.max(1, predictions.labels.length)

/** All scores. Zeros for no rows. */
export const scoresOf = (predictions: Predictions): Scores => {
  const { classes, labels } = predictions
  const n = Math.max(1, labels.length)
  const sums = sumsOf(predictions)
  const finite = Math.max(1, labels.length - sums.overflowRows)
  const accuracy = sums.right / n
  return {
    accuracy,
    f1Micro: accuracy,
    f1Macro: f1MacroOf(labels, predictedClasses(predictions), classes),
    top3: sums.top3 / n,
    negativeLogLikelihood: sums.zeroLabelRows + sums.overflowRows > 0 ? null : Math.max(0, -sums.logLikelihood / n),
    zeroLabelRows: sums.zeroLabelRows,
    brier: sums.brier / n,
    calibrationError: calibrationError(calibrationOf(predictions)),
    supportSize: sums.support / finite,
    overflowRows: sums.overflowRows
  }
}

/** Macro F1; rows without a prediction count as missed. */
const f1MacroOf = (labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number => {
  const missed = new Float64Array(classes)
  for (let row = 0; row < labels.length; row++) if (predicted[row]! < 0) missed[labels[row]!]! += 1
  return Scoring.f1Macro(Scoring.confusion(labels, predicted, classes), classes, missed)
}

/** Precision, recall and F1 of each class; 0 where there is nothing to divide by. */
export const perClassOf = (
  names: ReadonlyArray<string>,
  labels: Int32Array,
  predicted: Int32Array,
  groups: ReadonlyArray<number>
): ReadonlyArray<ClassScores> => {
  const matrix = Scoring.confusion(labels, predicted, names.length)
  const classes = names.length
  return names.map((name, k) => {
    const support = labels.filter((label) => label === k).length
    let predictedCount = 0
    for (let j = 0; j < classes; j++) predictedCount += matrix[j * classes + k]!
    const hit = matrix[k * classes + k]!
    const precision = predictedCount === 0 ? 0 : hit / predictedCount
    const recall = support === 0 ? 0 : hit / support
    const f1 = support + predictedCount === 0 ? 0 : (2 * hit) / (support + predictedCount)
    return { class: name, support, groups: groups[k]!, precision, recall, f1 }
  })
}

/** Mean of -ln softmax(z)[label], nats. */
export const softmaxLoss = (logits: Float32Array, labels: Int32Array, classes: number): number => {
  let sum = 0
  for (let row = 0; row < labels.length; row++) {
    sum += Scoring.crossEntropy(logits, row * classes, classes, labels[row]!)
  }
  return sum / Math.max(1, labels.length)
}

/** The logarithms of temperatures that are searched, and steps of the first look. */
const logRange = 3
const looks = 12
const precision = 1e-4

/**
 * The temperature T that minimizes `loss` of logits over T (Guo et al. 2017): the best of thirteen between exp(-3) and
 * exp(3), then golden-section search around it, to 1e-4 of ln T.
 */
export const fitTemperature = (logits: Float32Array, loss: (scaled: Float32Array) => number): number => {
  const golden = (Math.sqrt(5) - 1) / 2
  const at = (logTemperature: number): number => loss(logits.map((z) => z / Math.exp(logTemperature)))
  const width = (2 * logRange) / looks
  const grid = Array.from({ length: looks + 1 }, (_, i) => -logRange + i * width)
  const values = grid.map(at)
  const best = grid[values.indexOf(Math.min(...values))]!
  let low = Math.max(-logRange, best - width)
  let high = Math.min(logRange, best + width)
  let left = high - golden * (high - low)
  let right = low + golden * (high - low)
  let leftValue = at(left)
  let rightValue = at(right)
  while (high - low > precision) {
    if (leftValue < rightValue) {
      high = right
      right = left
      rightValue = leftValue
      left = high - golden * (high - low)
      leftValue = at(left)
    } else {
      low = left
      left = right
      leftValue = rightValue
      right = low + golden * (high - low)
      rightValue = at(right)
    }
  }
  return Math.exp((low + high) / 2)
}
