/**
 * The six claims of the study: each has a rule over numbers that gives its verdict.
 *
 * The report states each rule beside its verdict. The thresholds were chosen before any run. One pair of trainings is one
 * sample, so a verdict is about this run only.
 */

import type { Claim, Difference, Evidence, Scores } from "../../../schemas/Compare.ts"
import type { Gradstats, VariantGradients } from "../../../schemas/Gradstats.ts"
import type { Epoch, History } from "../../../schemas/Train.ts"
import type { Equivalence, Verdict } from "../../../schemas/Verdict.ts"
import { percent, points } from "../Figures.ts"
import { mean, median } from "./Summary.ts"

/** One pair of trainings. */
export interface TrainingPair {
  readonly bn: History
  readonly nobn: History
  readonly gradients: Gradstats
}

/** The input of all rules. */
export interface ClaimInput extends TrainingPair {
  readonly differences: ReadonlyArray<Difference>
  readonly margin: number
  readonly equivalence: Equivalence
  readonly classes: number
  /** Test scores of the network with BN. */
  readonly scores: Readonly<Record<"softmax" | "sparsemax", Scores>>
  /** Share of test rows whose label is among softmax's top three, but has probability 0 under sparsemax. */
  readonly lostBySparsemax: number
}

const fact = (name: string, value: number): Evidence => ({ name, value })
const shown = (value: number): string => value.toPrecision(3)

/** The unit of a loss. */
const unitOf = ({ loss }: History): string => (loss === "crossEntropy" ? " nats" : "")

/** Smaller differences between two single trainings say nothing. */
const clearShare = 0.1

const clearlyLess = (a: number, b: number): boolean => a < b - clearShare * Math.abs(b)

/** All parts hold: supported. None or a minority: not supported. In between: undecided. */
const byParts = (parts: ReadonlyArray<boolean>): Verdict => {
  const held = parts.filter(Boolean).length
  return held === parts.length ? "supported" : held * 2 < parts.length ? "not supported" : "undecided"
}

/** Root mean square of the second differences of a curve, divided by its mean: its roughness, whatever its slope. */
export const roughness = (curve: ReadonlyArray<number>): number => {
  const second = curve.slice(2).map((value, i) => value - 2 * curve[i + 1]! + curve[i]!)
  return Math.sqrt(mean(second.map((value) => value * value))) / Math.max(1e-12, mean(curve))
}

const curve = (history: History, of: (epoch: Epoch) => number): ReadonlyArray<number> => history.epochs.map(of)

/** Mean rise of (validation loss - train loss) an epoch, from the first epoch to the last. */
const gapGrowth = ({ epochs }: History): number => {
  const first = epochs[0]
  const last = epochs[epochs.length - 1]!
  const gap = (epoch: Epoch): number => epoch.validationLoss - epoch.trainLoss
  return epochs.length < 2 ? 0 : (gap(last) - gap(first)) / (epochs.length - 1)
}

const epochOfLowest = ({ epochs }: History): number =>
  epochs.reduce((best, epoch) => (epoch.validationLoss < best.validationLoss ? epoch : best)).epoch

const tooShort = (id: number, claim: string, rule: string, needed: number, have: number): Claim => ({
  id,
  claim,
  rule,
  verdict: "undecided",
  sentence: `The trainings have ${have} epochs; the rule needs ${needed}.`,
  evidence: [fact("epochs", have)]
})

/** The second differences of shorter curves say nothing of their roughness. */
const leastEpochs = 4

