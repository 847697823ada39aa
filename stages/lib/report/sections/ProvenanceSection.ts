/** Provenance: the files, result, code, engine and settings of each step. */
import { marginPoints } from "../../Figures.ts"
import type { ReportData } from "../Data.ts"
import { type Html, html, join, nothing, paragraph, placeholder, section, table, text } from "../Html.ts"
import { lossNames } from "./TrainingSections.ts"

interface Origin {
  /** An input of `compare` that is wired to the step, or `self`. */
  readonly of: string
  readonly numbers: string
  readonly files: ReadonlyArray<string>
  readonly settings: Html
  /** Whether it computes with an engine. */
  readonly engine: boolean
}

const param = (of: string, name: string): Html => placeholder(of, `params.${name}`)

const trained = (of: "bn" | "nobn", { histories }: ReportData): Origin => {
  const { epochs, bestEpoch, loss } = histories[of]
  return {
    of,
    numbers: of === "bn" ? "network and curves with BN" : "network and curves without BN",
    files: ["history.json", "network.json", "model.safetensors"],
    settings: html`seed ${param(of, "seed")}; loss: ${text(lossNames[loss])}, L2 ${param(of, "weightDecay")}; ${param(of, "optimizer")}, learning rate ${param(of, "learningRate")}, schedule ${param(of, "schedule")}; batches of ${param(of, "batchSize")}; ${epochs.length} epochs, best ${bestEpoch}`,
    engine: true
  }
}

const origins = (data: ReportData): ReadonlyArray<Origin> => {
  const { params, manifest, index, gradients, metrics } = data
  const { train, validation, test } = manifest.fractions
  return [
    {
      of: "manifest",
      numbers: "counts, near-duplicates, set aside",
      files: ["manifest.json"],
      settings: html`seed ${manifest.seed}; ${train} : ${validation} : ${test}; near-duplicates: ${text(manifest.duplicatePolicy)}`,
      engine: false
    },
    {
      of: "index",
      numbers: "packed and augmented images",
      files: ["index.json"],
      settings: html`seed ${param("index", "seed")}; ${index.size} px; ${index.splits.train.records.length} train records`,
      engine: false
    },
    trained("bn", data),
    trained("nobn", data),
    {
      of: "gradstats",
      numbers: "gradient norms",
      files: ["gradstats.json"],
      settings: html`means over the batches of an epoch; vanishing below ${gradients.thresholds.vanishing}, exploding above ${gradients.thresholds.exploding}`,
      engine: false
    },
    {
      of: "logits",
      numbers: "logits, hidden layers",
      files: ["logits.arrow", "penultimate.arrow"],
      settings: text("float32; best epochs; logits of the originals of all splits, hidden layers for those of test"),
      engine: true
    },
    {
      of: "self",
      numbers: "scores, intervals, verdicts",
      files: ["metrics.json", "figures/contact-sheet.png"],
      settings: html`seed ${params.seed}; activation ${text(params.activation)}; ${params.bootstrap} resamples of groups; margin ${text(marginPoints(metrics.equivalence.margin))} points`,
      engine: false
    }
  ]
}

const namesOf = ({ of, numbers, files }: Origin): Html => {
  const listed = files.map((file) => html`<br><code>${placeholder(of, "step")}/${text(file)}</code>`)
  return html`<span id="from-${text(of)}">${text(numbers)}</span>${join(listed)}`
}

const engineOf = ({ of, engine }: Origin): Html => {
  if (!engine) return text("–")
  const property = (name: string): Html => placeholder(of, `toolchain.engine.${name}`)
  return html`<div class="narrow">${property("name")} ${property("version")}<br>${property("library")}, ${property("device")}<br>${property("precision")}, on ${placeholder(of, "cores")}</div>`
}

export const provenanceSection = (data: ReportData): Html =>
  section(
    "provenance",
    "Where the numbers come from",
    [],
    [
      paragraph(
        html`Profile ${placeholder("run", "profile")}, seed ${placeholder("run", "seed")}. A key identifies a result: it is a digest of the code, settings, inputs and engine that made it. The commit is that of the working directory when the result was made. What was made in a sandbox could read nothing that its key does not hold, but the system's programs and libraries. <code>op-pipe show</code> prints when each result was made and how long it took; this page does not, so that the same results give the same report, byte for byte.`
      ),
      table(
        nothing,
        [
          { title: "numbers and files", head: true, cell: namesOf },
          {
            title: "result",
            cell: ({ of }) => html`<code>${placeholder(of, "key")}</code>`
          },
          {
            title: "code",
            cell: ({ of }) =>
              html`<div class="narrow">${placeholder(of, "commit")}<br>${placeholder(of, "versions")}<br>made ${placeholder(of, "walls")}</div>`
          },
          { title: "engine", cell: engineOf },
          { title: "settings", cell: ({ settings }) => html`<div class="wrap">${settings}</div>` }
        ],
        origins(data)
      )
    ]
  )
