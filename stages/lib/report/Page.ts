/**
 * The report: one self-contained HTML file, with charts as inline SVG and images as data URIs.
 */

import type { ReportData } from "./Data.ts"
import { type Html, html, join, numbered, text, trusted } from "./Html.ts"
import { script } from "./look/Script.ts"
import { style } from "./look/Style.ts"
import { augmentationSection, dataSection } from "./sections/DataSections.ts"
import { errorSection } from "./sections/ErrorSection.ts"
import { provenanceSection } from "./sections/ProvenanceSection.ts"
import { activationSection, claimSection, logitSection, predictionSection } from "./sections/ResultSections.ts"
import { seedSection } from "./sections/SeedSection.ts"
import { summary } from "./sections/SummarySection.ts"
import { gradientSection, networkSection, trainingSection } from "./sections/TrainingSections.ts"

const contents: ReadonlyArray<readonly [id: string, title: string]> = [
  ["summary", "Summary"],
  ["data", "Data"],
  ["augmentation", "Augmentation"],
  ["networks", "Networks"],
  ["training", "Training"],
  ["seeds", "Seeds"],
  ["gradients", "Gradients"],
  ["logits", "Logits"],
  ["activations", "Activations"],
  ["predictions", "Predictions"],
  ["errors", "Errors"],
  ["claims", "Claims"],
  ["provenance", "Provenance"]
]

const navigation = ({ metrics }: ReportData): Html =>
  html`<nav aria-label="Contents"><ol>${join(contents.filter(([id]) => id !== "seeds" || metrics.seeds !== undefined).map(([id, title]) => html`<li><a href="#${text(id)}">${text(title)}</a></li>`))}</ol></nav>`

/** The whole page. */
export const renderReport = (data: ReportData): string => {
  const sections = [
    summary(data),
    dataSection(data),
    augmentationSection(data),
    networkSection(data),
    trainingSection(data),
    seedSection(data),
    gradientSection(data),
    logitSection(data),
    activationSection(data),
    predictionSection(data),
    errorSection(data),
    claimSection(data),
    provenanceSection(data)
  ]
  // nothing is fetched: the policy makes sure of it
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${text(policy)}">
<title>Batch normalization, gradients and sparse outputs in a small image classifier</title>
<link rel="icon" href="data:,">
<style>${trusted(style)}</style></head>
<body><a class="skip" href="#summary">Skip to the summary</a><div class="layout">${navigation(data)}<main>
<h1>Batch normalization, gradients and sparse outputs in a small image classifier</h1>
${join(sections)}
</main></div><script>${trusted(script)}</script></body></html>
`
  return numbered(page)
}