const smoother = ({ bn, nobn }: TrainingPair): Claim => {
  const claim = "Batch normalization smooths training and slows overfitting."
  const rule =
    "Smoother: with BN the roughness (RMS of second differences divided by the mean) of train loss and of validation loss is lower by at least 10 %. Slower: the gap between validation and train loss grows by at least 10 % less per epoch, and validation loss reaches its minimum no earlier. Supported if all four hold, not supported if fewer than two do."
  const epochs = Math.min(bn.epochs.length, nobn.epochs.length)
  if (epochs < leastEpochs) return tooShort(1, claim, rule, leastEpochs, epochs)
  const rough = [bn, nobn].map((history) => ({
    train: roughness(curve(history, (epoch) => epoch.trainLoss)),
    validation: roughness(curve(history, (epoch) => epoch.validationLoss)),
    growth: gapGrowth(history),
    lowest: epochOfLowest(history)
  }))
  const [a, b] = [rough[0]!, rough[1]!]
  const parts = [
    clearlyLess(a.train, b.train),
    clearlyLess(a.validation, b.validation),
    clearlyLess(a.growth, b.growth),
    a.lowest >= b.lowest
  ]
  return {
    id: 1,
    claim,
    rule,
    verdict: byParts(parts),
    sentence: `Validation loss is ${shown(b.validation / Math.max(1e-12, a.validation))} times as rough without BN as with it. The gap grows by ${shown(a.growth)}${unitOf(bn)} per epoch with BN and by ${shown(b.growth)} without. Validation loss is lowest at epoch ${a.lowest} with BN and ${b.lowest} without.`,
    evidence: [
      fact("roughness of train loss, BN", a.train),
      fact("roughness of train loss, no BN", b.train),
      fact("roughness of validation loss, BN", a.validation),
      fact("roughness of validation loss, no BN", b.validation),
      fact("growth of the gap, BN", a.growth),
      fact("growth of the gap, no BN", b.growth),
      fact("epoch of lowest validation loss, BN", a.lowest),
      fact("epoch of lowest validation loss, no BN", b.lowest)
    ]
  }
}

const meanNorm = (stats: VariantGradients, layer: string | undefined): number => {
  const row = layer === undefined ? undefined : stats.gradientNorm[stats.layers.indexOf(layer)]
  return row === undefined ? 0 : mean(row)
}

const steadierGradients = ({ gradients: { bn, nobn } }: TrainingPair): Claim => {
  const shared = nobn.layers.filter((layer) => bn.layers.includes(layer))
  const middle = shared.filter((layer, i) => i > 0 && layer.startsWith("conv"))
  const last = shared[shared.length - 1]
  const uneven = [mean(bn.unevenness), mean(nobn.unevenness)] as const
  const lastRatio = meanNorm(bn, last) / Math.max(1e-300, meanNorm(nobn, last))
  const middleRatios = middle.map((layer) => meanNorm(nobn, layer) / Math.max(1e-300, meanNorm(bn, layer)))
  const parts = [
    clearlyLess(bn.unsteadiness, nobn.unsteadiness),
    clearlyLess(uneven[0], uneven[1]),
    clearlyLess(1, lastRatio),
    middleRatios.length > 0 && middleRatios.every((ratio) => clearlyLess(1, ratio))
  ]
  return {
    id: 2,
    claim:
      "With batch normalization gradient norms are steadier, more even over layers and higher in the last layer; without it those of the later convolutions are larger and that of the last layer much smaller.",
    rule: "On norms averaged over epochs, with BN and by at least 10 %: less change from epoch to epoch, less spread over layers, a larger norm in the last layer, and smaller norms in every convolution after the first. Supported if all four hold, not supported if fewer than two do.",
    verdict: byParts(parts),
    sentence: `Steadier with BN: ${parts[0] ? "yes" : "no"}. More even: ${parts[1] ? "yes" : "no"}. The norm of ${last ?? "the last layer"} with BN is ${shown(lastRatio)} times that without; the norms of the later convolutions without BN are ${middleRatios.map(shown).join(" and ") || "no"} times those with BN.`,
    evidence: [
      fact("unsteadiness, BN", bn.unsteadiness),
      fact("unsteadiness, no BN", nobn.unsteadiness),
      fact("unevenness, BN", uneven[0]),
      fact("unevenness, no BN", uneven[1]),
      fact("last layer, BN / no BN", lastRatio),
      ...middle.map((layer, i) => fact(`${layer}, no BN / BN`, middleRatios[i]!))
    ]
  }
}

