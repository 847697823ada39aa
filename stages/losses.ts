/**
 * losses: what training by sparsemax's own loss is worth, beside training by the cross-entropy of softmax.
 *
 * Softmax and sparsemax on logits that were trained for softmax is no fair comparison. Here the same network is trained by
 * each loss from the same weights on the same batches, and each is read by both activations.
 */
import * as Effect from "effect/Effect"
import { Artifact, Stage } from "../core/index.ts"
import { IndexArtifact, Shards } from "../schemas/Augment.ts"
import { LossesArtifact, LossesParams, LossesReport } from "../schemas/Losses.ts"
import { ManifestArtifact } from "../schemas/Split.ts"
import { HistoryArtifact, type LossName, NetworkArtifact, Weights } from "../schemas/Train.ts"
import * as Pack from "./lib/images/Pack.ts"
import { engine } from "./lib/network/EngineToolchain.ts"
import { type Inference, infer, originals, wholeOf } from "./lib/network/Inference.ts"
import { utf8 } from "./lib/Utf8.ts"

const load = Effect.promise(async () => ({
  ...(await import("./lib/report/LossPage.ts")),
  ...(await import("./lib/statistics/Losses.ts"))
}))

const inputs = {
  index: IndexArtifact,
  shards: Shards,
  manifest: ManifestArtifact,
  crossEntropy: HistoryArtifact,
  crossEntropyNetwork: NetworkArtifact,
  crossEntropyWeights: Weights,
  crossEntropyNetworkReplicas: Artifact.many(NetworkArtifact),
  crossEntropyWeightsReplicas: Artifact.many(Weights),
  sparsemax: HistoryArtifact,
  sparsemaxNetwork: NetworkArtifact,
  sparsemaxWeights: Weights,
  sparsemaxNetworkReplicas: Artifact.many(NetworkArtifact),
  sparsemaxWeightsReplicas: Artifact.many(Weights)
} as const
const output = { losses: LossesArtifact, report: LossesReport } as const
type LossesContext = Stage.Context<LossesParams, typeof inputs, typeof output, { readonly engine: typeof engine }>

/** The history of the training by `loss`, or why it is none. */
const trainedBy = Effect.fnUntraced(function* (from: LossesContext["inputs"], loss: LossName) {
  const history = yield* from[loss].read
  if (history.loss === loss) return history
  return yield* new Stage.StageFailure({
    reason: "Both networks were trained by the same loss, so there is nothing to compare",
    expected: `the loss ${loss} of the step that is wired to ${loss}`,
    actual: `${history.loss}. Leave train.loss out of --set`,
    badInput: true
  })
})

/** Logits of validation and test under the network of each seed. */
const logitsOf = Effect.fnUntraced(function* (inference: Inference, from: LossesContext["inputs"], loss: LossName) {
  const { index } = inference
  const labelsOf = (split: "validation" | "test") =>
    Int32Array.from(originals(index, split), (at) => index.splits[split].records[at]!.label)
  const labels = { validation: labelsOf("validation"), test: labelsOf("test") }
  const of = Effect.fnUntraced(function* (
    network: LossesContext["inputs"]["sparsemaxNetwork"],
    weights: LossesContext["inputs"]["sparsemaxWeights"]
  ) {
    const whole = yield* wholeOf(yield* network.read, yield* weights.bytes)
    const logits = yield* infer(inference, whole, ["validation", "test"])
    const end = labels.validation.length * whole.units
    return {
      validation: { labels: labels.validation, logits: logits.subarray(0, end) },
      test: { labels: labels.test, logits: logits.subarray(end) }
    }
  })
  const first = yield* of(from[`${loss}Network`], from[`${loss}Weights`])
  const further = yield* Effect.forEach(from[`${loss}NetworkReplicas`], (network, i) =>
    of(network, from[`${loss}WeightsReplicas`][i]!)
  )
  return [first, ...further] as const
})

const run = Effect.fnUntraced(function* ({
  params,
  inputs,
  output,
  toolchain,
  toolchainDir,
  cores,
  progress
}: LossesContext) {
  const histories = {
    crossEntropy: yield* trainedBy(inputs, "crossEntropy"),
    sparsemax: yield* trainedBy(inputs, "sparsemax")
  }
  const index = yield* inputs.index.read
  const manifest = yield* inputs.manifest.read
  const pack = yield* Pack.open(inputs.shards.path, index)
  const images = originals(index, "validation").length + originals(index, "test").length
  const total = images * 2 * (1 + inputs.sparsemaxNetworkReplicas.length)
  let done = 0
  const inference: Inference = {
    identity: toolchain.engine,
    cacheDir: toolchainDir(engine.name),
    cores,
    batchSize: params.batchSize,
    index,
    pack,
    onImages: (count) => {
      done += count
      return progress({ label: "logits", done, total, unit: "images" })
    }
  }
  const trainings = {
    crossEntropy: yield* logitsOf(inference, inputs, "crossEntropy"),
    sparsemax: yield* logitsOf(inference, inputs, "sparsemax")
  }
  const groupOf = new Map(manifest.images.map(({ path, group }) => [path, group]))
  const groups = Array.from(originals(index, "test"), (at) => {
    const { path } = index.splits.test.records[at]!
    return groupOf.get(path) ?? path
  })
  const { compareLosses, renderLosses } = yield* load
  const losses = compareLosses({ params, classes: index.classes, groups, trainings })
  yield* output.losses.write(losses)
  yield* output.report.write(utf8(renderLosses({ losses, histories, classes: index.classes.length })))
}, Effect.scoped)

export const losses = Stage.make({
  name: "losses",
  source: import.meta.url,
  params: LossesParams,
  inputs,
  output,
  toolchain: { engine },
  run
})
