/** Temperatures of an activation: from how many rows they come, and that of many classes so few rows suffice. */
import { expect, it } from "vitest"
import * as Random from "../../../../../stages/lib/Random.ts"
import { type LabelledLogits, scaledScores } from "../../../../../stages/lib/statistics/scores/ScaledScores.ts"

/** Rows whose label leads by so much that a temperature of about two fits them. */
const rowsOf = (count: number, classes: number): LabelledLogits => {
  const random = Random.make(7, "scaled", classes)
  const labels = Int32Array.from({ length: count }, () => random.int(classes))
  const logits = new Float32Array(count * classes)
  for (let at = 0; at < logits.length; at++) logits[at] = random.between(-6, 6)
  for (const [row, label] of labels.entries()) logits[row * classes + label]! += 4
  return { labels, logits }
}

it("400,000 logits fit a temperature as all of them do: further rows change nothing", () => {
  const classes = 500
  const validation = rowsOf(1600, classes)
  const test = rowsOf(1, classes)
  const temperature = (of: LabelledLogits) =>
    scaledScores({ validation: of, test, activation: "softmax", classes }).temperature
  const used = temperature(validation)
  // every other row is used
  const halves = validation.logits.slice()
  for (let row = 1; row < 1600; row += 2) halves.fill(0, row * classes, (row + 1) * classes)
  expect(temperature({ labels: validation.labels, logits: halves })).toBe(used)
}, 60_000)
