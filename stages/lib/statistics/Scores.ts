/**
 * Scores of a classifier's logits: loss, accuracy, F1.
 *
 * With one label per image, micro-averaged F1 equals accuracy: every wrong prediction is one false positive and one
 * false negative. Macro-averaged F1 is the mean over the classes that occur among labels or predictions; a class
 * without a true positive has F1 = 0 (as scikit-learn's `f1_score` with `zero_division=0`).
 */

import { sparsemaxLoss } from "../../../schemas/activations/Sparsemax.ts"
import type { LossName } from "../../../schemas/Train.ts"

export interface Scores {
  /** Mean of the given loss. */
  readonly loss: number
  readonly accuracy: number
  readonly f1Micro: number
  readonly f1Macro: number
}

/** Index of the largest of `classes` values from `offset` on; the first of equals. */
export const argmax = (values: ArrayLike<number>, offset: number, classes: number): number => {
  let best = 0
  for (let index = 1; index < classes; index++) {
    if (values[offset + index]! > values[offset + best]!) best = index
  }
  return best
}

/** -log softmax(logits)[label], by the shifted form that does not overflow. */
export const crossEntropy = (logits: ArrayLike<number>, offset: number, classes: number, label: number): number => {
  const top = logits[offset + argmax(logits, offset, classes)]!
  let sum = 0
  for (let index = 0; index < classes; index++) sum += Math.exp(logits[offset + index]! - top)
  return Math.log(sum) + top - logits[offset + label]!
}

/**
 * The confusion matrix: counts by label (row) and prediction (column), row-major. Rows without a prediction (-1) are
 * left out.
 */
export const confusion = (labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): Float64Array => {
  const matrix = new Float64Array(classes * classes)
  for (let index = 0; index < labels.length; index++) {
    if (predicted[index]! < 0) continue
    const cell = labels[index]! * classes + predicted[index]!
    matrix[cell] = matrix[cell]! + 1
  }
  return matrix
}

/** Mean F1 over the classes that occur. `missed` counts the rows of each class without a prediction. */
export const f1Macro = (matrix: Float64Array, classes: number, missed?: ArrayLike<number>): number => {
  let sum = 0
  let occurring = 0
  for (let each = 0; each < classes; each++) {
    let labelled = missed?.[each] ?? 0
    let predictedCount = 0
    for (let other = 0; other < classes; other++) {
      labelled += matrix[each * classes + other]!
      predictedCount += matrix[other * classes + each]!
    }
    if (labelled + predictedCount === 0) continue
    occurring++
    sum += (2 * matrix[each * classes + each]!) / (labelled + predictedCount)
  }
  return occurring === 0 ? 0 : sum / occurring
}

/** Scores of `logits` (labels.length x classes, row-major). Zeros when there are no images. */
export const of = (
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  lossName: LossName = "crossEntropy"
): Scores => {
  const count = labels.length
  if (count === 0) return { loss: 0, accuracy: 0, f1Micro: 0, f1Macro: 0 }
  const predicted = new Int32Array(count)
  let loss = 0
  let correct = 0
  for (let index = 0; index < count; index++) {
    const offset = index * classes
    predicted[index] = argmax(logits, offset, classes)
    loss +=
      lossName === "sparsemax"
        ? sparsemaxLoss(logits.subarray(offset, offset + classes), labels[index]!)
        : crossEntropy(logits, offset, classes, labels[index]!)
    if (predicted[index] === labels[index]) correct++
  }
  const accuracy = correct / count
  return {
    loss: loss / count,
    accuracy,
    f1Micro: accuracy,
    f1Macro: f1Macro(confusion(labels, predicted, classes), classes)
  }
}
