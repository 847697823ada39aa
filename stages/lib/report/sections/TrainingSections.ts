/** Sections about the networks, their training and their gradients. */

import { variantNames } from "../../../../charts/Theme.ts"
import type { GradientFlag } from "../../../../schemas/Gradstats.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import type { History } from "../../../../schemas/Train.ts"
import type { ReportData } from "../Data.ts"
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

const layerTable = ({ networks }: ReportData, variant: VariantName): Html => {
  const network = networks[variant]
  return table(
    html`Network ${text(variantNames[variant])}: ${count(network.totalParameters)} trainable parameters; ${csvLink("layers")}`,
    [
      { title: "layer", head: true, cell: (row) => text(row.layer) },
      { title: "output (C, H, W)", cell: (row) => text(row.outputShape.join(" × ")) },
      { title: "parameters", numeric: true, cell: (row) => count(row.parameters) }
    ],
    network.table
  )
}

export const networkSection = (data: ReportData): Html =>
  section(
    "networks",
    "Networks",
    ["bn", "nobn"],
    [
      paragraph(
        text(
          "Both networks start from the same weights and see the same batches in the same order. They differ only in the normalization after each convolution."
        )
      ),
      figure("network", data.charts.network, html`The network without BN, from the image to one logit per class.`),
      layerTable(data, "nobn"),
      folded(html`The network with batch normalization, layer by layer`, layerTable(data, "bn")),
      data.charts.filters === undefined
        ? nothing
        : figure(
            "filters",
            data.charts.filters,
            html`Filters of the first convolution after training: grey is 0, a full colour the network's largest weight. Edges and spots of colour are what a network looks for; noise says that it learned little there.`
          )
    ]
  )

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
        how: text("test accuracy, the seed study's method (a score that is too high)"),
        test: testSelected.accuracy,
        chosen: false
      }
    ]
  })

export const lossNames: Readonly<Record<History["loss"], string>> = {
  crossEntropy: "the cross-entropy of softmax",
  sparsemax: "the loss of sparsemax (Martins and Astudillo 2016)"
}

/** The loss and the number of epochs. */
export const howTrained = (history: History): string => {
  const { loss, plannedEpochs, stoppedEarly, epochs } = history
  const length = stoppedEarly
    ? `stopped after epoch ${epochs.length} of ${plannedEpochs}, since validation accuracy did not improve`
    : `${epochs.length} epochs`
  return `${lossNames[loss]}, ${length}`
}

export const trainingSection = (data: ReportData): Html =>
  section(
    "training",
    "Training",
    ["bn", "nobn"],
    [
      paragraph(
        text(
          `Loss and epochs with BN: ${howTrained(data.histories.bn)}. Without BN: ${howTrained(data.histories.nobn)}.`
        )
      ),
      figure(
        "loss",
        data.charts.loss,
        text("Train and validation loss. A dashed line marks the epoch with the best validation accuracy."),
        data.tables
      ),
      figure(
        "accuracy",
        data.charts.accuracy,
        text("Train, validation and test accuracy. No choice was made by the test curve."),
        data.tables
      ),
      table(
        html`The epoch that this study uses, and the one that the seed study's method selects`,
        [
          { title: "network", head: true, cell: (row) => text(variantNames[row.variant]) },
          { title: "selected by", cell: (row) => row.how },
          { title: "epoch", numeric: true, cell: (row) => text(row.epoch) },
          { title: "test accuracy", numeric: true, cell: (row) => percent(row.test, 2) }
        ],
        choices(data),
        (row) => (row.chosen ? "chosen" : "")
      ),
      paragraph(
        text(
          "For comparison, the seed study used its own images (18 characters of an animated series). It reported a test accuracy of 66.9\u00a0% without (epoch 15) and 66.2\u00a0% with BN (epoch 17), both selected on the test set."
        )
      ),
      folded(html`All epochs in numbers`, join(variants.map((variant) => epochTable(data, variant))))
    ]
  )

