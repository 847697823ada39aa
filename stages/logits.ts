/**
 * logits: the outputs of both best networks for every image, before any output activation; and, for the test images,
 * the values of their last hidden layers, and the logits of the networks of the further seeds.
 *
 * Rows are the originals (no augmented copies) of train, validation and test, each in the order of the packed index.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Artifact, Stage } from "../core/index.ts"
import { IndexArtifact, Shards } from "../schemas/Augment.ts"
import { LogitsArtifact, LogitsParams, PenultimateArtifact, SeedLogitsArtifact } from "../schemas/Logits.ts"
import { splitNames, type VariantName } from "../schemas/Names.ts"
import { NetworkArtifact, type TrainedNetwork, Weights } from "../schemas/Train.ts"
import * as Pack from "./lib/images/Pack.ts"
import { engine } from "./lib/network/EngineToolchain.ts"
import { featureExtractorOf } from "./lib/network/FeatureExtractor.ts"
import { type Inference, infer, originals, wholeOf } from "./lib/network/Inference.ts"

const tables = Effect.promise(async () => ({
  LogitsTable: await import("./lib/tables/LogitsTable.ts"),
  PenultimateTable: await import("./lib/tables/PenultimateTable.ts"),
  SeedLogitsTable: await import("./lib/tables/SeedLogitsTable.ts")
}))

/** Logits of all originals, and the values of the last hidden layer for those of test. */
const outputsOf = Effect.fnUntraced(function* (inference: Inference, network: TrainedNetwork, safetensors: Uint8Array) {
  const whole = yield* wholeOf(network, safetensors)
  const { weights } = whole
  const logits = yield* infer(inference, whole, splitNames)
  const extractor = featureExtractorOf(network)
  if (Option.isNone(extractor)) return { logits, hidden: { units: 0, data: new Float32Array(0) } }
  const { spec, units, relu } = extractor.value
  const data = yield* infer(inference, { network, spec, units, weights }, ["test"])
  return { logits, hidden: { units, data: relu ? data.map((value) => Math.max(0, value)) : data } }
})

const inputs = {
  index: IndexArtifact,
  shards: Shards,
  bnNetwork: NetworkArtifact,
  bnWeights: Weights,
  nobnNetwork: NetworkArtifact,
  nobnWeights: Weights,
  bnNetworkReplicas: Artifact.many(NetworkArtifact),
  bnWeightsReplicas: Artifact.many(Weights),
  nobnNetworkReplicas: Artifact.many(NetworkArtifact),
  nobnWeightsReplicas: Artifact.many(Weights)
} as const
const output = { logits: LogitsArtifact, seedLogits: SeedLogitsArtifact, penultimate: PenultimateArtifact } as const
type LogitsContext = Stage.Context<LogitsParams, typeof inputs, typeof output, { readonly engine: typeof engine }>

/** Logits of the test images under each further seed's network. */
const ofFurtherSeeds = (inference: Inference, from: LogitsContext["inputs"], variant: VariantName) =>
  Effect.forEach(from[`${variant}NetworkReplicas`], (network, i) =>
    Effect.gen(function* () {
      const whole = yield* wholeOf(yield* network.read, yield* from[`${variant}WeightsReplicas`][i]!.bytes)
      return yield* infer(inference, whole, ["test"])
    })
  )

export const logits = Stage.make({
  name: "logits",
  source: import.meta.url,
  params: LogitsParams,
  inputs,
  output,
  toolchain: { engine },
  run: ({ params, inputs, output, toolchain, toolchainDir, cores, progress }) =>
    Effect.gen(function* () {
      const index = yield* inputs.index.read
      const { classes } = index
      const pack = yield* Pack.open(inputs.shards.path, index)
      const rows = splitNames.flatMap((split) =>
        Array.from(originals(index, split), (each) => ({ split, record: index.splits[split].records[each]! }))
      )
      const tested = rows.filter(({ split }) => split === "test")
      const networks = { bn: yield* inputs.bnNetwork.read, nobn: yield* inputs.nobnNetwork.read }
      const extractors = Object.values(networks).filter((network) => Option.isSome(featureExtractorOf(network))).length
      const replicas = inputs.bnNetworkReplicas.length + inputs.nobnNetworkReplicas.length
      const total = rows.length * 2 + tested.length * (extractors + replicas)
      let done = 0
      const onImages = (count: number): Effect.Effect<void> => {
        done += count
        return progress({ label: "logits", done, total, unit: "images" })
      }
      const inference: Inference = {
        identity: toolchain.engine,
        cacheDir: toolchainDir(engine.name),
        cores,
        batchSize: params.batchSize,
        index,
        pack,
        onImages
      }
      const bn = yield* outputsOf(inference, networks.bn, yield* inputs.bnWeights.bytes)
      const nobn = yield* outputsOf(inference, networks.nobn, yield* inputs.nobnWeights.bytes)
      const seeds = {
        bn: yield* ofFurtherSeeds(inference, inputs, "bn"),
        nobn: yield* ofFurtherSeeds(inference, inputs, "nobn")
      }
      const { LogitsTable, PenultimateTable, SeedLogitsTable } = yield* tables
      const table = LogitsTable.encode({
        classes,
        paths: rows.map(({ record }) => record.path),
        labels: Int32Array.from(rows, ({ record }) => record.label),
        splits: rows.map(({ split }) => split),
        bn: bn.logits,
        nobn: nobn.logits
      })
      yield* output.logits.write(table)
      const paths = tested.map(({ record }) => record.path)
      const labels = Int32Array.from(tested, ({ record }) => record.label)
      const further = seeds.bn.map((each, i) => ({ bn: each, nobn: seeds.nobn[i]! }))
      yield* output.seedLogits.write(SeedLogitsTable.encode({ classes, paths, labels, seeds: further }))
      const hidden = PenultimateTable.encode({ classes, paths, labels, values: { bn: bn.hidden, nobn: nobn.hidden } })
      yield* output.penultimate.write(hidden)
    })
})
