/** The page of `losses`: what training by sparsemax's own loss is worth, in an answer, two tables and their conditions. */
import type { LossDifference, Losses, LossMetric, Reading } from "../../../schemas/Losses.ts"
import type { History, LossName } from "../../../schemas/Train.ts"
import { mean } from "../statistics/Summary.ts"
import {
  count,
  type Html,
  html,
  join,
  nothing,
  number,
  paragraph,
  percent,
  placeholder,
  points,
  table,
  text,
  trusted
} from "./Html.ts"
import { style } from "./look/Style.ts"

export interface LossPageData {
  readonly losses: Losses
  readonly histories: Readonly<Record<LossName, History>>
  readonly classes: number
}

const trainedBy: Readonly<Record<LossName, string>> = {
  crossEntropy: "cross-entropy",
  sparsemax: "the loss of sparsemax"
}

const over = (seeds: number): string => (seeds === 1 ? "one pair of trainings" : `the mean of ${seeds} seeds`)

const clearOf = ({ low95, high95 }: LossDifference): boolean => low95 > 0 || high95 < 0

const of = (differences: ReadonlyArray<LossDifference>, metric: LossMetric): LossDifference =>
  differences.find((each) => each.metric === metric)!

const brierOf = (difference: LossDifference): Html =>
  html`${number(difference.mean)} (95 % interval ${number(difference.low95)} to ${number(difference.high95)})`

/** What a difference in the Brier score says, in words. */
const judged = (difference: LossDifference, better: string, worse: string): Html =>
  clearOf(difference) ? text(difference.mean < 0 ? better : worse) : text("the interval does not tell them apart")

type Histories = LossPageData["histories"]

const rateOf = ({ epochs }: History): number => epochs[0].learningRate

/** Whether the trainings differ in nothing but the loss, as far as their histories say. */
const alike = ({ crossEntropy, sparsemax }: Histories): boolean =>
  rateOf(crossEntropy) === rateOf(sparsemax) && crossEntropy.plannedEpochs === sparsemax.plannedEpochs

const howTrained = (of: Histories, loss: LossName): Html =>
  html`${of[loss].plannedEpochs} epochs from a learning rate of ${text(rateOf(of[loss]))}`

/** The condition of the answer. */
const condition = (of: Histories): Html =>
  alike(of)
    ? html`With the learning rate and the epochs of the study for both`
    : html`With ${howTrained(of, "crossEntropy")} for cross-entropy and ${howTrained(of, "sparsemax")} for the loss of sparsemax`

/** The first sentence: whether sparsemax as it was trained is better than softmax as it was trained. */
export const answer = ({ asTrained, constant, learned, seeds, underSparsemax }: Losses, histories: Histories): Html => {
  if (!learned.crossEntropy || !learned.sparsemax) {
    const which =
      learned.crossEntropy || learned.sparsemax
        ? `The network trained by ${trainedBy[learned.crossEntropy ? "sparsemax" : "crossEntropy"]} is not`
        : "Neither network is"
    return html`${text(which)} known to beat the constant answer “${text(constant.class)}” (${percent(constant.share)}), so the scores say nothing of the losses yet. Train longer or on more images.`
  }
  const [fair, own] = [of(asTrained, "brier"), of(underSparsemax, "brier")]
  return html`${condition(histories)}, on ${text(over(seeds))}, sparsemax trained by its own loss minus softmax trained by cross-entropy is ${brierOf(fair)} in the Brier score, where less is better: ${judged(fair, "sparsemax has the better probabilities", "softmax has the better probabilities")}. Its own loss instead of cross-entropy changes the Brier score of sparsemax by ${brierOf(own)}: ${judged(own, "train by it if sparsemax is to be used", "cross-entropy is the better training even for sparsemax")}.`
}

const readingTable = ({ readings, seeds, testImages, groups }: Losses): Html => {
  const by = (score: (scores: Reading["bySeed"][number]["scores"]) => number) => (row: Reading) =>
    mean(row.bySeed.map(({ scores }) => score(scores)))
  const column = (title: string, score: Parameters<typeof by>[0], show: (value: number) => Html) => ({
    title,
    numeric: true,
    cell: (row: Reading) => show(by(score)(row))
  })
  return table(
    html`Scores on ${count(testImages)} test images in ${count(groups)} groups, ${text(over(seeds))}; every row with a temperature of its own, fitted on validation`,
    [
      { title: "trained by", head: true, cell: (row) => text(trainedBy[row.loss]) },
      { title: "read by", cell: (row) => text(row.activation) },
      {
        title: "temperature",
        numeric: true,
        cell: (row) => number(mean(row.bySeed.map(({ temperature }) => temperature)))
      },
      column("accuracy", ({ accuracy }) => accuracy, percent),
      column("top 3", ({ top3 }) => top3, percent),
      column("Brier", ({ brier }) => brier, number),
      column("ECE", ({ calibrationError }) => calibrationError, number),
      column("support", ({ supportSize }) => supportSize, number)
    ],
    readings,
    (row) => ((row.loss === "sparsemax") === (row.activation === "sparsemax") ? "chosen" : "")
  )
}

