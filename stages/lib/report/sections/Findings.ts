/**
 * What a reader should know first: a recommendation with its condition, and the findings that would surprise most.
 *
 * A finding's surprise is its value over the value that one would expect; the greatest comes first.
 */
import { variantNames } from "../../../../charts/Theme.ts"
import type { HeadlineDifference, Metrics } from "../../../../schemas/Compare.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import type { Equivalence } from "../../../../schemas/Seeds.ts"
import type { History } from "../../../../schemas/Train.ts"
import { mean } from "../../statistics/Summary.ts"
import type { ReportData } from "../Data.ts"
import { favours, inWords } from "../drawings/Hero.ts"
import { count, type Html, html, nothing, percent, text } from "../Html.ts"

interface Finding {
  readonly surprise: number
  readonly sentence: Html
}

const name = (variant: VariantName): Html => text(variantNames[variant])

/** Shares that nobody would wonder at. */
const usual = { dead: 0.05, memory: 0.1, leak: 0.1, groupSize: 2 } as const

type Told = Pick<ReportData, "gradients" | "histories" | "replicas" | "metrics">

/** Of the first seed and the further ones: what one of them shows alone, another run may not. */
const ofAllSeeds = ({ histories, replicas }: Told, variant: VariantName): readonly [History, ...Array<History>] => [
  histories[variant],
  ...replicas[variant]
]

const overSeeds = (histories: ReadonlyArray<History>): string =>
  histories.length === 1 ? "" : ` (mean of ${histories.length} seeds)`

/** "3", or "3 to 5" where seeds differ. */
const span = (epochs: ReadonlyArray<number>): string => {
  const [least, most] = [Math.min(...epochs), Math.max(...epochs)]
  return least === most ? String(least) : `${least} to ${most}`
}

/** The epoch from which on more than a share of a layer is dead; undefined where it is not so at the end. */
const deadFrom = ({ epochs }: History, layer: string, share: number): number | undefined =>
  epochs[epochs.findLastIndex(({ deadShare }) => (deadShare[layer] ?? 0) <= share) + 1]?.epoch

const deadAtEnd = (histories: ReadonlyArray<History>, layer: string): number =>
  mean(histories.map(({ epochs }) => epochs.at(-1)!.deadShare[layer] ?? 0))

/** The layer of which most is dead, with the epoch from which it was so on. */
const deadLayer = (told: Told): ReadonlyArray<Finding> => {
  const { gradients } = told
  const all = variants.flatMap((variant) => {
    const histories = ofAllSeeds(told, variant)
    return gradients[variant].dead.layers.flatMap((layer) => {
      const from = histories.map((each) => deadFrom(each, layer, gradients.thresholds.dead))
      return from.every((each) => each !== undefined)
        ? [{ variant, layer, share: deadAtEnd(histories, layer), from: Math.max(...from) }]
        : []
    })
  })
  const worst = all.sort((a, b) => b.share - a.share)[0]
  if (worst === undefined) return []
  const { variant, layer, share, from } = worst
  const other = variant === "bn" ? "nobn" : "bn"
  const seeds = overSeeds(ofAllSeeds(told, variant))
  return [
    {
      surprise: share / usual.dead,
      sentence: html`<a href="#gradients">Most of layer ${text(layer)} does nothing ${name(variant)}</a>: ${percent(share, 0)} of its ReLUs${text(seeds)} give 0 for every validation image after the last epoch, and more than ${percent(gradients.thresholds.dead, 0)} from epoch ${from} on (${name(other)}: ${percent(deadAtEnd(ofAllSeeds(told, other), layer), 0)}).`
    }
  ]
}

/** From this share on a network knows nearly all that it was trained on. */
const byHeart = 0.95

/** How much better a network knows what it has seen. */
const memory = ({ metrics }: Told): ReadonlyArray<Finding> => {
  const gaps = variants.map((variant) => {
    const of = (split: string): number => metrics[variant].splits.find((one) => one.split === split)?.accuracy ?? 0
    const over = metrics.seeds?.[variant].scores.find(({ metric }) => metric === "testAccuracy")?.mean
    return { variant, train: of("train"), test: over ?? of("test"), atMost: metrics[variant].accuracy.high95 }
  })
  const { variant, train, test, atMost } = gaps.sort((a, b) => b.train - b.test - (a.train - a.test))[0]!
  const gap = train - test
  // a handful of test images may be wrong by chance
  if (gap <= usual.memory || train <= atMost) return []
  const what = train < byHeart ? "is far better on its train images" : "knows its train images by heart"
  return [
    {
      surprise: gap / usual.memory,
      sentence: html`<a href="#training">The network ${name(variant)} ${text(what)}</a>: ${percent(train, 0)} of these are right, ${percent(test, 0)} of the test images.`
    }
  ]
}

const risenAfter = ({ epochs }: History): number =>
  epochs.reduce((best, epoch) => (epoch.validationLoss < best.validationLoss ? epoch : best)).epoch

/** Epochs after the validation loss was at its least are wasted, or worse. */
const wasted = (told: Told): ReadonlyArray<Finding> => {
  const [first] = variants
    .map((variant) => {
      const histories = ofAllSeeds(told, variant)
      return { variant, at: histories.map(risenAfter), of: histories[0].epochs.length }
    })
    .filter(({ at, of }) => at.every((each) => each * 2 <= of))
    .sort((a, b) => mean(a.at) / a.of - mean(b.at) / b.of)
  if (first === undefined) return []
  const { variant, at, of } = first
  return [
    {
      surprise: of / (2 * mean(at)),
      sentence: html`<a href="#training">Validation loss ${name(variant)} is least after epoch ${text(span(at))} of ${of}</a> and rises from there.`
    }
  ]
}

