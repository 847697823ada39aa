/** Results over several seeds: mean curves with bands, test scores by seed, their difference, and the claims over all. */

import { variantNames } from "../../../../charts/Theme.ts"
import type { Claim, Metrics } from "../../../../schemas/Compare.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import type { SeedClaim, SeedDifference, SeedScore, Seeds, TestMetric, Verdict } from "../../../../schemas/Seeds.ts"
import { marginPoints, signedPoints } from "../../Figures.ts"
import type { ReportData } from "../Data.ts"
import { csvLink, figure, type Html, html, nothing, number, paragraph, section, table, text } from "../Html.ts"

const metricNames: Readonly<Record<TestMetric, string>> = {
  testAccuracy: "test accuracy",
  testF1Macro: "test F1 macro"
}

/** The claim over seeds, where there are several and the claim is judged over them. */
export const overSeeds = (metrics: Metrics, claim: Claim): SeedClaim | undefined =>
  metrics.seeds?.claims.find(({ id }) => id === claim.id)

/** The verdict that counts: over seeds where there is one. */
export const verdictOf = (metrics: Metrics, claim: Claim): Verdict =>
  overSeeds(metrics, claim)?.verdict ?? claim.verdict

/** Mean and standard deviation of test accuracy, for a sentence. */
export const scoreOver = (seeds: Seeds, variant: VariantName): string => {
  const { mean, sd } = seeds[variant].scores.find(({ metric }) => metric === "testAccuracy")!
  return `${(100 * mean).toFixed(1)} ± ${(100 * sd).toFixed(1)}\u00a0%`
}

interface ScoreRow extends SeedScore {
  readonly variant: VariantName
}

const each = (values: ReadonlyArray<number>): Html => text(values.map((value) => value.toFixed(3)).join(", "))

const scoreTable = (seeds: Seeds): Html =>
  table(
    html`Scores of the epoch with the best validation accuracy, over ${seeds.count} seeds; ${csvLink("seeds")}`,
    [
      { title: "network", head: true, cell: (row) => text(variantNames[row.variant]) },
      { title: "score", cell: (row) => text(metricNames[row.metric]) },
      { title: "mean", numeric: true, cell: (row) => number(row.mean) },
      { title: "sd", numeric: true, cell: (row) => number(row.sd) },
      {
        title: "95 % interval of the mean",
        cell: (row) => text(`${row.low95.toFixed(3)} to ${row.high95.toFixed(3)}`)
      },
      { title: "by seed", cell: (row) => each(row.values) },
      { title: "epochs", cell: (row) => text(seeds[row.variant].bestEpochs.join(", ")) }
    ],
    variants.flatMap((variant) => seeds[variant].scores.map((score): ScoreRow => ({ variant, ...score })))
  )

const range = (low: number, high: number): Html => text(`${signedPoints(low)} to ${signedPoints(high)}`)

const differenceTable = (seeds: Seeds): Html =>
  table(
    html`BN minus no BN, in points, paired by seed`,
    [
      { title: "score", head: true, cell: (row: SeedDifference) => text(metricNames[row.metric]) },
      { title: "mean", numeric: true, cell: (row) => text(signedPoints(row.mean)) },
      { title: "sd", numeric: true, cell: (row) => text((100 * row.sd).toFixed(1)) },
      { title: "95 %, bootstrap of seeds", cell: (row) => range(row.low95, row.high95) },
      { title: "95 %, Student's t", cell: (row) => range(row.student95.low, row.student95.high) },
      { title: "95 %, with test images", cell: (row) => range(row.total95.low, row.total95.high) },
      { title: "p", numeric: true, cell: (row) => number(row.pValue) },
      { title: "by seed", cell: (row) => text(row.values.map(signedPoints).join(", ")) }
    ],
    seeds.differences
  )

/** Nothing when there is one seed. */
export const seedSection = ({ metrics, charts, histories, tables }: ReportData): Html => {
  const { seeds } = metrics
  if (seeds === undefined) return nothing
  const epochs = Math.max(histories.bn.epochs.length, histories.nobn.epochs.length)
  const cut =
    seeds.sharedEpochs < epochs
      ? html` The curves end at epoch ${seeds.sharedEpochs}, where the shortest training ends: a mean over fewer seeds would jump.`
      : nothing
  return section(
    "seeds",
    "Seeds",
    ["self"],
    [
      paragraph(
        html`Both networks were trained with ${seeds.count} seeds on the same images in the same splits; initial weights, order of batches and dropout differ. Outside this section everything but the verdicts is about the first seed. Intervals in this section are over trainings. Where they say so, they include the choice of test images, estimated from the first seed.`
      ),
      charts.seedLoss === undefined
        ? nothing
        : figure(
            "seedLoss",
            charts.seedLoss,
            html`Mean loss over ${seeds.count} seeds. Bands are 95 % bootstrap intervals of the mean; with few seeds they span about the range of the values.${cut}`,
            tables
          ),
      charts.seedAccuracy === undefined
        ? nothing
        : figure(
            "seedAccuracy",
            charts.seedAccuracy,
            html`Mean accuracy over ${seeds.count} seeds, with the same bands.`,
            tables
          ),
      scoreTable(seeds),
      differenceTable(seeds),
      paragraph(
        html`Verdict for a margin of ${text(marginPoints(metrics.equivalence.margin))} points, by the intervals over seeds and test images: ${text(seeds.equivalence)}.`
      )
    ]
  )
}