const metricNames: Readonly<Record<LossMetric, string>> = {
  brier: "Brier score (less is better)",
  accuracy: "accuracy",
  top3: "label among the top 3",
  supportSize: "classes with a probability"
}

const shown = ({ metric }: LossDifference, value: number): Html =>
  metric === "accuracy" || metric === "top3" ? points(value) : number(value)

const differenceTable = (caption: Html, rows: ReadonlyArray<LossDifference>): Html =>
  table(
    caption,
    [
      { title: "difference in", head: true, cell: (row) => text(metricNames[row.metric]) },
      { title: "mean", numeric: true, cell: (row) => shown(row, row.mean) },
      {
        title: "95 % interval",
        numeric: true,
        cell: (row) => html`${shown(row, row.low95)} to ${shown(row, row.high95)}`
      },
      {
        title: "by seed",
        cell: (row) =>
          join(
            row.values.map((value) => shown(row, value)),
            ", "
          )
      }
    ],
    rows
  )

/** The step of a training, its key and its settings, which the run fills in. */
const origin = (of: LossName): Html => {
  const param = (name: string): Html => placeholder(of, `params.${name}`)
  return html`<li>${text(trainedBy[of])}: ${placeholder(of, "step")} <code>${placeholder(of, "key")}</code>, ${param("optimizer")}, learning rate ${param("learningRate")}, schedule ${param("schedule")}, L2 ${param("weightDecay")}, batches of ${param("batchSize")}</li>`
}

const title = "What the loss of sparsemax is worth"

/** The whole page. */
export const renderLosses = ({ losses, histories, classes }: LossPageData): string => {
  const { seeds } = losses
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
  const epochs = (loss: LossName): Html =>
    html`${text(trainedBy[loss])}: ${histories[loss].epochs.length} epochs, the best on validation is ${histories[loss].bestEpoch}`
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${text(policy)}">
<title>${text(title)}</title>
<link rel="icon" href="data:,">
<style>${trusted(`${style}\n.one { max-width:960px; margin:0 auto; padding:0 1.25rem 4rem; }`)}</style></head>
<body><main class="one">
<h1>${text(title)}</h1>
<p class="advice"><strong>Answer.</strong> ${answer(losses, histories)}</p>
${paragraph(html`One network with batch normalization, trained twice from the same weights on the same batches, ${text(seeds === 1 ? "from one seed" : `from each of ${seeds} seeds`)}: by the cross-entropy of softmax, and by the loss of sparsemax (Martins and Astudillo 2016). It distinguishes ${count(classes)} classes. Softmax and sparsemax on logits that were trained for softmax would be no fair comparison.`)}
${readingTable(losses)}
${paragraph(text("Rows with a ground are read as they were trained. ECE is the expected calibration error in 15 bins; support is the mean number of classes with a probability above 0."))}
${differenceTable(html`As trained: sparsemax by its own loss minus softmax by cross-entropy`, losses.asTrained)}
${differenceTable(html`Under sparsemax: trained by its own loss minus by cross-entropy`, losses.underSparsemax)}
${paragraph(html`Intervals are over groups of related test images${text(seeds === 1 ? ", for this one pair of trainings: another seed may say otherwise (" : " and over seeds (Student’s t); with few seeds they are wide.")}${seeds === 1 ? html`<code>--seeds 3</code>).` : text("")}${alike(histories) ? html` The learning rate was chosen for cross-entropy and may be a bad one for the loss of sparsemax: <code>--set train@sparsemax.learningRate=0.00025</code> tries another.` : nothing}`)}
${paragraph(html`Of the first seed, ${epochs("crossEntropy")}; ${epochs("sparsemax")}.`)}
<h2>Provenance</h2>
<ul>${join((["crossEntropy", "sparsemax"] as const).map(origin))}</ul>
</main></body></html>
`
}
