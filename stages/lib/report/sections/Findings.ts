/**
 * What a reader should know first: a recommendation with its condition, and the findings that would surprise most.
 *
 * A finding's surprise is its value over the value that one would expect; the greatest comes first.
 */
import { variantNames } from "../../../../charts/Theme.ts"
import type { HeadlineDifference, Metrics } from "../../../../schemas/Compare.ts"
import type { Gradstats } from "../../../../schemas/Gradstats.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import type { History } from "../../../../schemas/Train.ts"
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

/** The layer of which most is dead, with the epoch from which it was so on. */
const deadLayer = (gradients: Gradstats): ReadonlyArray<Finding> => {
  const all = variants.flatMap((variant) =>
    gradients[variant].dead.layers.map((layer, k) => {
      const shares = gradients[variant].dead.share[k]!
      const before = shares.findLastIndex((share) => share <= gradients.thresholds.dead)
      return { variant, layer, share: shares.at(-1) ?? 0, from: gradients[variant].epochs[before + 1] }
    })
  )
  const worst = all.sort((a, b) => b.share - a.share)[0]
  if (worst === undefined || worst.from === undefined) return []
  const { variant, layer, share, from } = worst
  const other = variant === "bn" ? "nobn" : "bn"
  const there = all.find((each) => each.layer === layer && each.variant === other)?.share ?? 0
  return [
    {
      surprise: share / usual.dead,
      sentence: html`<a href="#gradients">Most of layer ${text(layer)} does nothing ${name(variant)}</a>: ${percent(share, 0)} of its ReLUs give 0 for every validation image after the last epoch, and more than ${percent(gradients.thresholds.dead, 0)} from epoch ${from} on (${name(other)}: ${percent(there, 0)}).`
    }
  ]
}

/** How much better a network knows what it has seen. */
const memory = (metrics: Metrics): ReadonlyArray<Finding> => {
  const gaps = variants.map((variant) => {
    const of = (split: string): number => metrics[variant].splits.find((one) => one.split === split)?.accuracy ?? 0
    return { variant, train: of("train"), test: of("test") }
  })
  const { variant, train, test } = gaps.sort((a, b) => b.train - b.test - (a.train - a.test))[0]!
  const gap = train - test
  if (gap <= usual.memory) return []
  return [
    {
      surprise: gap / usual.memory,
      sentence: html`<a href="#training">The network ${name(variant)} knows its train images by heart</a>: ${percent(train, 0)} of these are right, ${percent(test, 0)} of the test images.`
    }
  ]
}

const risenAfter = ({ epochs }: History): number =>
  epochs.reduce((best, epoch) => (epoch.validationLoss < best.validationLoss ? epoch : best)).epoch

/** Epochs after the validation loss was at its least are wasted, or worse. */
const wasted = (histories: ReportData["histories"]): ReadonlyArray<Finding> => {
  const [first] = variants
    .map((variant) => ({ variant, at: risenAfter(histories[variant]), of: histories[variant].epochs.length }))
    .sort((a, b) => a.at / a.of - b.at / b.of)
  const { variant, at, of } = first!
  if (at * 2 > of) return []
  return [
    {
      surprise: of / (2 * at),
      sentence: html`<a href="#training">Validation loss ${name(variant)} is least after epoch ${at} of ${of}</a> and rises from there.`
    }
  ]
}

/** Images that are no independent evidence. */
const relatives = ({ testImages, groupTest }: Metrics): ReadonlyArray<Finding> => {
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

/** The few findings that surprise most, the greatest first. */
export const findings = ({ gradients, histories, metrics }: Pick<ReportData, "gradients" | "histories" | "metrics">) =>
  [...deadLayer(gradients), ...memory(metrics), ...wasted(histories), ...relatives(metrics)]
    .sort((a, b) => b.surprise - a.surprise)
    .slice(0, most)
    .map(({ sentence }) => sentence)

type Judged = Pick<Metrics, "bn" | "nobn" | "constant" | "equivalence" | "groupTest" | "headline" | "seeds">

/** A bootstrap of fewer groups gives intervals that are too narrow (Cameron, Gelbach and Miller 2008). */
const fewestGroups = 10

const use = (variant: VariantName): string =>
  variant === "bn" ? "Use batch normalization" : "Leave batch normalization out"

const moreSeeds = html` Try more seeds before you rely on it (<code>--seeds 5</code>).`

/** What to do, in one sentence, and under which condition. */
export const recommendation = ({ bn, nobn, constant, equivalence, groupTest, headline, seeds }: Judged): Html => {
  const row = (metric: HeadlineDifference["metric"]) => headline.find((each) => each.metric === metric)!
  const learned = [bn, nobn].filter(({ accuracy }) => accuracy.low95 > constant.share).length
  if (learned === 0)
    return html`Use neither network yet: neither is clearly better than always to answer “${text(constant.class)}”. Train longer or on more images.`
  if (groupTest.groups < fewestGroups)
    return html`Rely on neither choice yet: the test images are ${groupTest.groups} independent groups, too few to compare by. Use more images that are not related.`
  const accuracy = row("accuracy")
  const better = favours(accuracy)
  const few = seeds === undefined ? moreSeeds : nothing
  if (better !== undefined)
    return html`${text(use(better))} for images and trainings like these: test accuracy with it minus without is ${text(inWords(accuracy))}.${few}`
  const loss = [row("loss"), row("calibrationError")].find((each) => favours(each) !== undefined)
  if (loss !== undefined)
    return html`${text(use(favours(loss)!))} if probabilities count: ${text(loss.metric === "loss" ? "test loss" : "calibration error")} with it minus without is ${text(inWords(loss))}, while test accuracy does not tell the networks apart.${few}`
  if ((seeds?.equivalence ?? equivalence.verdict) === "equivalent")
    return html`Leave batch normalization out if accuracy is what counts: it makes no difference that matters, and the network without it is simpler.${few}`
  return html`Rely on neither choice yet: the intervals hold 0 as well as differences that matter, so more seeds (<code>--seeds 5</code>) or more groups of test images have to decide.`
}
