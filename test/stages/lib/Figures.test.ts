/** Numbers as text: percent, points, significant digits. */
import { expect, it } from "vitest"
import { percent, points, signedPoints, significant } from "../../../stages/lib/Figures.ts"

it("percent keeps the number and its sign together", () => {
  expect(percent(0.6131)).toBe("61.3\u00a0%")
  expect(percent(1, 0)).toBe("100\u00a0%")
})

it("points have a true minus sign, and a plus where it is asked for", () => {
  expect([points(0.012), points(-0.012)]).toEqual(["1.2", "−1.2"])
  expect([signedPoints(0.012), signedPoints(-0.012), signedPoints(0)]).toEqual(["+1.2", "−1.2", "+0.0"])
  // what rounds to nothing has no sign of its own
  expect([points(-2e-16), signedPoints(-0.0004)]).toEqual(["0.0", "+0.0"])
})

it.each([
  [0, "0"],
  [0.30004, "0.3"],
  [1234.5, "1230"],
  [123_456, "1.2e5"],
  [0.00012, "1.2e-4"],
  [-0.5, "-0.5"]
])("%d has three significant digits", (value, text) => expect(significant(value)).toBe(text))
