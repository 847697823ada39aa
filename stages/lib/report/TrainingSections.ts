/** Sections about the networks, their training and their gradients. */
import type { VariantName } from "../../../schemas/Compare.ts"
import type { GradientFlag } from "../../../schemas/Gradstats.ts"
import type { ReportData } from "./Data.ts"
import {
  count,
  figure,
  folded,
  type Html,
  html,
  join,
  number,
  paragraph,
  percent,
  section,
  table,
  text
} from "./Html.ts"

const variants: ReadonlyArray<VariantName> = ["bn", "nobn"]
const names: Readonly<Record<VariantName, string>> = { bn: "with BN", nobn: "without BN" }

const layerTable = ({ networks }: ReportData, variant: VariantName): Html => {
  const network = networks[variant]
  return table(
    html`Network ${text(names[variant])}: ${count(network.totalParameters)} parameters that are trained`,
    [
      { title: "layer", head: true, cell: (row) => text(row.layer) },
      { title: "output (C, H, W)", cell: (row) => text(row.outputShape.join(" × ")) },
      { title: "parameters", numeric: true, cell: (row) => count(row.parameters) }
    ],
    network.table
  )
}

export const networkSection = (data: ReportData): Html =>
  section("networks", "Networks", [
    paragraph(
      text(
        "Both networks start from the same weights and see the same batches in the same order; they differ in nothing but the normalization after each convolution."
      )
    ),
    figure(
      data.charts.network,
      html`The network without BN: what goes through it, from the picture to one number per class.`
    ),
    layerTable(data, "nobn"),
    folded(html`The network with batch normalization, layer by layer`, layerTable(data, "bn"))
  ])

interface ChoiceRow {
  readonly variant: VariantName
  readonly epoch: number
  readonly how: Html
  readonly test: number
  readonly chosen: boolean
}

const choices = ({ metrics, histories }: ReportData): ReadonlyArray<ChoiceRow> =>
  variants.flatMap((variant): ReadonlyArray<ChoiceRow> => {
    const { bestEpoch, testSelected } = metrics[variant]
    const best = histories[variant].epochs.find(({ epoch }) => epoch === bestEpoch)
    return [
      { variant, epoch: bestEpoch, how: text("validation accuracy"), test: best?.testAccuracy ?? 0, chosen: true },
      {
        variant,
        epoch: testSelected.epoch,
        how: text("test accuracy (as the seed study did; a choice made on the test set, hence too good)"),
        test: testSelected.accuracy,
        chosen: false
      }
    ]
  })

export const trainingSection = (data: ReportData): Html =>
  section("training", "Training", [
    figure(
      data.charts.loss,
      text("Loss on train and validation pictures. The dashed line marks the epoch that was chosen on validation.")
    ),
    figure(
      data.charts.accuracy,
      text("Accuracy on all three splits. The test curve is shown and was not used for any choice.")
    ),
    table(
      html`The epoch that counts, and the one the seed study's way would have picked`,
      [
        { title: "network", head: true, cell: (row) => text(names[row.variant]) },
        { title: "chosen by", cell: (row) => row.how },
        { title: "epoch", numeric: true, cell: (row) => text(row.epoch) },
        { title: "test accuracy", numeric: true, cell: (row) => percent(row.test, 2) }
      ],
      choices(data),
      (row) => (row.chosen ? "chosen" : "")
    ),
    paragraph(
      text(
        "For comparison: on its own pictures, 18 characters of an animated series, the seed study reported a test accuracy of 66.9\u00a0% without (epoch 15) and 66.2\u00a0% with BN (epoch 17), both chosen on the test set."
      )
    ),
    folded(html`Every epoch in numbers`, join(variants.map((variant) => epochTable(data, variant))))
  ])

const epochTable = ({ histories }: ReportData, variant: VariantName): Html =>
  table(
    html`Network ${text(names[variant])}`,
    [
      { title: "epoch", head: true, cell: (row) => text(row.epoch) },
      { title: "train loss", numeric: true, cell: (row) => number(row.trainLoss) },
      { title: "validation loss", numeric: true, cell: (row) => number(row.validationLoss) },
      { title: "train acc.", numeric: true, cell: (row) => percent(row.trainAccuracy) },
      { title: "validation acc.", numeric: true, cell: (row) => percent(row.validationAccuracy) },
      { title: "test acc.", numeric: true, cell: (row) => percent(row.testAccuracy) },
      { title: "test F1 macro", numeric: true, cell: (row) => number(row.testF1Macro) },
      { title: "learning rate", numeric: true, cell: (row) => number(row.learningRate) }
    ],
    histories[variant].epochs
  )

const flagList = (flags: ReadonlyArray<GradientFlag>, variant: VariantName): Html => {
  if (flags.length === 0) return html`${text(names[variant])}: none`
  const byKind = new Map<string, Array<number>>()
  for (const flag of flags) {
    const key = `${flag.layer} ${flag.kind}`
    byKind.set(key, [...(byKind.get(key) ?? []), flag.epoch])
  }
  const said = [...byKind].map(([what, epochs]) => html`${text(what)} in ${epochs.length} epochs (from ${epochs[0]!})`)
  return html`${text(names[variant])}: ${join(said, ", ")}`
}

export const gradientSection = (data: ReportData): Html => {
  const { gradients, charts } = data
  const { vanishing, exploding } = gradients.thresholds
  return section("gradients", "Gradients", [
    paragraph(
      text(
        "The L2 norm of the loss gradient with respect to each layer's weights, averaged over the batches of an epoch."
      )
    ),
    figure(charts.heatMaps, text("Both networks on one logarithmic colour scale: equal colours are equal norms.")),
    figure(
      charts.profiles,
      text("From the input to the output: one line an epoch, the later the stronger; the last one thick.")
    ),
    figure(
      charts.ratio,
      text(
        "Norm of the first layer over that of the last. 1 means that as much gradient reaches the first layer as the last."
      )
    ),
    table(
      html`Last epoch`,
      [
        { title: "layer", head: true, cell: (row) => text(row.layer) },
        { title: "with BN", numeric: true, cell: (row) => (row.bn === null ? text("–") : number(row.bn)) },
        { title: "without BN", numeric: true, cell: (row) => (row.nobn === null ? text("–") : number(row.nobn)) },
        { title: "ratio", numeric: true, cell: (row) => (row.ratio === null ? text("–") : number(row.ratio)) }
      ],
      gradients.lastEpoch
    ),
    paragraph(
      html`Flagged ${flagList(gradients.bn.flags, "bn")}; ${flagList(gradients.nobn.flags, "nobn")}. A norm is flagged as vanishing below ${number(vanishing)} of the epoch's largest, as exploding above ${number(exploding)}.`
    )
  ])
}
