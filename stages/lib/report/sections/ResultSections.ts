/** Sections about the networks' outputs: logits, activations, predictions, confusion, mistakes, claims. */

import { variantNames } from "../../../../charts/Theme.ts"
import { activationNames, activations } from "../../../../schemas/activations/Activations.ts"
import type { ActivationScores, Claim, Example, Metrics, Part } from "../../../../schemas/Compare.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import { bars } from "../Bars.ts"
import type { ReportData } from "../Data.ts"
import {
  badge,
  type Column,
  csvLink,
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
import { lossNames } from "./TrainingSections.ts"

const map = ({ charts, hiddenUnits, tables }: ReportData, variant: VariantName): Html => {
  const units = hiddenUnits[variant]
  const name = text(variantNames[variant])
  const values =
    units > 0
      ? html`the last hidden layer (${units} units) of the network ${name}`
      : html`the logits of the network ${name}, which has no hidden dense layer`
  const chart = variant === "bn" ? "mapBn" : "mapNobn"
  return figure(
    chart,
    charts[chart],
    html`Test images by ${values}, projected on the first two principal components (PCA). A class name is at the median of its images (with more than 30 classes there are none); a cross is a misclassified image.`,
    tables
  )
}

export const logitSection = (data: ReportData): Html =>
  section(
    "logits",
    "Logits and hidden layers",
    ["logits"],
    [
      figure(
        "logits",
        data.charts.logits,
        text(
          "Logits of the test images: one row per image, sorted by label, and one column per class. A network that separates the classes shows a bright diagonal. Beyond the ends of the scale, where 1 % of the values are, the colour stays that of the end."
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
            ? html`<span title="${text(`the true class of ${scores.zeroLabelRows} images has probability 0`)}">∞</span>`
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

interface ScaledRow extends ActivationScores {
  readonly variant: VariantName
}

/** Each activation with the temperature that suits it: without one, confidence is the training's and not the activation's. */
const scaledTable = (metrics: Metrics): Html =>
  table(
    html`Test images, each activation with its own temperature; ${csvLink("activations")}`,
    [
      { title: "network", head: true, cell: (row) => text(variantNames[row.variant]) },
      { title: "activation", cell: (row) => text(row.activation) },
      { title: "temperature", numeric: true, cell: ({ scaled }) => number(scaled.temperature) },
      { title: "fitted by", cell: ({ scaled }) => text(scaled.minimizes === "brier" ? "Brier" : "NLL") },
      { title: "Brier", numeric: true, cell: ({ scaled }) => number(scaled.scores.brier) },
      { title: "ECE", numeric: true, cell: ({ scaled }) => number(scaled.scores.calibrationError) },
      { title: "top 3", numeric: true, cell: ({ scaled }) => percent(scaled.scores.top3) },
      { title: "support", numeric: true, cell: ({ scaled }) => number(scaled.scores.supportSize) }
    ],
    variants.flatMap((variant) => metrics[variant].activations.map((row): ScaledRow => ({ variant, ...row }))),
    (row) => (row.activation === metrics.activation ? "chosen" : "")
  )

/** The activation with the least Brier score of the network with BN, and what sparsemax costs against it. */
const recommendation = ({ bn }: Metrics): Html => {
  const best = bn.activations
    .filter(({ activation }) => activations[activation].overflows !== true)
    .sort((a, b) => a.scaled.scores.brier - b.scaled.scores.brier)[0]!
  const sparse = bn.activations.find(({ activation }) => activation === "sparsemax")!
  const kept = html`it keeps ${number(sparse.scaled.scores.supportSize)} classes on average`
  const hint = text("These are scores of one network on these test images, without intervals: a hint, no proof.")
  return best.activation === sparse.activation
    ? html`On the logits of the network with BN, sparsemax has the least Brier score of all activations (${number(best.scaled.scores.brier)}), and ${kept}. ${hint}`
    : html`On the logits of the network with BN, <strong>${text(best.activation)}</strong> has the least Brier score (${number(best.scaled.scores.brier)}): use it where probabilities count. Sparsemax has ${number(sparse.scaled.scores.brier)}; ${kept}: use it where a short list counts more. ${hint}`
}

/** Which loss the logits were trained for: an activation that has another is at a disadvantage. */
const trainedFor = ({ bn, nobn }: ReportData["histories"]): Html => {
  const fair = html`<code>op-pipe run --file losses.ts</code> compares softmax and sparsemax as each is trained.`
  if (bn.loss !== nobn.loss)
    return html`The network with BN was trained by ${text(lossNames[bn.loss])}, the one without by ${text(lossNames[nobn.loss])}: their scores differ for that reason too.`
  return bn.loss === "crossEntropy"
    ? html`Both networks were trained by ${text(lossNames[bn.loss])}. So this compares what is made of logits that were trained for softmax, and is not the best that sparsemax can do: ${fair}`
    : html`Both networks were trained by ${text(lossNames[bn.loss])}. So this compares what is made of logits that were trained for sparsemax, and is not the best that softmax can do: ${fair}`
}

export const activationSection = ({ histories, metrics, charts, tables }: ReportData): Html =>
  section(
    "activations",
    "Output activations",
    ["self"],
    [
      paragraph(
        text(
          `The same logits under ${activationNames.length} activations. All keep the order of the classes, so accuracy is the same; confidence is not. Sparsemax and 1.5-entmax give exactly 0 to classes that are far behind. When the true class gets 0, the negative log-likelihood is infinite.`
        )
      ),
      paragraph(trainedFor(histories)),
      html`<ul>${join(activationNames.map((name) => html`<li><strong>${text(name)}</strong>: ${text(activations[name].about)}.</li>`))}</ul>`,
      scoreTable(
        html`Test images, network with BN; ${csvLink("activations")}`,
        metrics.bn.activations,
        metrics.activation
      ),
      scoreTable(html`Test images, network without BN`, metrics.nobn.activations, metrics.activation),
      figure(
        "calibration",
        charts.calibration,
        text(
          "Accuracy by confidence in 15 bins; the size of a dot is the number of images, and a line its 95 % interval (Wilson), as if images were independent. Below the dashed line a network is overconfident."
        ),
        tables
      ),
      paragraph(
        text(
          "Logits over a temperature (Guo et al. 2017) that was fitted on validation: by the negative log-likelihood for softmax, by the Brier score for activations that give 0."
        )
      ),
      scaledTable(metrics),
      paragraph(recommendation(metrics))
    ]
  )

const prediction = (example: Example, shown: ReportData["examples"][number]): Html => {
  const answer = example.softmax[0]?.class
  const right = answer === example.label
  const seen =
    shown.evidence === undefined
      ? nothing
      : html`<img src="${text(shown.evidence)}" alt="${text(`what speaks for ${answer}`)}" width="112" height="112">`
  return html`<article class="shot"><div class="pair"><img src="${text(shown.uri)}" alt="${text(example.path)}" width="112" height="112">${seen}</div><div class="top"><div><div class="label">${text(example.label)}</div>${right ? html`<span class="badge supported">right</span>` : html`<span class="badge not-supported">wrong</span>`}<div class="path">${text(example.path)}</div></div></div><div class="bars">${bars("softmax", example.softmax, example.label)}${bars("sparsemax", example.sparsemax, example.label)}</div></article>`
}

export const predictionSection = ({ metrics, examples }: ReportData): Html =>
  section(
    "predictions",
    "Predictions",
    ["self"],
    [
      paragraph(
        html`${metrics.examples.length} random test images with their label and the three most probable classes of the network with BN, under softmax and sparsemax. Classes with probability 0 are left out; the true class is green.${examples.some(({ evidence }) => evidence !== undefined) ? text(" Beside each image is what speaks for the first class (Grad-CAM): as it is where the network looked, grey where it did not.") : nothing}`
      ),
      html`<div class="grid">${join(metrics.examples.map((example, i) => prediction(example, examples[i]!)))}</div>`
    ]
  )

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
              "Each claim of the seed study, the rule that decides it, and the verdict of this run. One pair of trainings is one sample: another seed may give another verdict."
            )
          : html`Each claim of the seed study, the rule that decides it, and the verdict of this run. Sentences and numbers are of the first seed. Claims 1, 2, 4 and 6 get the verdict of at least four fifths of the ${metrics.seeds.count} seeds, else they are undecided. The interval of the mean difference over seeds and test images decides claim 3; the first seed alone decides claim 5.`
      ),
      metrics.claims.some(({ parts }) => parts.length > 0)
        ? paragraph(html`All parts are in ${csvLink("claims")}.`)
        : nothing,
      ...metrics.claims.map(
        (claim) =>
          html`<div class="claim" id="claim-${claim.id}"><h3>${claim.id}. ${text(claim.claim)}</h3><p>${badge(verdictOf(metrics, claim))} ${text(claim.sentence)}</p>${seedLine(metrics, claim)}${checklist(claim)}<p class="soft">Rule: ${text(claim.rule)}</p>${evidence(claim)}</div>`
      )
    ]
  )

const marks = { holds: "✓ holds", fails: "✗ fails", unclear: "? unclear" } as const

const intervalColumn: Column<Part> = {
  title: "interval",
  cell: ({ interval }) => (interval === undefined ? nothing : html`${number(interval.low)} to ${number(interval.high)}`)
}

/** The parts of a claim, each with its value, what it must be, and whether it is. */
const checklist = ({ parts }: Claim): Html =>
  parts.length === 0
    ? nothing
    : table(
        nothing,
        [
          { title: "part", head: true, cell: (row) => text(row.name) },
          { title: "value", numeric: true, cell: (row) => number(row.value) },
          ...(parts.some(({ interval }) => interval !== undefined) ? [intervalColumn] : []),
          { title: "must be", cell: (row) => html`${text(row.relation)} ${number(row.threshold)}` },
          { title: "state", cell: (row) => text(marks[row.state]) }
        ],
        parts
      )

const evidence = (claim: ReportData["metrics"]["claims"][number]): Html =>
  html`<details><summary>Evidence</summary>${table(
    nothing,
    [
      { title: "number", head: true, cell: (row) => text(row.name) },
      { title: "value", numeric: true, cell: (row) => number(row.value) }
    ],
    claim.evidence
  )}</details>`
