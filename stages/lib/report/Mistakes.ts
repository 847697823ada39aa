/** The test images that the network with BN misclassified with the highest confidence. */
import type { ActivationName } from "../../../schemas/activations/Activations.ts"
import { predict, rowsOf } from "../statistics/Comparison.ts"
import { predictedClasses } from "../statistics/Metrics.ts"
import type { LogitsTable } from "../tables/LogitsTable.ts"
import type { Mistake } from "./Data.ts"

const most = 24
/** At least so many of each class, so that every class in the list has images. */
const perClass = 3

/** By falling confidence: the highest of all, and the few highest of each label. Ties go by path. */
export const worstMistakes = (table: LogitsTable, activation: ActivationName): ReadonlyArray<Omit<Mistake, "uri">> => {
  const test = rowsOf(table, "test")
  const classes = table.classes.length
  const predictions = predict(test, "bn", activation, classes)
  const predicted = predictedClasses(predictions)
  const wrong = Array.from(predicted, (predicted, row) => ({ predicted, row }))
    .filter(({ predicted, row }) => predicted >= 0 && predicted !== test.labels[row])
    .map(({ predicted, row }) => ({
      path: test.paths[row]!,
      label: table.classes[test.labels[row]!]!,
      predicted: table.classes[predicted]!,
      confidence: Math.min(1, predictions.probabilities[row * classes + predicted]!)
    }))
    .sort((a, b) => b.confidence - a.confidence || (a.path < b.path ? -1 : 1))
  const seen = new Map<string, number>()
  return wrong.filter((one, i) => {
    const before = seen.get(one.label) ?? 0
    seen.set(one.label, before + 1)
    return i < most || before < perClass
  })
}