const epochTable = ({ histories }: ReportData, variant: VariantName): Html =>
  table(
    html`Network ${text(variantNames[variant])}; ${csvLink("epochs")}`,
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
  if (flags.length === 0) return html`${text(variantNames[variant])}: none`
  const byKind = new Map<string, Array<number>>()
  for (const flag of flags) {
    const key = `${flag.layer} ${flag.kind}`
    byKind.set(key, [...(byKind.get(key) ?? []), flag.epoch])
  }
  const flagged = [...byKind].map(
    ([what, epochs]) => html`${text(what)} in ${epochs.length} epochs (from ${epochs[0]!})`
  )
  return html`${text(variantNames[variant])}: ${join(flagged, ", ")}`
}

const orDash = (value: number | null, show: (value: number) => Html): Html => (value === null ? text("–") : show(value))

const lastEpochTable = ({ gradients }: ReportData): Html =>
  table(
    html`Last epoch; ${csvLink("gradients-last-epoch")}`,
    [
      { title: "layer", head: true, cell: (row) => text(row.layer) },
      { title: "norm, BN", numeric: true, cell: (row) => orDash(row.bn, number) },
      { title: "norm, no BN", numeric: true, cell: (row) => orDash(row.nobn, number) },
      { title: "BN / no BN", numeric: true, cell: (row) => orDash(row.ratio, number) },
      { title: "update / weight, BN", numeric: true, cell: (row) => orDash(row.updateRatio.bn, number) },
      { title: "update / weight, no BN", numeric: true, cell: (row) => orDash(row.updateRatio.nobn, number) },
      { title: "dead, BN", numeric: true, cell: (row) => orDash(row.deadShare.bn, percent) },
      { title: "dead, no BN", numeric: true, cell: (row) => orDash(row.deadShare.nobn, percent) }
    ],
    gradients.lastEpoch
  )

export const gradientSection = (data: ReportData): Html => {
  const { gradients, charts, tables } = data
  const { vanishing, exploding, dead, still, rushed } = gradients.thresholds
  return section(
    "gradients",
    "Gradients",
    ["gradstats"],
    [
      paragraph(
        text(
          "A gradient norm is the L2 norm of the loss gradient with respect to a layer's weights, averaged over the batches of an epoch."
        )
      ),
      figure(
        "heatMaps",
        charts.heatMaps,
        text("Gradient norm by layer and epoch, on one logarithmic colour scale for both networks."),
        tables
      ),
      figure(
        "profiles",
        charts.profiles,
        text(
          "Gradient norm by layer, from input to output: one line per epoch, later epochs darker, the last one thick."
        ),
        tables
      ),
      figure(
        "ratio",
        charts.ratio,
        text(
          "Gradient norm of the first layer divided by that of the last. At 1, the first layer gets as much gradient as the last."
        ),
        tables
      ),
      figure(
        "updates",
        charts.updates,
        text(
          "Update-to-weight ratio: L2 norm of the epoch's last optimizer step on a layer's weights (L2 regularization included), divided by the norm of the weights before it. As a rule of thumb, 0.001 (dashed) is healthy; the ratio falls with the learning rate."
        ),
        tables
      ),
      figure(
        "dead",
        charts.dead,
        html`Dead ReLUs: share of a layer's channels or units whose output is 0 for every validation image, after the epoch. A layer above the dashed line is flagged.`,
        tables
      ),
      lastEpochTable(data),
      paragraph(
        html`Flags ${flagList(gradients.bn.flags, "bn")}; ${flagList(gradients.nobn.flags, "nobn")}. A gradient norm is flagged as vanishing below ${number(vanishing)} of the epoch's largest norm and as exploding above ${number(exploding)}. A layer is flagged as dead when more than ${percent(dead, 0)} of its ReLUs are dead, as still when its update-to-weight ratio is below ${number(still)}, and as rushed when it is above ${number(rushed)}.`
      )
    ]
  )
}
