/** The first screen: a recommendation, the differences with what chance makes of them, the settings, and six verdicts. */

import { inline } from "../../../../charts/Render.ts"
import { variantNames } from "../../../../charts/Theme.ts"
import type { Difference, Metrics } from "../../../../schemas/Compare.ts"
import type { VariantName } from "../../../../schemas/Names.ts"
import { Verdict } from "../../../../schemas/Seeds.ts"
import type { Sequences } from "../../../../schemas/Split.ts"
import { marginPoints } from "../../Figures.ts"
import { tally } from "../../Tally.ts"
import { type ReportData, totalOf } from "../Data.ts"
import { drawHero, heroLabel } from "../drawings/Hero.ts"
import {
  badge,
  count,
  figure,
  type Html,
  html,
  join,
  nothing,
  percent,
  placeholder,
  points,
  section,
  text,
  trusted
} from "../Html.ts"
import * as Findings from "./Findings.ts"
import { scoreOver, verdictOf } from "./SeedSection.ts"
import { lossNames } from "./TrainingSections.ts"

/** The most frequent reason for which files were set aside, without what stands behind it in the list. */
const reasonOf = ({ setAside }: ReportData["manifest"]): Html => {
  const [best, ...others] = [...tally(setAside.map(({ reason }) => reason.replace(/ \([^()]*\)$/u, "")))].sort(
    (a, b) => b[1] - a[1]
  )
  if (best === undefined) return nothing
  return others.length === 0 ? html` (${text(best[0])})` : html` (most often, ${best[1]}: ${text(best[0])})`
}

const sequencesApart = ({ count: all, apart, example }: Sequences): Html =>
  html`<strong>File names look like ${count(all)} sequences, such as <code>${text(example)}</code>, and ${count(apart)} of them are in more than one split</strong>: if each is of one subject, the test scores are too high, and <code>split.groupBy</code> keeps each in one split.`

/** How many files were read, set aside and dropped. */
export const files = ({ manifest }: Pick<ReportData, "manifest">): Html => {
  const { found: inClasses, dropped } = totalOf(manifest.counts)
  const found = inClasses + manifest.setAside.filter((one) => one.class === "").length
  const aside = manifest.setAside.length
  const sentences = [
    aside === 0
      ? html`All ${count(found)} files could be read.`
      : html`${count(aside)} of ${count(found)} files ${text(aside === 1 ? "was" : "were")} <a href="#data">set aside</a>${reasonOf(manifest)}.`,
    ...(manifest.firstOfSeveral === undefined
      ? []
      : [
          html`<strong>${text(manifest.firstOfSeveral === 1 ? "1 file holds" : `${count(manifest.firstOfSeveral)} files hold`)} several images</strong> (stacks, animations): the first of each is used.`
        ]),
    ...(manifest.conflicts.length === 0
      ? []
      : [
          html`<strong>${count(manifest.conflicts.length)} ${text(manifest.conflicts.length === 1 ? "group" : "groups")} of near-duplicates with <a href="#data">different labels</a></strong>: no network can be right about all of them.`
        ]),
    ...(dropped === 0
      ? []
      : [text(dropped === 1 ? "1 near-duplicate was dropped." : `${count(dropped)} near-duplicates were dropped.`)]),
    ...(manifest.leaks === 0 ? [text("No group of related images is in two splits.")] : []),
    ...(manifest.sequences === undefined ? [] : [sequencesApart(manifest.sequences)])
  ]
  return join(sentences, " ")
}

const card = (kind: string, value: Html, label: Html): Html =>
  html`<div class="card ${text(kind)}"><b>${value}</b><span>${label}</span></div>`

/** A difference, and its interval. */
type Size = Pick<Difference, "metric" | "estimate" | "low95" | "high95">

const clearOf = ({ low95, high95 }: Size): boolean => low95 > 0 || high95 < 0

const size = ({ estimate, low95, high95 }: Size): Html =>
  html`${Number((100 * estimate).toFixed(1)) === 0 ? text("the same as") : html`${text(Math.abs(100 * estimate).toFixed(1))} points ${text(estimate < 0 ? "lower" : "higher")} than`} without it (95 % interval ${points(low95)} to ${points(high95)})`

