/**
 * The six claims of the study: each has a rule over numbers that gives its verdict.
 *
 * Each claim is a checklist: parts with a value, a threshold, an interval where there is one, and whether they hold. The
 * report states rule and parts beside the verdict. The thresholds were chosen before any run. One pair of trainings is one
 * sample, so a verdict is about this run only.
 */

import type { Claim, Constant, Difference, Evidence, Part, Scores } from "../../../schemas/Compare.ts"
import type { Gradstats, VariantGradients } from "../../../schemas/Gradstats.ts"
import type { Equivalence, Verdict } from "../../../schemas/Seeds.ts"
import type { Epoch, History } from "../../../schemas/Train.ts"
import { percent, points } from "../Figures.ts"
import type { Estimate } from "./Groups.ts"
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
  /** The best constant answer on test, and the accuracy of each network, with its interval. */
  readonly constant: Constant
  readonly accuracy: Readonly<Record<"bn" | "nobn", Estimate>>
  /** Test scores of the network with BN, each activation with its own temperature. */
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

const state = (holds: boolean): Part["state"] => (holds ? "holds" : "fails")

const atMost = (name: string, value: number, threshold: number): Part => ({
  name,
  value,
  relation: "at most",
  threshold,
  state: state(value <= threshold)
})

const atLeast = (name: string, value: number, threshold: number): Part => ({
  name,
  value,
  relation: "at least",
  threshold,
  state: state(value >= threshold)
})

/** `a` is less than `b`, by a tenth of it at least. */
const clearlyLess = (name: string, a: number, b: number): Part => atMost(name, a, b - clearShare * Math.abs(b))

/**
 * All parts hold: supported. A minority: not supported. In between: mixed. Where it depends on parts that are unclear:
 * undecided.
 */
export const byParts = (parts: ReadonlyArray<Part>): Verdict => {
  const held = parts.filter((part) => part.state === "holds").length
  const unclear = parts.filter((part) => part.state === "unclear").length
  const of = (count: number): Verdict =>
    count === parts.length ? "supported" : count * 2 < parts.length ? "not supported" : "mixed"
  return of(held) === of(held + unclear) ? of(held) : "undecided"
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
  sentence: `The trainings have ${have} ${have === 1 ? "epoch" : "epochs"}; the rule needs ${needed}.`,
  parts: [],
  evidence: [fact("epochs", have)]
})

/** The second differences of shorter curves say nothing of their roughness. */
const leastEpochs = 4

const change = (growth: number): string => `${growth < 0 ? "narrows" : "grows"} by ${shown(Math.abs(growth))}`