const sameMetrics = ({ differences, margin, equivalence }: ClaimInput): Claim => ({
  id: 3,
  claim: "Test metrics are the same with and without batch normalization.",
  rule: `Supported if the 90 % bootstrap interval of the difference lies within ±${points(margin)} points for accuracy and macro F1 (two one-sided tests at 5 %). Not supported if it does not and a 95 % interval excludes 0. Otherwise there are too few test images to decide.`,
  verdict: equivalence === "equivalent" ? "supported" : equivalence === "different" ? "not supported" : "undecided",
  sentence: differences
    .map(
      (d) =>
        `${d.metric === "accuracy" ? "Accuracy" : "Macro F1"} differs by ${points(d.estimate)} points (BN minus no BN; 90\u00a0% interval ${points(d.low90)} to ${points(d.high90)}).`
    )
    .join(" "),
  evidence: differences.flatMap((d) => [
    fact(`${d.metric}, difference`, d.estimate),
    fact(`${d.metric}, 90 % low`, d.low90),
    fact(`${d.metric}, 90 % high`, d.high90)
  ])
})

const memoriseAfter = 10
/** Train accuracy rises by more than this, or ends above `highAccuracy`. */
const leastRise = 0.01
const highAccuracy = 0.97
/** Validation accuracy gains less than this. */
const mostGain = 0.02

const memorises = ({ bn, nobn }: TrainingPair): Claim => {
  const claim = `After epoch ${memoriseAfter} the network memorises the train set.`
  const rule = `In each training, after epoch ${memoriseAfter}: train accuracy rises by more than 1 point or ends above 97 %, validation accuracy gains less than 2 points on its best before, and validation loss ends above its lowest before. Supported if this holds in both trainings, not supported if in neither.`
  const epochs = Math.min(bn.epochs.length, nobn.epochs.length)
  if (epochs < memoriseAfter + 2) return tooShort(4, claim, rule, memoriseAfter + 2, epochs)
  const ends = [bn, nobn].map(({ epochs: all }) => {
    const until = all.filter((epoch) => epoch.epoch <= memoriseAfter)
    const after = all.filter((epoch) => epoch.epoch > memoriseAfter)
    const end = after[after.length - 1]!
    const rise = end.trainAccuracy - until[until.length - 1]!.trainAccuracy
    const gain =
      Math.max(...after.map((epoch) => epoch.validationAccuracy)) -
      Math.max(...until.map((epoch) => epoch.validationAccuracy))
    const loss = end.validationLoss - Math.min(...until.map((epoch) => epoch.validationLoss))
    return {
      rise,
      gain,
      loss,
      train: end.trainAccuracy,
      holds: (rise > leastRise || end.trainAccuracy > highAccuracy) && gain < mostGain && loss > 0
    }
  })
  const [a, b] = [ends[0]!, ends[1]!]
  const held = Number(a.holds) + Number(b.holds)
  return {
    id: 4,
    claim,
    rule,
    verdict: held === 2 ? "supported" : held === 0 ? "not supported" : "undecided",
    sentence: `Train accuracy ends at ${percent(a.train)} with BN and ${percent(b.train)} without. After epoch ${memoriseAfter}, validation accuracy gained ${points(a.gain)} and ${points(b.gain)} points, and validation loss ended ${shown(a.loss)} and ${shown(b.loss)}${unitOf(bn)} above its lowest before.`,
    evidence: [
      fact("train accuracy at the end, BN", a.train),
      fact("train accuracy at the end, no BN", b.train),
      fact("validation accuracy gained, BN", a.gain),
      fact("validation accuracy gained, no BN", b.gain),
      fact("validation loss above its lowest, BN", a.loss),
      fact("validation loss above its lowest, no BN", b.loss)
    ]
  }
}

/** Classes that are left on average, and the share of true classes that are lost: few enough to be readable, or too many. */
const readableClasses = 3
const fewLost = 0.1
const manyLost = 0.25