type Compared = Pick<Metrics, "differences" | "equivalence" | "groupTest" | "seeds">

/** How the two networks compare: the difference in accuracy over all seeds, and whether it is one. */
export const outcome = (compared: Compared): Html => {
  const { differences, equivalence, groupTest, seeds } = compared
  const within = html`${text(marginPoints(equivalence.margin))} points`
  const ofSeeds = seeds?.differences.map(
    ({ metric, mean, total95 }): Size => ({
      metric: metric === "testAccuracy" ? "accuracy" : "f1Macro",
      estimate: mean,
      low95: total95.low,
      high95: total95.high
    })
  )
  const found: ReadonlyArray<Size> = ofSeeds ?? differences
  const accuracy = found.find(({ metric }) => metric === "accuracy")!
  const f1Macro = found.find(({ metric }) => metric === "f1Macro")
  const conclusion = (): Html => {
    if (Findings.metricsVerdict(compared) === "equivalent")
      return html`The two networks are equivalent on these images: accuracy and macro F1 differ by less than ${within}.`
    if (clearOf(accuracy) && Findings.mayBeChance(compared))
      return html`Chance may explain this difference all the same: ${text(Findings.groupsInWords(compared))}.`
    if (clearOf(accuracy))
      return seeds === undefined
        ? html`The choice of test images does not explain this difference; another seed might.`
        : html`Chance in training and in the choice of test images does not explain this difference.`
    if (f1Macro !== undefined && clearOf(f1Macro))
      return html`This interval does not show a difference. Macro F1, which weighs all classes equally, is ${size(f1Macro)}.`
    if (found.every(({ low95, high95 }) => Math.max(-low95, high95) < equivalence.margin))
      return html`The interval shows no difference, but so few groups are too few to call the networks equivalent within ${within}.`
    return html`The interval is too wide to call the networks equivalent within ${within}, and it does not show a difference.`
  }
  const over =
    seeds === undefined
      ? html`For this one pair of trainings (another seed may say otherwise), test accuracy`
      : html`On the mean of <a href="#seeds">${seeds.count} seeds</a>, test accuracy`
  return html`${over} with batch normalization is ${size(accuracy)}. ${conclusion()} The test images are ${count(groupTest.groups)} independent groups, and intervals are over groups.`
}

const reasonOfLeaks = ({ assign, given }: ReportData["manifest"]): Html =>
  assign !== undefined
    ? html`<code>split.assign=images</code>`
    : given === undefined
      ? html`policy <code>keep</code>`
      : text("the folders of the data give the split")

const leakage = ({ manifest }: ReportData): Html =>
  manifest.leaks > 0
    ? html` <strong>${manifest.leaks} groups of related images are in more than one split</strong> (${reasonOfLeaks(manifest)}): the test scores are too high.`
    : html``

/** Test accuracy: over all seeds where there are several. */
const scoreCard = (metrics: Metrics, variant: VariantName): Html => {
  const { accuracy, bestEpoch } = metrics[variant]
  const { seeds } = metrics
  const name = text(variantNames[variant])
  if (seeds !== undefined)
    return card(variant, text(scoreOver(seeds, variant)), html`test accuracy ${name}, ${seeds.count} seeds`)
  const interval = html`95 % interval ${percent(accuracy.low95)} to ${percent(accuracy.high95)}`
  return card(variant, percent(accuracy.estimate), html`test accuracy ${name}, epoch ${bestEpoch}; ${interval}`)
}

const pCard = (metrics: Metrics): Html => {
  const how = metrics.seeds === undefined ? text("by groups") : html`over seeds and groups`
  return card("", text(Findings.pInWords(Findings.pOf(metrics))), html`p of the difference, ${how}`)
}

