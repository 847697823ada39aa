/** What each chart shows and says, for readers who do not see it: the finding first. */
import { variantNames } from "../../../../charts/Theme.ts"
import type { Metrics } from "../../../../schemas/Compare.ts"
import type { Gradstats, LastEpochRow } from "../../../../schemas/Gradstats.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import type { Manifest } from "../../../../schemas/Split.ts"
import type { History, TrainedNetwork } from "../../../../schemas/Train.ts"
import { percent, significant } from "../../Figures.ts"
import type { FigureName } from "../Data.ts"
import { confusedPairs } from "../Mistakes.ts"
import { heroLabel } from "./Hero.ts"

export interface LabelInput {
  readonly metrics: Metrics
  readonly manifest: Manifest
  readonly histories: Readonly<Record<VariantName, History>>
  readonly gradients: Gradstats
  readonly network: TrainedNetwork
}

/** The same of both networks: "with BN ..., without BN ...". */
const each = (of: (variant: VariantName) => string): string =>
  variants.map((variant) => `${variantNames[variant]} ${of(variant)}`).join(", ")

const best = (history: History): History["epochs"][number] =>
  history.epochs.find(({ epoch }) => epoch === history.bestEpoch)!

const lossLabel = ({ histories }: LabelInput): string =>
  `Validation loss is least ${each((variant) => {
    const least = histories[variant].epochs.reduce((a, b) => (b.validationLoss < a.validationLoss ? b : a))
    return `after epoch ${least.epoch} (${significant(least.validationLoss)})`
  })}`

const accuracyLabel = ({ histories }: LabelInput): string =>
  `At the epoch of the best validation accuracy, test accuracy is ${each((variant) => percent(best(histories[variant]).testAccuracy))}, train accuracy ${each((variant) => percent(best(histories[variant]).trainAccuracy))}`

const largest = (rows: ReadonlyArray<LastEpochRow>, of: (row: LastEpochRow) => number | null): string => {
  const found = [...rows].sort((a, b) => (of(b) ?? -1) - (of(a) ?? -1))[0]
  const value = found === undefined ? null : of(found)
  return value === null ? "nowhere" : `in ${found!.layer} (${significant(value)})`
}

const confusedLabel = (metrics: Metrics, variant: VariantName): string => {
  const pairs = confusedPairs(metrics)
  const worst = [...pairs].sort((a, b) => b.images[variant] - a.images[variant])[0]
  if (worst === undefined || worst.images[variant] === 0) return "no class is taken for another"
  return `most often ${metrics.classes[worst.label]} is taken for ${metrics.classes[worst.predicted]} (${worst.images[variant]} images)`
}

const balanceLabel = ({ manifest: { counts } }: LabelInput): string => {
  const sizes = counts.map(({ train, validation, test }) => train + validation + test)
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
  return `Images of each class by split: ${least === most ? `${least} of each` : `from ${least} to ${most}`}`
}

const errorOf = (metrics: Metrics, variant: VariantName): string =>
  percent(
    metrics[variant].activations.find(({ activation }) => activation === metrics.activation)!.scores.calibrationError
  )

const seedLabel = ({ metrics: { seeds } }: LabelInput): string =>
  `${each((variant) => {
    const { mean } = seeds![variant].scores.find(({ metric }) => metric === "testAccuracy")!
    return percent(mean)
  })} of the test images are right on the mean of ${seeds!.count} seeds`

export const labelsOf = (input: LabelInput): Readonly<Record<FigureName, string>> => {
  const { gradients, metrics } = input
  const { lastEpoch } = gradients
  const norms = each((variant) => largest(lastEpoch, (row) => row[variant]))
  const ratio = each((variant) => {
    const value = gradients[variant].firstOverLast.at(-1)
    return value === null || value === undefined ? "none" : significant(value)
  })
  const right = each((variant) => percent(metrics[variant].accuracy.estimate))
  const map = (variant: VariantName): string =>
    `Map of the test images by two principal components of the network ${variantNames[variant]}: ${percent(metrics[variant].accuracy.estimate)} are right`
  const seeded = metrics.seeds === undefined ? "" : seedLabel(input)
  return {
    hero: heroLabel(metrics.headline),
    balance: balanceLabel(input),
    network: `Diagram of the network: ${input.network.table.length} layers, ${input.network.totalParameters.toLocaleString("en-US")} parameters`,
    filters: "Filters of the first convolution of both networks, as small colour images",
    loss: `${lossLabel(input)}. Line chart by epoch`,
    accuracy: `${accuracyLabel(input)}. Line chart by epoch`,
    seedLoss: `Mean loss by epoch with bands over seeds; ${seeded}`,
    seedAccuracy: `Mean accuracy by epoch with bands over seeds; ${seeded}`,
    heatMaps: `In the last epoch the gradient norm is greatest ${norms}. Heat maps by layer and epoch`,
    profiles: `In the last epoch the gradient norm is greatest ${norms}. Line chart by layer, one line per epoch`,
    ratio: `In the last epoch the gradient norm of the first layer over that of the last is ${ratio}. Line chart by epoch`,
    updates: `In the last epoch the update-to-weight ratio is greatest ${each((variant) => largest(lastEpoch, (row) => row.updateRatio[variant]))}. Line chart by epoch`,
    dead: `After the last epoch the share of dead ReLUs is greatest ${each((variant) => largest(lastEpoch, (row) => row.deadShare[variant]))}. Line chart by epoch`,
    logits: `Logits by test image and class; the greatest is that of the true class for ${right}. Heat maps`,
    mapBn: map("bn"),
    mapNobn: map("nobn"),
    calibration: `Calibration error ${each((variant) => errorOf(metrics, variant))} under ${metrics.activation}. Line chart of accuracy by confidence`,
    confusionBn: `Confusion matrix with BN: ${confusedLabel(metrics, "bn")}`,
    confusionNobn: `Confusion matrix without BN: ${confusedLabel(metrics, "nobn")}`,
    confusion: `Confusion matrices: with BN ${confusedLabel(metrics, "bn")}; without BN ${confusedLabel(metrics, "nobn")}`,
    lookedAt:
      "Test images that a network takes for another class, each beside what speaks for the answer of both networks",
    predictions: `${metrics.examples.length} test images with their label and the three most probable classes`
  }
}
