/** Scores on rows that can be counted by hand, and laws that hold for all rows. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { applyRows } from "../../../../../schemas/activations/Activations.ts"
import * as Random from "../../../../../stages/lib/Random.ts"
import {
  brierOf,
  calibrationError,
  calibrationOf,
  fitTemperature,
  type Predictions,
  perClassOf,
  predictedClasses,
  ranked,
  rankOf,
  scoresOf,
  softmaxLoss,
  topOf
} from "../../../../../stages/lib/statistics/scores/Metrics.ts"

const predictions = (classes: number, rows: ReadonlyArray<ReadonlyArray<number>>, labels: ReadonlyArray<number>) =>
  ({ classes, probabilities: Float64Array.from(rows.flat()), labels: Int32Array.from(labels) }) satisfies Predictions

describe("by hand", () => {
  const four = predictions(
    4,
    [
      [0.7, 0.1, 0.1, 0.1],
      [0.2, 0.5, 0.2, 0.1],
      [0.6, 0.3, 0.1, 0],
      [0, 0, 0, 1]
    ],
    [0, 1, 1, 2]
  )

  it("accuracy, top three, Brier, support", () => {
    const scores = scoresOf(four)
    expect(scores.accuracy).toBe(0.5)
    expect(scores.f1Micro).toBe(0.5)
    // the last row's label has probability 0: it is not among the three, though three classes tie
    expect(scores.top3).toBe(0.75)
    expect(scores.zeroLabelRows).toBe(1)
    expect(scores.negativeLogLikelihood).toBeNull()
    expect(scores.supportSize).toBe((4 + 4 + 3 + 1) / 4)
    expect(brierOf(four)).toBe(scores.brier)
    expect(scores.brier).toBeCloseTo((0.12 + 0.34 + (0.36 + 0.49 + 0.01) + 2) / 4, 12)
    // F1 of class 0: 2/3; of 1: 2/3; of 2 and 3: 0
    expect(scores.f1Macro).toBeCloseTo(4 / 3 / 4, 12)
  })

  it("per class", () => {
    const rows = perClassOf(["a", "b", "c", "d"], four.labels, predictedClasses(four), [1, 2, 1, 0])
    expect(rows[0]).toEqual({ class: "a", support: 1, groups: 1, precision: 0.5, recall: 1, f1: 2 / 3 })
    expect(rows[1]).toEqual({ class: "b", support: 2, groups: 2, precision: 1, recall: 0.5, f1: 2 / 3 })
    expect(rows[3]).toEqual({ class: "d", support: 0, groups: 0, precision: 0, recall: 0, f1: 0 })
  })

  it("calibration: four rows in four bins", () => {
    const bins = calibrationOf(four)
    expect(bins.filter((bin) => bin.rows > 0)).toHaveLength(4)
    expect(calibrationError(bins)).toBeCloseTo((0.3 + 0.5 + 0.6 + 1) / 4, 12)
  })

  it("a row that overflowed is wrong, and counted", () => {
    const scores = scoresOf(
      predictions(
        2,
        [
          [Number.NaN, 0],
          [0, 1]
        ],
        [0, 1]
      )
    )
    expect(scores.accuracy).toBe(0.5)
    expect(scores.overflowRows).toBe(1)
    expect(scores.negativeLogLikelihood).toBeNull()
    expect(scores.brier).toBe(1)
    expect(scores.f1Macro).toBe(0.5)
  })
})

const logits = fc.integer({ min: 2, max: 6 }).chain((classes) =>
  fc.record({
    classes: fc.constant(classes),
    rows: fc.array(
      fc.record({
        label: fc.integer({ min: 0, max: classes - 1 }),
        // thousandths: logits that differ by less than a rounding error are nobody's
        z: fc.array(
          fc.integer({ min: -6000, max: 6000 }).map((n) => n / 1000),
          { minLength: classes, maxLength: classes }
        )
      }),
      { minLength: 1, maxLength: 30 }
    )
  })
)

describe("laws", () => {
  it("scores lie where they can lie; the softmax of a perfect network scores perfectly", () => {
    fc.assert(
      fc.property(logits, ({ classes, rows }) => {
        const z = Float32Array.from(rows.flatMap((row) => row.z))
        const labels = Int32Array.from(rows, (row) => row.label)
        for (const name of ["softmax", "sparsemax", "entmax15"] as const) {
          const scores = scoresOf({ classes, probabilities: applyRows(name, z, classes), labels })
          for (const value of [scores.accuracy, scores.f1Macro, scores.top3, scores.calibrationError]) {
            expect(value).toBeGreaterThanOrEqual(0)
            expect(value).toBeLessThanOrEqual(1)
          }
          expect(scores.top3).toBeGreaterThanOrEqual(scores.accuracy)
          expect(scores.brier).toBeLessThanOrEqual(2 + 1e-9)
          expect(scores.supportSize).toBeGreaterThanOrEqual(1)
        }
        const perfect = z.map((_, i) => (i % classes === labels[Math.floor(i / classes)] ? 50 : 0))
        const scores = scoresOf({ classes, probabilities: applyRows("softmax", perfect, classes), labels })
        expect(scores.accuracy).toBe(1)
        expect(scores.f1Macro).toBe(1)
        expect(scores.negativeLogLikelihood).toBeLessThan(1e-9)
      })
    )
  })

  it("activations do not change the predicted", () => {
    fc.assert(
      fc.property(logits, ({ classes, rows }) => {
        const z = Float32Array.from(rows.flatMap((row) => row.z))
        const labels = Int32Array.from(rows, (row) => row.label)
        const predicted = (name: "softmax" | "sparsemax" | "entmax15") =>
          predictedClasses({ classes, probabilities: applyRows(name, z, classes), labels })
        // equal logits aside, whose answer is the first of equals under all
        expect(predicted("sparsemax")).toEqual(predicted("softmax"))
        expect(predicted("entmax15")).toEqual(predicted("softmax"))
      })
    )
  })
})

describe("temperature", () => {
  it("undoes a scale that was put on calibrated logits", () => {
    // two classes, log odds of 3 to 1, right three times out of four: calibrated at T = 1
    const z = Float32Array.from(Array.from({ length: 400 }, () => [Math.log(3), 0]).flat())
    const labels = Int32Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 1 : 0))
    const loss = (scaled: Float32Array): number => softmaxLoss(scaled, labels, 2)
    expect(fitTemperature(z, loss)).toBeCloseTo(1, 2)
    const sharper = z.map((value) => value * 2.5)
    expect(fitTemperature(sharper, loss)).toBeCloseTo(2.5, 2)
  })

  it("finds the least Brier score of sparsemax, as a search of all temperatures does", () => {
    const random = Random.make(3, "temperature")
    const labels = Int32Array.from({ length: 60 }, () => random.int(4))
    const z = Float32Array.from(
      { length: 240 },
      (_, i) => random.between(-4, 4) + (labels[Math.floor(i / 4)] === i % 4 ? 2 : 0)
    )
    const loss = (scaled: Float32Array): number =>
      brierOf({ classes: 4, probabilities: applyRows("sparsemax", scaled, 4), labels })
    const found = loss(z.map((value) => value / fitTemperature(z, loss)))
    const all = Array.from({ length: 1200 }, (_, i) => Math.exp(-3 + i / 200))
    expect(found).toBeLessThan(Math.min(...all.map((t) => loss(z.map((value) => value / t)))) + 1e-3)
  })
})

describe("the three most probable classes", () => {
  it("are ranked; none has probability 0, and NaN gives none", () => {
    const names = ["a", "b", "c", "d"]
    expect(topOf([0.1, 0.5, 0.15, 0.25], names, 3).map((one) => one.class)).toEqual(["b", "d", "c"])
    expect(topOf([0, 1, 0, 0], names, 3)).toEqual([{ class: "b", probability: 1 }])
    expect(topOf([Number.NaN, Number.NaN, 0, 0], names, 3)).toEqual([])
  })
})

describe("the place of a class", () => {
  it("is that in the sorted list, ties included", () => {
    const row = fc.array(fc.constantFrom(0, 0.1, 0.25, 0.5), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(row, fc.nat(), (probabilities, at) => {
        const label = at % probabilities.length
        expect(rankOf(probabilities, label)).toBe(ranked(probabilities).indexOf(label))
      })
    )
  })
})