/** Two drawings of one figure: text must not shrink on a phone, and the style sheet shows the one that fits. */
const hero = (data: ReportData): Html => {
  const { metrics } = data
  const { headline, seeds } = metrics
  const of = (width: number, kind: string): Html =>
    html`<div class="${text(kind)}">${trusted(inline(drawHero(headline, width), kind, heroLabel(headline)))}</div>`
  const dots =
    seeds === undefined ? text("The dot is this one pair of trainings") : html`A dot is one of ${seeds.count} seeds`
  const over = seeds === undefined ? text("groups of test images") : text("seeds and groups of test images")
  const margin = marginPoints(metrics.equivalence.margin)
  return figure(
    "hero",
    html`${of(560, "wide")}${of(330, "slim")}`,
    html`With BN minus without, on test. ${dots}, the line the 95 % interval of the mean over ${over} (an arrow: it goes on). Inside the grey band a difference does not matter: ${text(margin)} points, or 0.1 nats.`,
    data.tables
  )
}

const settings = ({ histories, index, metrics, params }: ReportData): Html => {
  const { bn } = histories
  const of = (name: string): Html => placeholder("bn", `params.${name}`)
  const { train, validation, test } = index.splits
  const copies = train.records.filter(({ copy }) => copy > 0).length
  const originals = train.records.length - copies
  const facts: ReadonlyArray<readonly [string, Html]> = [
    ["profile", placeholder("run", "profile")],
    ["seeds", html`${metrics.seeds?.count ?? 1}, from ${placeholder("run", "seed")}`],
    ["images", html`${index.size} × ${index.size} pixels`],
    [
      "train, validation, test",
      html`${count(originals)}${copies === 0 ? nothing : html` + ${count(copies)} augmented copies`}, ${count(validation.records.length)}, ${count(test.records.length)}`
    ],
    ["epochs", html`${bn.plannedEpochs}, batches of ${of("batchSize")}`],
    ["optimizer", html`${of("optimizer")}, learning rate ${of("learningRate")}, ${of("schedule")}`],
    ["loss", text(lossNames[bn.loss])],
    ["scores under", text(params.activation)]
  ]
  return html`<dl class="settings">${join(facts.map(([term, value]) => html`<div><dt>${text(term)}</dt><dd>${value}</dd></div>`))}</dl>`
}

/** Nothing where all is as one would expect. */
const surprises = (data: ReportData): Html => {
  const all = Findings.findings(data).map((each) => html`<li>${each}</li>`)
  return all.length === 0
    ? nothing
    : html`<div><h3>What surprises most</h3><ol class="findings">${join(all)}</ol></div>`
}

export const summary = (data: ReportData): Html => {
  const { metrics, manifest } = data
  const kept = manifest.images.length
  const { constant, groupTest } = metrics
  const tally = Verdict.literals.map((verdict) => {
    const n = metrics.claims.filter((claim) => verdictOf(metrics, claim) === verdict).length
    return html`${n} ${text(verdict)}`
  })
  const claims = metrics.claims.map(
    (claim) =>
      html`<li>${badge(verdictOf(metrics, claim))}<span><a href="#claim-${claim.id}">${text(claim.claim)}</a></span></li>`
  )
  return section(
    "summary",
    "Summary",
    ["self"],
    [
      html`<p class="advice"><strong>Recommendation.</strong> ${Findings.recommendation(metrics)}</p>`,
      html`<div class="first"><div>${hero(data)}</div>${surprises(data)}</div>`,
      settings(data),
      html`<p class="lead">Two small convolutional networks, which differ in batch normalization only, were trained and tested on ${count(kept)} images of ${count(metrics.classes.length)} classes. ${outcome(metrics)}${leakage(data)}</p>`,
      html`<div class="cards">${join([
        scoreCard(metrics, "bn"),
        scoreCard(metrics, "nobn"),
        card("", percent(constant.share), html`the best constant answer, ${text(constant.class)}`),
        pCard(metrics),
        card("", text(metrics.testImages), html`test images in ${count(groupTest.groups)} independent groups`)
      ])}</div>`,
      html`<p>Each network is that of the epoch with the best validation accuracy. ${files(data)}</p>`,
      html`<p>Verdicts of this run on the study's six claims: ${join(tally, ", ")}.</p>`,
      html`<ul class="claims">${join(claims)}</ul>`
    ]
  )
}
