/** The first figure's numbers: those of the plain scores, seed by seed, with intervals over groups and seeds. */
import { describe, expect, it } from "vitest"
import { applyRows } from "../../../../schemas/activations/Activations.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { headlineOf } from "../../../../stages/lib/statistics/Headline.ts"
import { overSeeds } from "../../../../stages/lib/statistics/OverSeeds.ts"
import { studentBound } from "../../../../stages/lib/statistics/Statistics.ts"
import * as Measure from "../../../../stages/lib/statistics/scores/Metrics.ts"

const classes = 3
const rows = 120
const labels = Int32Array.from({ length: rows }, (_, row) => row % classes)
/** Logits that are `strength` for the label, and noise. */
const logitsOf = (strength: number, seed: number): Float32Array => {
  const random = Random.make(seed, "logits")
  return Float32Array.from(
    { length: rows * classes },
    (_, i) => random.between(-1, 1) + (i % classes === labels[Math.floor(i / classes)] ? strength : 0)
  )
}
const seed = (number: number) => ({ bn: logitsOf(1.2, number), nobn: logitsOf(0.6, 100 + number) })

const headline = (seeds: number, groupSize = 1) =>
  headlineOf({
    paired: {
      classes,
      labels,
      bn: new Int32Array(rows),
      nobn: new Int32Array(rows),
      // of one class each
      groups: Array.from(labels, (label, row) => `${label}/${Math.floor(row / (classes * groupSize))}`)
    },
    logits: Array.from({ length: seeds }, (_, i) => seed(i)),
    activation: "softmax",
    differences: [{ metric: "accuracy", estimate: 0.1, low95: 0.02, high95: 0.18, low90: 0.03, high90: 0.17 }],
    seeds: undefined,
    margin: 0.03,
    resamples: 1000,
    seed: 1
  })

describe("the headline", () => {
  it("has the differences of the plain scores", () => {
    const [accuracy, loss, calibration] = headline(2)
    expect(accuracy).toMatchObject({ values: [0.1], low95: 0.02, high95: 0.18 })
    for (const number of [0, 1]) {
      const { bn, nobn } = seed(number)
      const of = (logits: Float32Array): number => Measure.softmaxLoss(logits, labels, classes)
      expect(loss!.values[number]).toBeCloseTo(of(bn) - of(nobn), 12)
      const error = (logits: Float32Array): number => {
        const predictions = { classes, labels, probabilities: applyRows("softmax", logits, classes) }
        return Measure.calibrationError(Measure.calibrationOf(predictions))
      }
      expect(calibration!.values[number]).toBeCloseTo(error(bn) - error(nobn), 12)
    }
  })

  it("has no difference in calibration of more than all", () => {
    // of two seeds that differ, Student's t alone reaches beyond it
    const { low95, high95 } = overSeeds([0.1, -0.5], 0.1, 1)
    expect([low95, high95]).toEqual([-1, 1])
    expect(overSeeds([0.1, -0.5], 0.1).high95).toBeGreaterThan(3)
    for (const { metric, ...row } of headline(2, 20)) {
      if (metric === "calibrationError") expect(Math.max(-row.low95, row.high95)).toBeLessThanOrEqual(1)
    }
  })

  it("adds what seeds add, as independent errors add", () => {
    const [, one] = headline(1)
    const [, two] = headline(2)
    const half = ({ mean, high95 }: { mean: number; high95: number }): number => high95 - mean
    const [a, b] = two!.values as [number, number]
    // the mean of two values has the deviation of half their distance
    const student = studentBound(0.95, 1) * (Math.abs(a - b) / 2)
    expect(half(two!)).toBeCloseTo(Math.hypot(half(one!), student), 9)
    expect(two!.mean - two!.low95).toBeCloseTo(half(two!), 12)
  })

  it("has wider intervals where there are fewer groups of the same images", () => {
    const width = (groupSize: number): number => headline(1, groupSize)[1]!.high95 - headline(1, groupSize)[1]!.low95
    // standard error of a mean of 120 differences, to a tenth
    const losses = seed(0)
    const each = Array.from(labels, (label, row) => {
      const of = (logits: Float32Array): number =>
        Measure.softmaxLoss(logits.subarray(row * classes, (row + 1) * classes), Int32Array.of(label), classes)
      return of(losses.bn) - of(losses.nobn)
    })
    const mean = each.reduce((x, y) => x + y, 0) / rows
    const deviation = Math.sqrt(each.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (rows - 1))
    expect(width(1) / ((3.92 * deviation) / Math.sqrt(rows))).toBeCloseTo(1, 0.9)
  })
})
