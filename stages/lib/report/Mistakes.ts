/** The test images that at least one network misclassified, and the pairs of classes that are confused most. */
import type { ActivationName } from "../../../schemas/activations/Activations.ts"
import type { Metrics } from "../../../schemas/Compare.ts"
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
export const confusedPairs = ({ bn, nobn }: Pick<Metrics, VariantName>): ReadonlyArray<ConfusedPair> => {
  const pairs = new Map<string, { label: number; predicted: number; images: { bn: number; nobn: number } }>()
  for (const [variant, { confusion }] of Object.entries({ bn, nobn })) {
    for (const { label, predicted, images } of confusion) {
      if (label === predicted) continue
      const pair = pairs.get(`${label} ${predicted}`) ?? { label, predicted, images: { bn: 0, nobn: 0 } }
      pairs.set(`${label} ${predicted}`, { ...pair, images: { ...pair.images, [variant]: images } })
    }
  }
  const sumOf = ({ images }: ConfusedPair): number => images.bn + images.nobn
  return [...pairs.values()].sort((a, b) => sumOf(b) - sumOf(a) || a.label - b.label || a.predicted - b.predicted)
}

/** What became of an image: both networks are wrong, or the one that is right makes the difference. */
export const fateOf = ({ bn, nobn }: Pick<Found, VariantName>): "both" | "mended" | "broke" =>
  bn.right ? "mended" : nobn.right ? "broke" : "both"
