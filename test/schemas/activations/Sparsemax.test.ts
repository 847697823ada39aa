/** The sparsemax loss by what defines it: its gradient, where it is 0, and values worked out by hand. */
import fc from "fast-check"
import { expect, it } from "vitest"
import { activations } from "../../../schemas/activations/Activations.ts"
import { sparsemaxLoss } from "../../../schemas/activations/Sparsemax.ts"
import * as Scores from "../../../stages/lib/statistics/Scores.ts"

const rows = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 2, maxLength: 8 })

it("by hand", () => {
  // two classes: with t = z0 - z1 within (-1, 1) it is (t - 1)^2 / 4 for label 0
  expect(sparsemaxLoss([0.2, 0], 0)).toBeCloseTo(0.16, 12)
  expect(sparsemaxLoss([0, 0], 1)).toBeCloseTo(0.25, 12)
  // beyond: 0 for the one, the distance less one for the other... -t
  expect(sparsemaxLoss([5, 0], 0)).toBe(0)
  expect(sparsemaxLoss([5, 0], 1)).toBeCloseTo(5, 12)
})

it("its slope is sparsemax less one at the label, by central differences", () => {
  fc.assert(
    fc.property(rows, fc.nat(), (z, at) => {
      const label = at % z.length
      const expected = activations.sparsemax.apply(z).map((p, i) => p - (i === label ? 1 : 0))
      const step = 1e-5
      for (let i = 0; i < z.length; i++) {
        const moved = (by: number): ReadonlyArray<number> => z.map((value, k) => (k === i ? value + by : value))
        const slope = (sparsemaxLoss(moved(step), label) - sparsemaxLoss(moved(-step), label)) / (2 * step)
        // the slope has kinks: within a step of one it is off by at most the step
        expect(Math.abs(slope - expected[i]!)).toBeLessThan(2e-5)
      }
    }),
    { seed: 7, numRuns: 200 }
  )
})

it("is 0 exactly where the label leads by 1 or more, and does not change when all logits move", () => {
  fc.assert(
    fc.property(rows, fc.nat(), fc.double({ min: -50, max: 50, noNaN: true }), (z, at, by) => {
      const label = at % z.length
      const others = z.filter((_, i) => i !== label)
      const lead = z[label]! - Math.max(...others)
      fc.pre(Math.abs(lead - 1) > 1e-6)
      const loss = sparsemaxLoss(z, label)
      expect(loss < 1e-12).toBe(lead >= 1)
      expect(
        sparsemaxLoss(
          z.map((value) => value + by),
          label
        )
      ).toBeCloseTo(loss, 9)
    }),
    { seed: 8, numRuns: 300 }
  )
})

it("scores take it in place of the cross-entropy, and nothing else changes", () => {
  const logits = Float32Array.of(0.2, 0, 5, 0)
  const labels = Int32Array.of(0, 1)
  const [soft, sparse] = [Scores.of(logits, labels, 2), Scores.of(logits, labels, 2, "sparsemax")]
  // float32 of 0.2
  expect(sparse.loss).toBeCloseTo((0.16 + 5) / 2, 6)
  expect(soft.loss).toBeCloseTo((Math.log(1 + Math.exp(-0.2)) + Math.log(1 + Math.exp(5))) / 2, 6)
  expect({ ...sparse, loss: 0 }).toEqual({ ...soft, loss: 0 })
})
