/** The first screen: the outcome in numbers and six verdicts. */
import type { Difference, Metrics, VariantMetrics } from "../../../../schemas/Compare.ts"
import { type ReportData, totalOf } from "../Data.ts"
import { badge, count, type Html, html, join, nothing, percent, points, section, text } from "../Html.ts"
import { scoreOver, verdictOf } from "./SeedSection.ts"

const testScore = (metrics: VariantMetrics): number =>
  metrics.splits.find(({ split }) => split === "test")?.accuracy ?? 0

/** How many files were read, set aside and dropped. */
const files = ({ manifest }: ReportData): Html => {
  const { found, dropped } = totalOf(manifest.counts)
  const aside = manifest.setAside.length
  const sentences = [
    aside === 0
      ? html`All ${count(found)} files could be read.`
      : html`${count(aside)} of ${count(found)} files were <a href="#data">set aside</a>.`,
    ...(dropped === 0 ? [] : [html`${count(dropped)} near-duplicates were dropped.`]),
    ...(manifest.leaks === 0 ? [text("No group of related images is in two splits.")] : [])
  ]
  return join(sentences, " ")
}

const card = (kind: string, value: Html, label: Html): Html =>
  html`<div class="card ${text(kind)}"><b>${value}</b><span>${label}</span></div>`

const clearOf = ({ low95, high95 }: Difference): boolean => low95 > 0 || high95 < 0

const size = ({ estimate, low95, high95 }: Difference): Html =>
  html`${text(Math.abs(100 * estimate).toFixed(1))} points ${text(estimate < 0 ? "lower" : "higher")} than without it (95 % interval ${points(low95)} to ${points(high95)})`

type Compared = Pick<Metrics, "differences" | "equivalence" | "mcNemar">

/** How the two networks compare: the difference in accuracy, and whether it is one. */
export const outcome = ({ differences, equivalence: { verdict, margin } }: Compared): Html => {
  const accuracy = differences.find(({ metric }) => metric === "accuracy")!
  const f1Macro = differences.find(({ metric }) => metric === "f1Macro")
  const within = html`${text((100 * margin).toFixed(0))} points`
  const conclusion = (): Html => {
    if (verdict === "equivalent")
      return html`The two networks are equivalent on these images: accuracy and macro F1 differ by less than ${within}.`
    if (clearOf(accuracy)) return html`Chance alone does not explain this difference.`
    if (f1Macro !== undefined && clearOf(f1Macro))
      return html`This interval does not show a difference. Macro F1, which weighs all classes equally, is ${size(f1Macro)}; chance alone does not explain that.`
    return html`The interval is too wide to call the networks equivalent within ${within}, and it does not show a difference.`
  }
  return html`Test accuracy with batch normalization is ${size(accuracy)}. ${conclusion()}`
}

/** McNemar's test treats images as independent, the interval resamples groups. Where they disagree, this says why. */
export const otherTest = ({ differences, mcNemar: { pValue } }: Omit<Compared, "equivalence">): Html => {
  const beyondZero = clearOf(differences.find(({ metric }) => metric === "accuracy")!)
  const unlikely = pValue < 0.05
  if (unlikely === beyondZero) return nothing
  const says = beyondZero ? text("finds no difference") : text("finds a difference")
  return html` McNemar's test ${says} (p = ${text(pValue.toPrecision(2))}). It treats images as independent; the interval resamples whole groups of related images.`
}

const leakage = ({ manifest }: ReportData): Html =>
  manifest.leaks > 0
    ? html` <strong>${manifest.leaks} groups of near-duplicates are in more than one split</strong> (policy <code>keep</code>): the test scores are too high.`
    : html``

/** Accuracy over all seeds, in one sentence. */
const seedSentence = ({ seeds }: ReportData["metrics"]): Html =>
  seeds === undefined
    ? nothing
    : html`<p>Over <a href="#seeds">${seeds.count} seeds</a>, test accuracy is ${text(scoreOver(seeds, "bn"))} with BN and ${text(scoreOver(seeds, "nobn"))} without (mean and standard deviation). The figures above are of the first seed.</p>`

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
      html`<p class="lead">Two small convolutional networks, which differ in batch normalization only, were trained and tested on ${count(kept)} images of ${metrics.classes.length} classes. ${outcome(metrics)}${otherTest(metrics)}${leakage(data)}</p>`,
      html`<div class="cards">${join([
        card("bn", percent(testScore(metrics.bn)), html`test accuracy with BN, epoch ${metrics.bn.bestEpoch}`),
        card("nobn", percent(testScore(metrics.nobn)), html`test accuracy without BN, epoch ${metrics.nobn.bestEpoch}`),
        card("", percent(chance), text("chance level")),
        card(
          "",
          text(metrics.mcNemar.pValue < 0.001 ? "< 0.001" : metrics.mcNemar.pValue.toPrecision(2)),
          text("McNemar's p")
        ),
        card("", text(metrics.testImages), text("test images"))
      ])}</div>`,
      html`<p>Each epoch has the best validation accuracy of its training. ${files(data)}</p>`,
      seedSentence(metrics),
      html`<p>Verdicts of this run on the study's six claims: ${join(tally, ", ")}.</p>`,
      html`<ul class="claims">${join(claims)}</ul>`
    ]
  )
}
