/**
 * The report in short, as Markdown for a repository's page, with the figures beside it as SVG and PNG files, light and dark.
 *
 * Links are relative to `outputs/compare/`, where the step's files are.
 */

import { mostBars } from "../../../charts/Classes.ts"
import { variantNames } from "../../../charts/Theme.ts"
import { escapeXml } from "../../../charts/Xml.ts"
import type { ActivationScores, Claim, Metrics, VariantMetrics } from "../../../schemas/Compare.ts"
import type { VariantName } from "../../../schemas/Names.ts"
import type { ClassCounts, Manifest } from "../../../schemas/Split.ts"
import { marginPoints, percent, signedPoints, significant } from "../Figures.ts"
import { type FigureName, type ReportData, totalOf } from "./Data.ts"
import { count, type Html } from "./Html.ts"
import { findings, recommendation } from "./sections/Findings.ts"
import { overSeeds, scoreOver, verdictOf } from "./sections/SeedSection.ts"
import { files } from "./sections/SummarySection.ts"
import { howTrained } from "./sections/TrainingSections.ts"

/** Text that Markdown and HTML leave alone. */
const plain = (text: string): string => text.replace(/\s+/gu, " ").replace(/[\\`*_{}[\]<>|#&]/gu, "\\$&")

const orInfinity = (value: number | null): string => (value === null ? "∞" : significant(value))

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map((_, i) => (i === 0 ? "---" : "---:")), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

const variantRow = (variant: VariantName, metrics: VariantMetrics): ReadonlyArray<string> => {
  const of = (split: string): string => percent(metrics.splits.find((one) => one.split === split)?.accuracy ?? 0)
  const test = metrics.splits.find((one) => one.split === "test")
  return [
    variantNames[variant],
    String(metrics.bestEpoch),
    of("train"),
    of("validation"),
    of("test"),
    orInfinity(test?.f1Macro ?? 0),
    `${percent(metrics.testSelected.accuracy)} (epoch ${metrics.testSelected.epoch})`
  ]
}

const activationRow = ({ activation, scores }: ActivationScores): ReadonlyArray<string> => [
  activation,
  percent(scores.accuracy),
  percent(scores.top3),
  orInfinity(scores.negativeLogLikelihood),
  orInfinity(scores.brier),
  orInfinity(scores.calibrationError),
  orInfinity(scores.supportSize)
]

/** Images by class; of many classes their sum, as on the page. */
export const dataPart = ({ manifest: { counts } }: { readonly manifest: Pick<Manifest, "counts"> }): string => {
  const row = (one: ClassCounts): ReadonlyArray<string> => [
    plain(one.class),
    String(one.found),
    String(one.setAside),
    String(one.dropped),
    String(one.train),
    String(one.validation),
    String(one.test)
  ]
  const head = ["class", "found", "set aside", "near-duplicates dropped", "train", "validation", "test"]
  const [, ...sums] = row(totalOf(counts))
  const all = ["**all**", ...sums]
  return counts.length > mostBars
    ? `${table(head, [all])}\n\nEach class is in [images.csv](tables/images.csv).`
    : table(head, [...counts.map(row), all])
}

/** With several seeds, the sentence of the first and that of all. */
const claimLine = (metrics: Metrics, claim: Claim): string => {
  const over = overSeeds(metrics, claim)
  const more = over === undefined ? "" : ` ${plain(over.sentence)}`
  return `${claim.id}. **${verdictOf(metrics, claim)}**: ${plain(claim.claim)} ${plain(claim.sentence)}${more}`
}

const seedPart = ({ seeds }: Metrics): string =>
  seeds === undefined
    ? ""
    : `
Over ${seeds.count} seeds, test accuracy is ${scoreOver(seeds, "bn")} with BN and ${scoreOver(seeds, "nobn")} without (mean and standard deviation). Difference by seed: ${seeds.differences[0]!.values.map(signedPoints).join(", ")} points. The numbers above are of the first seed.
`

interface MarkdownData extends ReportData {
  /** Of the page's figures: the same figure has the same number. */
  readonly numbers: Readonly<Record<string, number>>
}

/** A figure for light pages and for dark ones, with what it says. */
const picture = ({ labels, numbers }: MarkdownData, name: FigureName): string => {
  const kind = ["logits", "predictions", "lookedAt"].includes(name) ? "png" : "svg"
  const alt = escapeXml(labels[name])
  const number = numbers[name]
  const said = plain(`${number === undefined ? "" : `Figure ${number}. `}${labels[name]}.`)
  return `<picture><source media="(prefers-color-scheme: dark)" srcset="figures/${name}-dark.${kind}"><img alt="${alt}" src="figures/${name}-light.${kind}"></picture>\n\n${said}`
}

const pictures = (data: MarkdownData, ...names: ReadonlyArray<FigureName>): string =>
  names.map((name) => picture(data, name)).join("\n\n")

const tableList = ({ tables }: ReportData): string =>
  Object.keys(tables)
    .map((name) => `[${name}](tables/${name}.csv)`)
    .join(", ")

/** Markup of the page as Markdown text. */
const unmarked = (markup: Html): string =>
  plain(markup.replace(/<[^>]*>/gu, "").replace(/&#(\d+);/gu, (_, code: string) => String.fromCodePoint(Number(code))))

/** What the first screen of the page has. */
const firstPart = (data: MarkdownData): string => {
  const { metrics, manifest } = data
  const dots = metrics.seeds === undefined ? "the dot is this pair of trainings" : "dots are seeds"
  return `${count(manifest.images.length)} images of ${count(metrics.classes.length)} classes; ${count(metrics.testImages)} test images. ${unmarked(files(data))} Scores under \`${metrics.activation}\`.

**Recommendation.** ${unmarked(recommendation(metrics))}

${picture(data, "hero")}

With BN minus without, on test: ${dots}, lines 95 % intervals; inside the grey band a difference does not matter.

${findings(data)
  .map((each) => `- ${unmarked(each)}`)
  .join("\n")}`
}

/** The whole document. */
export const renderMarkdown = (report: ReportData, numbers: Readonly<Record<string, number>>): string => {
  const data = { ...report, numbers }
  const { metrics, missingLetters } = data
  const accuracy = metrics.differences.find(({ metric }) => metric === "accuracy")!
  return `# Batch normalization, gradients and sparse outputs in a small image classifier

${missingLetters === undefined ? "" : `> ${plain(missingLetters)}\n\n`}${firstPart(data)}

${table(["network", "best epoch", "train", "validation", "test", "test F1 macro", "selected on test, the seed study's method"], [variantRow("bn", metrics.bn), variantRow("nobn", metrics.nobn)])}

Difference in test accuracy, BN minus no BN: ${signedPoints(accuracy.estimate)} points, 95 % interval ${signedPoints(accuracy.low95)} to ${signedPoints(accuracy.high95)} over ${metrics.groupTest.groups} independent groups of test images; p by groups ${orInfinity(metrics.groupTest.pValue)}, by images (McNemar) ${orInfinity(metrics.mcNemar.pValue)}; the best constant answer is right in ${(100 * metrics.constant.share).toFixed(1)} %; accuracy and macro F1 within a margin of ${marginPoints(metrics.equivalence.margin)} points: ${metrics.equivalence.verdict}.
${seedPart(metrics)}
## Claims

${metrics.claims.map((claim) => claimLine(metrics, claim)).join("\n")}

## Data

${dataPart(data)}

${picture(data, "balance")}

![Originals and their augmented copies](figures/contact-sheet.png)

## Network

${picture(data, "network")}
${data.charts.filters === undefined ? "" : `\n${picture(data, "filters")}\n`}
## Training

With BN: ${howTrained(data.histories.bn)}. Without BN: ${howTrained(data.histories.nobn)}.

${metrics.seeds === undefined ? "" : `Means over ${metrics.seeds.count} seeds with their 95 % bootstrap intervals.\n\n`}${metrics.seeds === undefined ? pictures(data, "loss", "accuracy") : pictures(data, "seedLoss", "seedAccuracy")}

## Gradients

${pictures(data, "heatMaps", "profiles", "ratio", "updates", "dead")}

## Logits and output activations

${pictures(data, "logits", "mapBn", "mapNobn")}

Test images, network with BN:

${table(["activation", "accuracy", "top 3", "NLL", "Brier", "ECE", "support"], metrics.bn.activations.map(activationRow))}

${picture(data, "calibration")}

## Predictions and errors

${pictures(data, "predictions", "confusion")}
${data.lookedAt.length === 0 ? "" : `\n${picture(data, "lookedAt")}\n\nThe most confident mistake of some classes, and what spoke for the answer of each network (Grad-CAM): as it is where the network looked, grey where it did not.\n`}
## Tables

All numbers, as they are: ${tableList(data)}.
`
}
