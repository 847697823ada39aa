/**
 * An activation with a temperature of its own (Guo et al. 2017), fitted on validation: without one, confidence is the
 * training's and not the activation's.
 */
import { type ActivationName, applyRows } from "../../../../schemas/activations/Activations.ts"
import type { ScaledScores } from "../../../../schemas/Compare.ts"
import * as Measure from "./Metrics.ts"

/** Logits (labels.length x classes, row-major) with their labels. */
export interface LabelledLogits {
  readonly labels: Int32Array
  readonly logits: Float32Array
}

export interface ScaledInput {
  readonly validation: LabelledLogits
  readonly test: LabelledLogits
  readonly activation: ActivationName
  readonly classes: number
}

/** The logits of some rows. */
export const pickRows = (logits: Float32Array, rows: ReadonlyArray<number>, classes: number): Float32Array => {
  const out = new Float32Array(rows.length * classes)
  for (const [i, row] of rows.entries()) out.set(logits.subarray(row * classes, (row + 1) * classes), i * classes)
  return out
}

/**
 * Rows of validation on which a temperature, one number, is fitted, and their logits: more say no more, and each is looked at
 * some thirty times.
 */
const mostFitted = 2000
const mostNumbers = 400_000

/** Rows at equal distances, at most so many. */
const someOf = ({ labels, logits }: LabelledLogits, most: number, classes: number): LabelledLogits => {
  const step = Math.max(1, Math.ceil(labels.length / most))
  const chosen = Array.from(labels, (_, row) => row).filter((row) => row % step === 0)
  return { labels: Int32Array.from(chosen, (row) => labels[row]!), logits: pickRows(logits, chosen, classes) }
}

/** The likelihood decides where every class has some, else the Brier score; scores are those of the test rows. */
export const scaledScores = ({ validation, test, activation, classes }: ScaledInput): ScaledScores => {
  const { labels, logits } = someOf(validation, Math.min(mostFitted, Math.ceil(mostNumbers / classes)), classes)
  const predict = (of: LabelledLogits): Measure.Predictions => ({
    classes,
    probabilities: applyRows(activation, of.logits, classes),
    labels: of.labels
  })
  const minimizes = activation === "softmax" ? "negativeLogLikelihood" : "brier"
  const temperature = Measure.fitTemperature(logits, (scaled) =>
    minimizes === "brier"
      ? Measure.brierOf(predict({ labels, logits: scaled }))
      : Measure.softmaxLoss(scaled, labels, classes)
  )
  const scaled = test.logits.map((z) => z / temperature)
  return { minimizes, temperature, scores: Measure.scoresOf(predict({ labels: test.labels, logits: scaled })) }
}
