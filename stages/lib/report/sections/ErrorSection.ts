/** The errors of both networks: confusion, the most confused pairs, scores by class, and every mistake. */
import { variantNames } from "../../../../charts/Theme.ts"
import type { ClassScores, Metrics } from "../../../../schemas/Compare.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import { leastGroups } from "../../statistics/Groups.ts"
import type { Answer, LookedAt, Mistake, ReportData } from "../Data.ts"
import { mostNamed } from "../drawings/Confusion.ts"
import { classOf, surenessOf } from "../drawings/LookedAt.ts"
import { isolated } from "../drawings/Svg.ts"
import {
  count,
  csvLink,
  figure,
  folded,
  type Html,
  html,
  join,
  nothing,
  number,
  paragraph,
  percent,
  section,
  table,
  text
} from "../Html.ts"
import { type ConfusedPair, confusedPairs, fateOf } from "../Mistakes.ts"

const matrices = ({ charts, metrics }: ReportData): Html => {
  const how =
    metrics.classes.length <= mostNamed
      ? text(
          "Test images: true class by row, predicted class by column. A cell has the number of images; the deeper its blue, the greater their share of the row. A click on a cell shows its images below."
        )
      : text("Test images: true class by row, predicted class by column, the deeper the greater the share of the row.")
  return figure(
    "confusion",
    html`<div class="matrices"><div data-network="bn">${charts.confusionBn}</div><div data-network="nobn">${charts.confusionNobn}</div></div>`,
    how
  )
}

const mostPairs = 20

const pairTable = ({ metrics }: ReportData): Html => {
  const pairs = confusedPairs(metrics)
  if (pairs.length === 0) return paragraph(text("Neither network confused any two classes."))
  const { classes } = metrics
  const images = (label: number): number => metrics.bn.perClass[label]!.support
  return table(
    html`The most confused pairs${pairs.length > mostPairs ? html` (${mostPairs} of ${count(pairs.length)})` : nothing}; a pair leads to its images; ${csvLink("confused-pairs")}`,
    [
      {
        title: "true class → predicted class",
        head: true,
        cell: ({ label, predicted }: ConfusedPair) =>
          html`<a href="#mistakes" data-cell="${label} ${predicted}">${text(isolated(classes[label]!))} → ${text(isolated(classes[predicted]!))}</a>`
      },
      { title: "images, BN", numeric: true, cell: (row) => text(row.images.bn) },
      { title: "images, no BN", numeric: true, cell: (row) => text(row.images.nobn) },
      { title: "of", numeric: true, cell: (row) => text(images(row.label)) }
    ],
    pairs.slice(0, mostPairs)
  )
}

interface ClassRow {
  readonly bn: ClassScores
  readonly nobn: ClassScores
}

const mostClasses = 40

/** All classes in their order; of many, those with the least F1 first. */
const classTable = ({ metrics }: ReportData): Html => {
  const all: ReadonlyArray<ClassRow> = metrics.bn.perClass.map((bn, k) => ({ bn, nobn: metrics.nobn.perClass[k]! }))
  const many = all.length > mostNamed
  const rows = many ? [...all].sort((a, b) => a.bn.f1 + a.nobn.f1 - b.bn.f1 - b.nobn.f1).slice(0, mostClasses) : all
  const which = many ? html`: the ${rows.length} of ${count(all.length)} classes with the least F1` : nothing
  return table(
    html`Test scores by class, under ${text(metrics.activation)}${which}; ${csvLink("classes")}`,
    [
      { title: "class", head: true, cell: ({ bn }: ClassRow) => text(bn.class) },
      { title: "images", numeric: true, cell: ({ bn }) => text(bn.support) },
      { title: "groups", numeric: true, cell: ({ bn }) => text(bn.groups) },
      { title: "precision, BN", numeric: true, cell: ({ bn }) => percent(bn.precision) },
      { title: "recall, BN", numeric: true, cell: ({ bn }) => percent(bn.recall) },
      { title: "F1, BN", numeric: true, cell: ({ bn }) => number(bn.f1) },
      { title: "precision, no BN", numeric: true, cell: ({ nobn }) => percent(nobn.precision) },
      { title: "recall, no BN", numeric: true, cell: ({ nobn }) => percent(nobn.recall) },
      { title: "F1, no BN", numeric: true, cell: ({ nobn }) => number(nobn.f1) }
    ],
    rows
  )
}

const fewGroups = ({ bn: { perClass } }: Metrics): Html => {
  const few = perClass.filter(({ groups }) => groups < leastGroups)
  if (few.length === 0) return nothing
  const listed = few.slice(0, 20).map((each) => html`${text(isolated(each.class))} (${each.groups})`)
  const more = few.length > listed.length ? html`, and ${few.length - listed.length} more` : nothing
  return paragraph(
    html`Images of one group are related and count as one. ${few.length === 1 ? text("One class has") : html`${few.length} classes have`} fewer than ${leastGroups} groups in test, too few to judge them by: ${join(listed, ", ")}${more}.`
  )
}