/** Images that are no independent evidence. */
const relatives = ({ metrics: { testImages, groupTest } }: Told): ReadonlyArray<Finding> => {
  const size = testImages / Math.max(1, groupTest.groups)
  if (size <= usual.groupSize) return []
  return [
    {
      surprise: size / usual.groupSize,
      sentence: html`<a href="#errors">The ${count(testImages)} test images count as ${count(groupTest.groups)}</a>: so many groups of unrelated images there are, and intervals are over these.`
    }
  ]
}

const most = 3

/** The few findings that surprise most, the greatest first. What seeds show, all of them show. */
export const findings = (told: Told): ReadonlyArray<Html> =>
  [...deadLayer(told), ...memory(told), ...wasted(told), ...relatives(told)]
    .sort((a, b) => b.surprise - a.surprise)
    .slice(0, most)
    .map(({ sentence }) => sentence)

type Judged = Pick<Metrics, "bn" | "nobn" | "constant" | "equivalence" | "groupTest" | "headline" | "seeds">

/** A bootstrap of fewer groups gives intervals that are too narrow (Cameron, Gelbach and Miller 2008). */
const fewestGroups = 10

/** From this share on one class is so large that accuracy is about it alone. */
const mostEven = 0.8

const use = (variant: VariantName): string =>
  variant === "bn" ? "Use batch normalization" : "Leave batch normalization out"

const moreSeeds = html` Try more seeds before you rely on it (<code>--seeds 5</code>).`

/** The p of the difference in test accuracy: over seeds and groups where there are several seeds. */
export const pOf = ({ groupTest, seeds }: Pick<Metrics, "groupTest" | "seeds">): number =>
  seeds?.differences.find(({ metric }) => metric === "testAccuracy")?.pValue ?? groupTest.pValue

/** The verdict on the test metrics: of all seeds where there are several. */
export const metricsVerdict = ({ equivalence, seeds }: Pick<Metrics, "equivalence" | "seeds">): Equivalence =>
  seeds?.equivalence ?? equivalence.verdict

export const pInWords = (p: number): string => (p < 0.001 ? "< 0.001" : p.toPrecision(2))

/** In how many groups the networks differ, and the p: of a difference that chance may explain. */
export const groupsInWords = (metrics: Pick<Metrics, "groupTest" | "seeds">): string => {
  const { differing } = metrics.groupTest
  return `the networks differ in ${differing} ${differing === 1 ? "group" : "groups"}, and p is ${pInWords(pOf(metrics))}`
}

/** From this p on chance may explain a difference. */
const chance = 0.05

/** Whether chance may explain a difference in accuracy, though its interval may leave 0 out: the test is by groups and exact. */
export const mayBeChance = (metrics: Pick<Metrics, "equivalence" | "groupTest" | "seeds">): boolean =>
  metricsVerdict(metrics) !== "different" || pOf(metrics) >= chance

/** The network that the loss favours, where the difference may matter. */
const byLoss = (loss: HeadlineDifference): VariantName | undefined =>
  Math.max(-loss.low95, loss.high95) < loss.margin ? undefined : favours(loss)

/**
 * What to do, in one sentence, and under which condition.
 *
 * One measure decides, chosen before any number was seen: accuracy. Who needs probabilities is told of the loss, which is a
 * proper score, and of nothing else: the best of several measures would be a choice by chance.
 */
export const recommendation = (metrics: Judged): Html => {
  const { bn, nobn, constant, groupTest, headline, seeds } = metrics
  const row = (metric: HeadlineDifference["metric"]) => headline.find((each) => each.metric === metric)!
  if (groupTest.groups < fewestGroups)
    return html`Rely on neither choice yet: the test images are ${groupTest.groups} independent groups, too few to compare by. Use more images that are not related.`
  const learned = [bn, nobn].filter(({ accuracy }) => accuracy.low95 > constant.share).length
  if (learned === 0 && constant.share >= mostEven)
    return html`Use neither network yet: ${percent(constant.share)} of the test images are “${text(constant.class)}”, and neither network is clearly better than always to answer that. Use more images of the other ${text(bn.perClass.length > 2 ? "classes" : "class")}, or fewer of this one.`
  if (learned === 0)
    return html`Use neither network yet: neither is clearly better than always to answer “${text(constant.class)}”. Train longer or on more images.`
  const [accuracy, loss] = [row("accuracy"), row("loss")]
  const better = mayBeChance(metrics) ? undefined : favours(accuracy)
  const surer = byLoss(loss)
  const few = seeds === undefined ? moreSeeds : nothing
  const probabilities = (variant: VariantName): Html =>
    html`${text(use(variant))} if probabilities count: test loss with it minus without is ${text(inWords(loss))}`
  if (better !== undefined) {
    const against = surer === undefined || surer === better ? nothing : html` ${probabilities(surer)}.`
    return html`${text(use(better))} for images and trainings like these: test accuracy with it minus without is ${text(inWords(accuracy))}.${against}${few}`
  }
  if (surer !== undefined)
    return html`${probabilities(surer)}, while test accuracy does not tell the networks apart.${few}`
  if (metricsVerdict(metrics) === "equivalent")
    return html`Leave batch normalization out if accuracy is what counts: it makes no difference that matters, and the network without it is simpler.${few}`
  const moreImages = html`more seeds (<code>--seeds 5</code>) or more groups of test images have to decide.`
  if (favours(accuracy) !== undefined)
    return html`Rely on neither choice yet: test accuracy with batch normalization minus without is ${text(inWords(accuracy))}, but chance may explain that (${text(groupsInWords(metrics))}), so ${moreImages}`
  return html`Rely on neither choice yet: the intervals hold 0 as well as differences that matter, so ${moreImages}`
}
