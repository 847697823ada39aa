/** Sections about what the networks say: logits, activations, predictions, confusion, mistakes, claims. */
import { activationNames, activations } from "../../../../schemas/activations/Activations.ts"
import type { ActivationScores, Claim, ClassScores, Example, Metrics } from "../../../../schemas/Compare.ts"
import type { VariantName } from "../../../../schemas/Names.ts"
import { bars } from "../Bars.ts"
import type { Mistake, ReportData, Shown } from "../Data.ts"
import {
  badge,
  figure,
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
import { overSeeds, verdictOf } from "./SeedSection.ts"

const map = ({ charts, hiddenUnits }: ReportData, variant: VariantName): Html => {
  const units = hiddenUnits[variant]
  const what =
    units > 0
      ? html`by what its last hidden layer (${units} units) makes of them`
      : text("by their logits, as it has no hidden dense layer")
  return figure(
    charts[variant === "bn" ? "mapBn" : "mapNobn"],
    html`Test images as the network ${text(variant === "bn" ? "with BN" : "without BN")} sees them: ${what}, on the two first principal components (PCA). A class is named where its images have their median; crosses are images that it got wrong.`
  )
}

export const logitSection = (data: ReportData): Html =>
  section(
    "logits",
    "Logits and hidden layers",
    ["logits"],
    [
      figure(
        data.charts.logits,
        text(
          "Logits of every image, one line an image, in the order of their labels; one column a class. A network that tells classes apart shows a bright diagonal."
        )
      ),
      map(data, "bn"),
      map(data, "nobn")
    ]
  )

const scoreTable = (caption: Html, rows: ReadonlyArray<ActivationScores>, chosen: string): Html =>
  table(
    caption,
    [
      { title: "activation", head: true, cell: (row) => text(row.activation) },
      { title: "accuracy", numeric: true, cell: ({ scores }) => percent(scores.accuracy) },
      { title: "F1 micro", numeric: true, cell: ({ scores }) => number(scores.f1Micro) },
      { title: "F1 macro", numeric: true, cell: ({ scores }) => number(scores.f1Macro) },
      { title: "top 3", numeric: true, cell: ({ scores }) => percent(scores.top3) },
      {
        title: "NLL",
        numeric: true,
        cell: ({ scores }) =>
          scores.negativeLogLikelihood === null
            ? html`<span title="${text(`${scores.zeroLabelRows} images whose label got probability 0`)}">∞</span>`
            : number(scores.negativeLogLikelihood)
      },
      { title: "Brier", numeric: true, cell: ({ scores }) => number(scores.brier) },
      { title: "ECE", numeric: true, cell: ({ scores }) => number(scores.calibrationError) },
      { title: "support", numeric: true, cell: ({ scores }) => number(scores.supportSize) },
      { title: "overflows", numeric: true, cell: ({ scores }) => text(scores.overflowRows) }
    ],
    rows,
    (row) => (row.activation === chosen ? "chosen" : "")
  )

export const activationSection = ({ metrics, charts }: ReportData): Html =>
  section(
    "activations",
    "Output activations",
    ["self"],
    [
      paragraph(
        text(
          `The same logits under ${activationNames.length} activations. They keep the order of the classes, so accuracy does not tell them apart; how sure they are does. Sparsemax and 1.5-entmax give classes that are far behind exactly 0; when that hits the right class, its negative log-likelihood is infinite.`
        )
      ),
      html`<ul>${join(activationNames.map((name) => html`<li><strong>${text(name)}</strong>: ${text(activations[name].about)}.</li>`))}</ul>`,
      scoreTable(html`Test images, network with BN`, metrics.bn.activations, metrics.activation),
      scoreTable(html`Test images, network without BN`, metrics.nobn.activations, metrics.activation),
      figure(
        charts.calibration,
        text(
          "Network with BN: accuracy of its answers over its confidence in them, in 15 bins; the size of a dot is the number of images. Below the dashed line it is too sure of itself."
        )
      ),
      paragraph(
        html`A temperature fitted on validation (Guo et al. 2017) makes the softmax more modest: ${number(metrics.bn.temperature.value)} with BN brings the expected calibration error on test to ${number(metrics.bn.temperature.calibrationError)} (NLL ${number(metrics.bn.temperature.negativeLogLikelihood)}), ${number(metrics.nobn.temperature.value)} without BN to ${number(metrics.nobn.temperature.calibrationError)} (NLL ${number(metrics.nobn.temperature.negativeLogLikelihood)}).`
      )
    ]
  )

const prediction = (example: Example, shown: Shown): Html => {
  const right = example.softmax[0]?.class === example.label
  return html`<article class="shot"><div class="top"><img src="${text(shown.uri)}" alt="${text(example.path)}" width="112" height="112"><div><div class="label">${text(example.label)}</div>${right ? html`<span class="badge supported">right</span>` : html`<span class="badge not-supported">wrong</span>`}<div class="path">${text(example.path)}</div></div></div><div class="bars">${bars("softmax", example.softmax, example.label)}${bars("sparsemax", example.sparsemax, example.label)}</div></article>`
}

export const predictionSection = ({ metrics, examples }: ReportData): Html =>
  section(
    "predictions",
    "Predictions",
    ["self"],
    [
      paragraph(
        html`${metrics.examples.length} test images drawn at random, their label, and the three most probable classes by the network with BN under softmax and sparsemax. Classes with probability 0 are not shown; the right class is green.`
      ),
      html`<div class="grid">${join(metrics.examples.map((example, i) => prediction(example, examples[i]!)))}</div>`
    ]
  )

const picker = (classes: ReadonlyArray<string>): Html =>
  html`<p class="pick"><label>Look at one class: <select id="pick-class"><option value="">all classes</option>${join(classes.map((name) => html`<option>${text(name)}</option>`))}</select></label></p>`

const mistake = (one: Mistake): Html =>
  html`<figure data-label="${text(one.label)}" data-answer="${text(one.answer)}"><img src="${text(one.uri)}" alt="${text(one.path)}" width="96" height="96"><figcaption><strong>${text(one.label)}</strong><br>taken for ${text(one.answer)}, ${percent(one.confidence, 0)}</figcaption></figure>`

interface ClassRow {
  readonly bn: ClassScores
  readonly nobn: ClassScores
}

export const errorSection = ({ metrics, charts, mistakes }: ReportData): Html => {
  const rows: ReadonlyArray<ClassRow> = metrics.bn.perClass.map((bn, k) => ({ bn, nobn: metrics.nobn.perClass[k]! }))
  return section(
    "errors",
    "Errors",
    ["self"],
    [
      figure(
        charts.confusion,
        text(
          "Test images: label by line, answer by column; the number of images in each cell, its colour their share of the line."
        )
      ),
      table(
        html`Test scores by class, under ${text(metrics.activation)}`,
        [
          { title: "class", head: true, cell: ({ bn }) => text(bn.class) },
          { title: "images", numeric: true, cell: ({ bn }) => text(bn.support) },
          { title: "precision, BN", numeric: true, cell: ({ bn }) => percent(bn.precision) },
          { title: "recall, BN", numeric: true, cell: ({ bn }) => percent(bn.recall) },
          { title: "F1, BN", numeric: true, cell: ({ bn }) => number(bn.f1) },
          { title: "precision, no BN", numeric: true, cell: ({ nobn }) => percent(nobn.precision) },
          { title: "recall, no BN", numeric: true, cell: ({ nobn }) => percent(nobn.recall) },
          { title: "F1, no BN", numeric: true, cell: ({ nobn }) => number(nobn.f1) }
        ],
        rows
      ),
      html`<h3>Worst mistakes</h3>`,
      mistakes.length === 0
        ? paragraph(text("The network with BN made no mistake on the test images."))
        : html`${paragraph(html`The test images that the network with BN got wrong and was surest of, under ${text(metrics.activation)}. What looks like a right answer here is worth a look at the label.`)}${picker(metrics.classes)}<div class="small" id="mistakes">${join(mistakes.map(mistake))}</div><p class="soft" id="no-mistakes" hidden>None of the worst mistakes is about this class.</p>`
    ]
  )
}

const seedLine = (metrics: Metrics, claim: Claim): Html => {
  const over = overSeeds(metrics, claim)
  return over === undefined ? nothing : html`<p>${text(over.sentence)}</p>`
}

export const claimSection = ({ metrics }: ReportData): Html =>
  section(
    "claims",
    "Claims",
    ["self"],
    [
      paragraph(
        metrics.seeds === undefined
          ? text(
              "Each claim of the seed study, the rule that it is judged by, and what this run says. One pair of trainings is one draw: another seed may say otherwise."
            )
          : html`Each claim of the seed study, the rule that it is judged by, and what this run says. Sentences and numbers are of the first seed. Claims 1, 2, 4 and 6 have the verdict of at least four fifths of the ${metrics.seeds.count} seeds, else they are undecided; claim 3 is judged by the interval of the mean difference over seeds and test images; claim 5 by the first seed alone.`
      ),
      ...metrics.claims.map(
        (claim) =>
          html`<div class="claim" id="claim-${claim.id}"><h3>${claim.id}. ${text(claim.claim)}</h3><p>${badge(verdictOf(metrics, claim))} ${text(claim.sentence)}</p>${seedLine(metrics, claim)}<p class="soft">Rule: ${text(claim.rule)}</p>${evidence(claim)}</div>`
      )
    ]
  )

const evidence = (claim: ReportData["metrics"]["claims"][number]): Html =>
  html`<details><summary>The numbers</summary>${table(
    nothing,
    [
      { title: "number", head: true, cell: (row) => text(row.name) },
      { title: "value", numeric: true, cell: (row) => number(row.value) }
    ],
    claim.evidence
  )}</details>`