/** "dishes, 98 % ✓": what a network says of an image. */
const answerOf = (classes: ReadonlyArray<string>, said: Answer): string =>
  `${isolated(classOf(classes, said))}, ${surenessOf(said)}`

const answer = (classes: ReadonlyArray<string>, variant: VariantName, said: Answer): Html =>
  html`<br>${text(variantNames[variant])}: ${text(answerOf(classes, said))}`

const shot = (classes: ReadonlyArray<string>, one: Mistake): Html => {
  const { bn, nobn, label, path, uri } = one
  const data = html`data-label="${label}" data-fate="${text(fateOf(one))}" data-bn="${bn.predicted}" data-bn-confidence="${text(bn.confidence.toFixed(4))}" data-nobn="${nobn.predicted}" data-nobn-confidence="${text(nobn.confidence.toFixed(4))}"`
  return html`<figure ${data}><img src="${text(uri)}" alt="${text(path)}" width="80" height="80"><figcaption><strong>${text(classes[label]!)}</strong>${answer(classes, "bn", bn)}${answer(classes, "nobn", nobn)}</figcaption></figure>`
}

const fates = {
  mended: "BN mended: wrong without BN, right with it",
  broke: "BN broke: right without BN, wrong with it",
  both: "Both are wrong"
} as const

const choice = (name: string, title: string, options: ReadonlyArray<readonly [value: string, text: string]>): Html =>
  html`<label>${text(title)} <select name="${text(name)}">${join(options.map(([value, of]) => html`<option value="${text(value)}">${text(of)}</option>`))}</select></label>`

const controls = (classes: ReadonlyArray<string>): Html => {
  const every = [["", "any class"], ...classes.map((name, k) => [String(k), name] as const)] as const
  return html`<form class="pick" hidden aria-label="Filter of the mistakes">${join([
    choice("network", "Wrong", [
      ["either", "with either network"],
      ...variants.map((each) => [each, variantNames[each]] as const)
    ]),
    choice("fate", "Change", [["", "any"], ...Object.entries(fates)]),
    choice("label", "True class", every),
    choice("predicted", "Predicted", every),
    choice("order", "Order", [
      ["sure", "most confident first"],
      ["unsure", "least confident first"],
      ["label", "by true class"]
    ])
  ])}<button type="reset">Show all</button></form><p role="status" class="soft"></p>`
}

/** Every mistake: in folds by what batch normalization changed, which the script makes one list. */
const browser = ({ metrics: { classes }, mistakes, mistakesFound }: ReportData): Html => {
  if (mistakesFound === 0) return paragraph(text("Neither network made a mistake on the test images."))
  const folds = Object.entries(fates).map(([fate, title]) => {
    const of = mistakes.filter((one) => fateOf(one) === fate)
    return of.length === 0
      ? nothing
      : folded(
          html`${text(title)} (${of.length})`,
          html`<div class="small">${join(of.map((one) => shot(classes, one)))}</div>`
        )
  })
  const left = mistakesFound - mistakes.length
  const more =
    left === 0
      ? nothing
      : html` The ${count(mistakes.length)} with the greatest confidence are shown, ${count(left)} are not.`
  return html`${paragraph(html`Every test image that at least one network misclassified, the most confident first.${more} Where a prediction looks right, check the label. All are in ${csvLink("mistakes")}.`)}<div id="mistakes">${controls(classes)}<div class="small all"></div>${join(folds)}</div>`
}

/** What both networks looked at in some mistakes. */
const looked = ({ lookedAt, metrics: { classes } }: ReportData): Html => {
  if (lookedAt.length === 0) return nothing
  const panel = (one: LookedAt, variant: VariantName): Html => {
    const uri = one.evidence[variant]
    const answer = answerOf(classes, one[variant])
    const image =
      uri === undefined
        ? nothing
        : html`<img src="${text(uri)}" alt="${text(`what speaks for ${answer}`)}" width="112" height="112">`
    return html`<div>${image}<p>${text(variantNames[variant])}:<br>${text(answer)}</p></div>`
  }
  const shown = lookedAt.map(
    (one) =>
      html`<div class="three"><div><img src="${text(one.uri)}" alt="${text(one.path)}" width="112" height="112"><p><strong>${text(classes[one.label]!)}</strong></p></div>${panel(one, "bn")}${panel(one, "nobn")}</div>`
  )
  return html`<h3>What they looked at</h3>${figure(
    "lookedAt",
    html`<div class="looked">${join(shown)}</div>`,
    html`The most confident mistake of ${lookedAt.length === 1 ? text("a class") : html`${lookedAt.length} classes`}, and what speaks for each network’s answer (Grad-CAM, Selvaraju et al. 2017, on the last convolution): as it is where the network looked, grey where it did not. A map says where a network looks, not whether it is right to.`
  )}`
}

export const errorSection = (data: ReportData): Html =>
  section(
    "errors",
    "Errors",
    ["self"],
    [
      matrices(data),
      pairTable(data),
      classTable(data),
      fewGroups(data.metrics),
      looked(data),
      html`<h3>All mistakes</h3>`,
      browser(data)
    ]
  )
