/** The first screen: what came out, in numbers and in six verdicts. */
import type { Difference, Metrics, VariantMetrics } from "../../../../schemas/Compare.ts"
import { type ReportData, totalOf } from "../Data.ts"
import { badge, count, type Html, html, join, nothing, percent, points, section, text } from "../Html.ts"
import { scoreOver, verdictOf } from "./SeedSection.ts"

const testScore = (metrics: VariantMetrics): number =>
  metrics.splits.find(({ split }) => split === "test")?.accuracy ?? 0

/** What happened to the files, in one sentence. */
const files = ({ manifest }: ReportData): Html => {
  const { found, dropped } = totalOf(manifest.counts)
  const aside = manifest.setAside.length
  const parts = [
    aside === 0 ? text("every file could be read") : html`${count(aside)} files were <a href="#data">set aside</a>`,
    ...(dropped === 0 ? [] : [html`${count(dropped)} near-duplicates were left out`]),
    ...(manifest.leaks === 0 ? [text("no group of images that belong together is in two splits")] : [])
  ]
  return html`Of ${count(found)} files found, ${join(parts, ", ")}.`
}

const card = (kind: string, value: Html, label: Html): Html =>
  html`<div class="card ${text(kind)}"><b>${value}</b><span>${label}</span></div>`

const clearOf = ({ low95, high95 }: Difference): boolean => low95 > 0 || high95 < 0

const size = ({ estimate, low95, high95 }: Difference): Html =>
  html`${text(Math.abs(100 * estimate).toFixed(1))} points ${text(estimate < 0 ? "lower" : "higher")} than without it (95 % interval ${points(low95)} to ${points(high95)})`

type Compared = Pick<Metrics, "differences" | "equivalence" | "mcNemar">

/** How the two networks compare: the difference in accuracy, and what is to be made of it. */
export const outcome = ({ differences, equivalence: { verdict, margin } }: Compared): Html => {
  const accuracy = differences.find(({ metric }) => metric === "accuracy")!
  const f1Macro = differences.find(({ metric }) => metric === "f1Macro")
  const within = html`${text((100 * margin).toFixed(0))} points`
  const said = (): Html => {
    if (verdict === "equivalent")
      return html`The two are equivalent on these images: accuracy and macro F1 differ by less than ${within}.`
    if (clearOf(accuracy)) return html`That is more than chance explains.`
    if (f1Macro !== undefined && clearOf(f1Macro))
      return html`That is no proof of a difference; but macro F1, in which every class counts alike, is ${size(f1Macro)}, which is more than chance explains.`
    return html`That is too wide an interval to call them equivalent within ${within}, and no proof of a difference either.`
  }
  return html`With batch normalization test accuracy is ${size(accuracy)}. ${said()}`
}

/** McNemar's test takes each image for itself, the interval draws groups. Where they disagree the reader is told why. */
export const otherTest = ({ differences, mcNemar: { pValue } }: Omit<Compared, "equivalence">): Html => {
  const beyondZero = clearOf(differences.find(({ metric }) => metric === "accuracy")!)
  const unlikely = pValue < 0.05
  if (unlikely === beyondZero) return nothing
  const says = beyondZero ? text("sees no difference") : text("sees a difference")
  return html` McNemar's test ${says} (p = ${text(pValue.toPrecision(2))}); it takes every image as independent of the others, while the interval draws images that belong together as one.`
}

const leakage = ({ manifest }: ReportData): Html =>
  manifest.leaks > 0
    ? html` <strong>${manifest.leaks} groups of near-duplicates sit in more than one split</strong> (policy <code>keep</code>): the test scores are too good.`
    : html``

/** What the other seeds say, in one sentence. */
const seedSentence = ({ seeds }: ReportData["metrics"]): Html =>
  seeds === undefined
    ? nothing
    : html`<p>Over <a href="#seeds">${seeds.count} seeds</a> test accuracy is ${text(scoreOver(seeds, "bn"))} with BN and ${text(scoreOver(seeds, "nobn"))} without (mean and standard deviation); the figures above are of the first.</p>`

export const summary = (data: ReportData): Html => {
  const { metrics, manifest } = data
  const kept = manifest.images.length
  const chance = 1 / metrics.classes.length
  const verdicts = ["supported", "not supported", "undecided"] as const
  const tally = verdicts.map((verdict) => {
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
      html`<p class="lead">Two small convolutional networks, alike but for batch normalization, were trained, validated and tested on ${count(kept)} images of ${metrics.classes.length} classes. ${outcome(metrics)}${otherTest(metrics)}${leakage(data)}</p>`,
      html`<div class="cards">${join([
        card("bn", percent(testScore(metrics.bn)), html`test accuracy with BN, epoch ${metrics.bn.bestEpoch}`),
        card("nobn", percent(testScore(metrics.nobn)), html`test accuracy without BN, epoch ${metrics.nobn.bestEpoch}`),
        card("", percent(chance), text("by chance")),
        card(
          "",
          text(metrics.mcNemar.pValue < 0.001 ? "< 0.001" : metrics.mcNemar.pValue.toPrecision(2)),
          text("McNemar's p")
        ),
        card("", text(metrics.testImages), text("test images"))
      ])}</div>`,
      html`<p>Both epochs were chosen on validation. ${files(data)}</p>`,
      seedSentence(metrics),
      html`<p>Of the study's six claims, ${join(tally, ", ")} on this run:</p>`,
      html`<ul class="claims">${join(claims)}</ul>`
    ]
  )
}