const sparser = ({ scores, classes, lostBySparsemax }: ClaimInput): Claim => {
  const support = scores.sparsemax.supportSize
  const readable = support <= readableClasses
  const verdict: Verdict =
    readable && lostBySparsemax <= fewLost
      ? "supported"
      : support > classes / 2 || lostBySparsemax > manyLost
        ? "not supported"
        : "undecided"
  return {
    id: 5,
    claim: "Sparsemax zeroes classes that do not matter, and the top three become easier to read.",
    rule: "On the test images, for the network with BN: supported if sparsemax keeps three classes or fewer on average and gives 0 to a true class among softmax's top three in at most 10 % of images. Not supported if it keeps more than half of the classes or loses the true class in more than 25 % of images.",
    verdict,
    sentence: `Sparsemax keeps ${shown(support)} of ${classes} classes on average (softmax ${shown(scores.softmax.supportSize)}). It gives 0 to a true class among softmax's top three in ${percent(lostBySparsemax)} of images. Its Brier score is ${shown(scores.sparsemax.brier)}; that of softmax is ${shown(scores.softmax.brier)}.`,
    evidence: [
      fact("mean support, sparsemax", support),
      fact("mean support, softmax", scores.softmax.supportSize),
      fact("true classes lost", lostBySparsemax),
      fact("Brier score, sparsemax", scores.sparsemax.brier),
      fact("Brier score, softmax", scores.softmax.brier)
    ]
  }
}

/** log10 of a layer's norms over the epochs both trainings have, less its mean: its curve without its level. */
const course = (stats: VariantGradients, layer: string, epochs: number): ReadonlyArray<number> => {
  const row = stats.gradientNorm[stats.layers.indexOf(layer)]!.slice(0, epochs)
  const levels = row.map((norm) => Math.log10(Math.max(norm, 1e-30)))
  const middle = mean(levels)
  return levels.map((level) => level - middle)
}

/** RMS of log10 differences: the same course below the first, another above the second. */
const sameCourse = 0.1
const otherCourse = 0.2

const sameDynamics = ({ gradients: { bn, nobn } }: TrainingPair): Claim => {
  const claim = "Gradient norms show no difference in their dynamics over epochs."
  const rule =
    "The RMS difference between the two networks of each layer's log10 norm over epochs, less its mean. Supported if its median over layers is at most 0.1 (26 %), not supported if above 0.2 (58 %)."
  const epochs = Math.min(bn.epochs.length, nobn.epochs.length)
  if (epochs < leastEpochs) return tooShort(6, claim, rule, leastEpochs, epochs)
  const shared = nobn.layers.filter((layer) => bn.layers.includes(layer))
  const apart = shared.map((layer) => {
    const [a, b] = [course(bn, layer, epochs), course(nobn, layer, epochs)]
    return Math.sqrt(mean(a.map((value, i) => (value - b[i]!) ** 2)))
  })
  const middle = median(apart)
  return {
    id: 6,
    claim,
    rule,
    verdict: middle <= sameCourse ? "supported" : middle > otherCourse ? "not supported" : "undecided",
    sentence: `Apart from their levels, the norms over epochs differ by a factor of ${shown(10 ** middle)} in the median layer${shared.length === 0 ? "" : ` (most in ${shared[apart.indexOf(Math.max(...apart))]!}: ${shown(10 ** Math.max(...apart))})`}.`,
    evidence: [fact("median over layers", middle), ...shared.map((layer, i) => fact(layer, apart[i]!))]
  }
}

/** Loss curves and gradient norms are comparable under one loss only. */
const ofOneLoss = ({ bn, nobn }: TrainingPair, claim: Claim): Claim =>
  bn.loss === nobn.loss
    ? claim
    : {
        ...claim,
        verdict: "undecided",
        sentence: "The networks were trained with different losses, whose curves and gradients cannot be compared."
      }

/** The claims that histories alone decide: 1, 2, 4 and 6. */
export const judgeTrainings = (pair: TrainingPair): ReadonlyArray<Claim> => [
  ofOneLoss(pair, smoother(pair)),
  ofOneLoss(pair, steadierGradients(pair)),
  memorises(pair),
  ofOneLoss(pair, sameDynamics(pair))
]

/** All six, in order. */
export const judge = (input: ClaimInput): ReadonlyArray<Claim> =>
  [...judgeTrainings(input), sameMetrics(input), sparser(input)].sort((a, b) => a.id - b.id)
