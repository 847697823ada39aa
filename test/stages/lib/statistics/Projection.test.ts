/** Principal components of points whose axes are known. */
import { expect, it } from "vitest"
import * as Random from "../../../../stages/lib/Random.ts"
import { project } from "../../../../stages/lib/statistics/Projection.ts"

it("finds the axes of a stretched cloud", () => {
  const random = Random.make(1, "cloud")
  const rows = new Float32Array(2000 * 3)
  for (let i = 0; i < 2000; i++) {
    // along (1, 1, 0) with sd 5.8, along (0, 0, 1) with sd 1.7, hardly across
    const [a, b, c] = [random.between(-10, 10), random.between(-3, 3), random.between(-0.1, 0.1)]
    rows.set([a / Math.SQRT2 + c, a / Math.SQRT2 - c, b], i * 3)
  }
  const { points, explained } = project(rows, 3)
  expect(explained[0]).toBeGreaterThan(0.88)
  expect(explained[0] + explained[1]).toBeGreaterThan(0.999)
  for (let i = 0; i < 50; i++) {
    expect(Math.abs(points[i * 2]! - (rows[i * 3]! + rows[i * 3 + 1]!) / Math.SQRT2)).toBeLessThan(0.6)
  }
})

it("gives a point where all rows are alike", () => {
  const { points, explained } = project(new Float32Array(12).fill(2), 3)
  expect(Array.from(points)).toEqual(new Array(8).fill(0))
  expect(explained).toEqual([0, 0])
})

it("keeps the axes apart where columns are many, and equal variances do not confuse it", () => {
  const random = Random.make(2, "wide")
  const columns = 300
  const rows = new Float32Array(40 * columns)
  for (let i = 0; i < 40; i++) {
    const [a, b] = [random.between(-5, 5), random.between(-5, 5)]
    for (let k = 0; k < columns; k++) rows[i * columns + k] = (k % 2 === 0 ? a : b) + random.between(-0.1, 0.1)
  }
  const { points, explained } = project(rows, columns)
  expect(explained[0]).toBeGreaterThanOrEqual(explained[1])
  expect(explained[0] + explained[1]).toBeGreaterThan(0.99)
  let dot = 0
  for (let i = 0; i < 40; i++) dot += points[i * 2]! * points[i * 2 + 1]!
  // coordinates along two principal axes do not correlate
  expect(Math.abs(dot) / 40).toBeLessThan(1e-2)
})