const smoother = ({ bn, nobn }: TrainingPair): Claim => {
  const claim = "Batch normalization smooths training and slows overfitting."
  const rule =
    "Smoother: with BN the roughness (RMS of second differences divided by the mean) of train loss and of validation loss is lower by at least 10 %. Slower: the gap between validation and train loss grows by at least 10 % less per epoch, and validation loss reaches its minimum no earlier. Supported if all four hold, not supported if fewer than two do, else mixed."
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
    clearlyLess("roughness of train loss, BN", a.train, b.train),
    clearlyLess("roughness of validation loss, BN", a.validation, b.validation),
    clearlyLess("growth of the gap per epoch, BN", a.growth, b.growth),
    atLeast("epoch of lowest validation loss, BN", a.lowest, b.lowest)
  ]
  return {
    id: 1,
    claim,
    rule,
    verdict: byParts(parts),
    sentence: `Validation loss is ${shown(b.validation / Math.max(1e-12, a.validation))} times as rough without BN as with it. The gap ${change(a.growth)}${unitOf(bn)} per epoch with BN and ${change(b.growth)} without. Validation loss is lowest at epoch ${a.lowest} with BN and ${b.lowest} without.`,
    parts,
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

const yes = (part: Part): string => (part.state === "holds" ? "yes" : "no")

const steadierGradients = ({ gradients: { bn, nobn } }: TrainingPair): Claim => {
  const shared = nobn.layers.filter((layer) => bn.layers.includes(layer))
  const middle = shared.filter((layer, i) => i > 0 && layer.startsWith("conv"))
  const last = shared[shared.length - 1]
  const uneven = [mean(bn.unevenness), mean(nobn.unevenness)] as const
  const lastRatio = meanNorm(bn, last) / Math.max(1e-300, meanNorm(nobn, last))
  const middleRatios = middle.map((layer) => meanNorm(nobn, layer) / Math.max(1e-300, meanNorm(bn, layer)))
  const parts = [
    clearlyLess("unsteadiness over epochs, BN", bn.unsteadiness, nobn.unsteadiness),
    clearlyLess("unevenness over layers, BN", uneven[0], uneven[1]),
    atLeast("norm of the last layer, BN / no BN", lastRatio, 1 / (1 - clearShare)),
    atLeast(
      "least ratio of the later convolutions, no BN / BN",
      Math.min(...middleRatios, Number.MAX_VALUE),
      1 / (1 - clearShare)
    )
  ].filter((_, k) => k < 3 || middleRatios.length > 0)
  return {
    id: 2,
    claim:
      "With batch normalization gradient norms are steadier, more even over layers and higher in the last layer; without it those of the later convolutions are larger and that of the last layer much smaller.",
    rule: "On norms averaged over epochs, with BN and by at least 10 %: less change from epoch to epoch, less spread over layers, a larger norm in the last layer, and smaller norms in every convolution after the first. Supported if all four hold, not supported if fewer than two do, else mixed.",
    verdict: byParts(parts),
    sentence: `Steadier with BN: ${yes(parts[0]!)}. More even: ${yes(parts[1]!)}. The norm of ${last ?? "the last layer"} with BN is ${shown(lastRatio)} times that without; the norms of the later convolutions without BN are ${middleRatios.map(shown).join(" and ") || "no"} times those with BN.`,
    parts,
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

/** A claim about test scores says nothing of a network that is not known to beat a constant answer. */
const ofLearned = ({ constant, accuracy }: ClaimInput, networks: ReadonlyArray<"bn" | "nobn">, claim: Claim): Claim => {
  const learned = networks.map((network): Part => {
    const { estimate, low95, high95 } = accuracy[network]
    return {
      name: `test accuracy ${network === "bn" ? "with BN" : "without BN"} above the best constant answer`,
      value: estimate,
      relation: "at least",
      threshold: constant.share,
      interval: { low: low95, high: high95 },
      state: low95 > constant.share ? "holds" : high95 < constant.share ? "fails" : "unclear"
    }
  })
  const parts = [...learned, ...claim.parts]
  const count = learned.filter((part) => part.state === "holds").length
  // a network that learned and one that did not are not the same
  if (count === networks.length || (count > 0 && claim.verdict === "not supported")) return { ...claim, parts }
  const which = networks.filter((_, k) => learned[k]!.state !== "holds")
  const name =
    which.length === 2 ? "Neither network" : which[0] === "bn" ? "The network with BN" : "The network without BN"
  return {
    ...claim,
    parts,
    verdict: "undecided",
    sentence: `${name} is ${which.length === 2 ? "" : "not "}known to beat the constant answer "${constant.class}", which is right in ${percent(constant.share)} of the test images, so test scores say nothing of this claim. ${claim.sentence}`
  }
}

const sameMetrics = ({ differences, margin, equivalence }: ClaimInput): Claim => ({
  id: 3,
  claim: "Test metrics are the same with and without batch normalization.",
  rule: `Supported if the 90 % bootstrap interval of the difference lies within ±${points(margin)} points for accuracy and macro F1 (two one-sided tests at 5 %). Not supported if it does not and a 95 % interval excludes 0. Otherwise, and with fewer than ${Math.ceil(3 / margin)} independent groups for the first or six that differ for the second, there are too few test images to decide. The margin is that of the settings, or half of what the weaker network is better than the best constant answer, if that is less. Both networks must beat the best constant answer, their 95 % intervals included.`,
  verdict: equivalence === "equivalent" ? "supported" : equivalence === "different" ? "not supported" : "undecided",
  sentence: differences
    .map(
      (d) =>
        `${d.metric === "accuracy" ? "Accuracy" : "Macro F1"} differs by ${points(d.estimate)} points (BN minus no BN; 90\u00a0% interval ${points(d.low90)} to ${points(d.high90)}).`
    )
    .join(" "),
  parts: differences.map((d) => ({
    name: `size of the difference in ${d.metric === "accuracy" ? "accuracy" : "macro F1"}`,
    value: d.estimate,
    relation: "at most",
    threshold: margin,
    interval: { low: d.low90, high: d.high90 },
    state: d.low90 > -margin && d.high90 < margin ? "holds" : d.low95 > 0 || d.high95 < 0 ? "fails" : "unclear"
  })),
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

interface Memorised {
  readonly rise: number
  readonly gain: number
  readonly loss: number
  readonly train: number
}

/** What happens after an epoch; undefined where nothing comes after it. */
const after = ({ epochs }: History, epoch: number): Memorised | undefined => {
  const until = epochs.filter((each) => each.epoch <= epoch)
  const rest = epochs.filter((each) => each.epoch > epoch)
  const end = rest[rest.length - 1]
  if (end === undefined || until.length === 0) return undefined
  const best = (of: ReadonlyArray<Epoch>): number => Math.max(...of.map((each) => each.validationAccuracy))
  return {
    rise: end.trainAccuracy - until[until.length - 1]!.trainAccuracy,
    gain: best(rest) - best(until),
    loss: end.validationLoss - Math.min(...until.map((each) => each.validationLoss)),
    train: end.trainAccuracy
  }
}

const memorisedParts = (name: string, { rise, gain, loss, train }: Memorised): ReadonlyArray<Part> => [
  train > highAccuracy
    ? atLeast(`train accuracy at the end, ${name}`, train, highAccuracy)
    : atLeast(`rise of train accuracy, ${name}`, rise, leastRise),
  atMost(`gain of validation accuracy, ${name}`, gain, mostGain),
  atLeast(`validation loss at the end above its lowest, ${name}`, loss, 0)
]

const holdAll = (parts: ReadonlyArray<Part>): boolean => parts.every((part) => part.state === "holds")

/** The first epoch after which the rule holds. */
const memorisesFrom = (history: History): number | undefined =>
  history.epochs.find(({ epoch }) => {
    const found = after(history, epoch)
    return found !== undefined && holdAll(memorisedParts("", found))
  })?.epoch

const memorises = ({ bn, nobn }: TrainingPair): Claim => {
  const claim = `After epoch ${memoriseAfter} the network memorises the train set.`
  const rule = `In each training, after epoch ${memoriseAfter}: train accuracy rises by 1 point or more or ends above 97 %, validation accuracy gains 2 points or less on its best before, and validation loss does not end below its lowest before. Supported if this holds in both trainings, not supported if in neither, else mixed.`
  const epochs = Math.min(bn.epochs.length, nobn.epochs.length)
  if (epochs < memoriseAfter + 2) return tooShort(4, claim, rule, memoriseAfter + 2, epochs)
  const [a, b] = [after(bn, memoriseAfter)!, after(nobn, memoriseAfter)!]
  const [first, second] = [memorisedParts("BN", a), memorisedParts("no BN", b)]
  const held = [first, second].filter(holdAll).length
  const from = [memorisesFrom(bn), memorisesFrom(nobn)]
  const begins = from.map((epoch) => (epoch === undefined ? "at no epoch" : `after epoch ${epoch}`))
  const end = ({ loss }: Memorised): string => `${shown(Math.abs(loss))}${unitOf(bn)} ${loss < 0 ? "below" : "above"}`
  return {
    id: 4,
    claim,
    rule,
    verdict: held === 2 ? "supported" : held === 0 ? "not supported" : "mixed",
    sentence: `Train accuracy ends at ${percent(a.train)} with BN and ${percent(b.train)} without. After epoch ${memoriseAfter}, validation accuracy gained ${points(a.gain)} and ${points(b.gain)} points, and validation loss ended ${end(a)} its lowest before with BN and ${end(b)} it without. By the same rule memorising begins ${begins[0]} with BN and ${begins[1]} without.`,
    parts: [...first, ...second],
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

const sparser = ({ bn, scores, classes, lostBySparsemax }: ClaimInput): Claim => {
  const [support, half] = [scores.sparsemax.supportSize, classes / 2]
  const between = (part: Part, fails: boolean): Part =>
    part.state === "fails" && !fails ? { ...part, state: "unclear" } : part
  const parts = [
    between(atMost("classes that sparsemax keeps", support, Math.min(readableClasses, half)), support > half),
    between(atMost("true classes of the top three that are lost", lostBySparsemax, fewLost), lostBySparsemax > manyLost)
  ]
  const [isVacuous, fails] = [classes <= readableClasses, parts.some((part) => part.state === "fails")]
  const verdict: Verdict = fails ? "not supported" : holdAll(parts) && !isVacuous ? "supported" : "undecided"
  const all = isVacuous ? `The top three of ${classes} classes are all of them, so this claim is not tested. ` : ""
  return {
    id: 5,
    claim: "Sparsemax zeroes classes that do not matter, and the top three become easier to read.",
    rule: "On the test images, for the network with BN, each activation with the temperature that fits it on validation: supported if sparsemax keeps three classes or fewer on average, and at most half of all, and gives 0 to a true class among softmax's top three in at most 10 % of images. Not supported if it keeps more than half of the classes or loses the true class in more than 25 % of images. Undecided in place of supported with three classes or fewer. The network must beat the best constant answer.",
    verdict,
    sentence: `${all}Sparsemax keeps ${shown(support)} of ${classes} classes on average (softmax ${shown(scores.softmax.supportSize)}). It gives 0 to a true class among softmax's top three in ${percent(lostBySparsemax)} of images. Its Brier score is ${shown(scores.sparsemax.brier)}; that of softmax is ${shown(scores.softmax.brier)}, and the loss that trained the network is that of ${bn.loss === "crossEntropy" ? "softmax" : "sparsemax"}.`,
    parts,
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
  const part = atMost("difference of the courses in the median layer, log10", middle, sameCourse)
  return {
    id: 6,
    claim,
    rule,
    verdict: middle <= sameCourse ? "supported" : middle > otherCourse ? "not supported" : "undecided",
    sentence: `Apart from their levels, the norms over epochs differ by a factor of ${shown(10 ** middle)} in the median layer${shared.length === 0 ? "" : ` (most in ${shared[apart.indexOf(Math.max(...apart))]!}: ${shown(10 ** Math.max(...apart))})`}.`,
    parts: [middle > sameCourse && middle <= otherCourse ? { ...part, state: "unclear" } : part],
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
  [
    ...judgeTrainings(input),
    ofLearned(input, ["bn", "nobn"], sameMetrics(input)),
    ofLearned(input, ["bn"], sparser(input))
  ].sort((a, b) => a.id - b.id)
