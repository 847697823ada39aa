/** The test images that at least one network misclassified, and the pairs of classes that are confused most. */
import type { ActivationName } from "../../../schemas/activations/Activations.ts"
import type { VariantName } from "../../../schemas/Names.ts"
import { predict, rowsOf } from "../statistics/Comparison.ts"
import { predictedClasses } from "../statistics/scores/Metrics.ts"
import type { LogitsTable } from "../tables/LogitsTable.ts"
import type { Answer, Mistake } from "./Data.ts"

export type Found = Omit<Mistake, "uri">

/** By the falling confidence of the wrong answer. Ties go by path. */
export const mistakesOf = (table: LogitsTable, activation: ActivationName): ReadonlyArray<Found> => {
  const test = rowsOf(table, "test")
  const classes = table.classes.length
  const answersOf = (variant: VariantName): ReadonlyArray<Answer> => {
    const predictions = predict(test, variant, activation, classes)
    // a row that overflowed has no answer, which is wrong
    return Array.from(predictedClasses(predictions), (predicted, row) => ({
      predicted,
      confidence: predicted < 0 ? 0 : Math.min(1, predictions.probabilities[row * classes + predicted]!),
      right: predicted === test.labels[row]
    }))
  }
  const answers = { bn: answersOf("bn"), nobn: answersOf("nobn") }
  const worst = ({ bn, nobn }: Found): number =>
    Math.max(...[bn, nobn].map(({ confidence, right }) => (right ? 0 : confidence)))
  return test.paths
    .map((path, row): Found => ({ path, label: test.labels[row]!, bn: answers.bn[row]!, nobn: answers.nobn[row]! }))
    .filter(({ bn, nobn }) => !bn.right || !nobn.right)
    .sort((a, b) => worst(b) - worst(a) || (a.path < b.path ? -1 : 1))
}

/** Two classes that are confused, and by which network how often. */
export interface ConfusedPair {
  readonly label: number
  readonly predicted: number
  readonly images: Readonly<Record<VariantName, number>>
}

/** The most confused first. */
export const confusedPairs = (
  matrices: Readonly<Record<VariantName, ReadonlyArray<ReadonlyArray<number>>>>
): ReadonlyArray<ConfusedPair> => {
  const sumOf = ({ images }: ConfusedPair): number => images.bn + images.nobn
  const pairs = matrices.bn.flatMap((row, label) =>
    row.flatMap((bn, predicted): ReadonlyArray<ConfusedPair> => {
      const nobn = matrices.nobn[label]![predicted]!
      return label === predicted || bn + nobn === 0 ? [] : [{ label, predicted, images: { bn, nobn } }]
    })
  )
  return pairs.sort((a, b) => sumOf(b) - sumOf(a) || a.label - b.label || a.predicted - b.predicted)
}

/** What became of an image: both networks are wrong, or the one that is right makes the difference. */
export const fateOf = ({ bn, nobn }: Pick<Found, VariantName>): "both" | "mended" | "broke" =>
  bn.right ? "mended" : nobn.right ? "broke" : "both"
