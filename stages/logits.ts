/**
 * logits: what both best networks say of every picture of the data set, before any output activation.
 *
 * Rows are the originals (no augmented copies) of train, validation and test, each in the order of the packed index.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { Stage } from "../core/index.ts"
import { type EngineIdentity, open } from "../engine/index.ts"
import { IndexArtifact, type PackIndex, Shards } from "../schemas/Augment.ts"
import { LogitsArtifact, LogitsParams } from "../schemas/Logits.ts"
import type { SplitName } from "../schemas/Split.ts"
import { NetworkArtifact, type TrainedNetwork, Weights } from "../schemas/Train.ts"
import { engine } from "./lib/EngineToolchain.ts"
import * as LogitsTable from "./lib/LogitsTable.ts"
import * as Pack from "./lib/Pack.ts"
import * as Safetensors from "./lib/Safetensors.ts"
import * as Trainer from "./lib/Trainer.ts"

const failed = (error: { readonly message: string }): Stage.StageFailure =>
  new Stage.StageFailure({ reason: error.message })

const splits: ReadonlyArray<SplitName> = ["train", "validation", "test"]

/** Positions of a split's originals in its records. */
const originals = (index: PackIndex, split: SplitName): Int32Array =>
  Int32Array.from(index.splits[split].records.flatMap((record, at) => (record.copy === 0 ? [at] : [])))

interface Inference {
  readonly identity: EngineIdentity
  readonly cacheDir: string
  readonly batchSize: number
  readonly index: PackIndex
  readonly pack: Pack.Pack
  readonly onPictures: (count: number) => Effect.Effect<void>
}

/** Logits of all originals, rows x classes. The network lives only as long as this takes. */
const infer = (inference: Inference, network: TrainedNetwork, weights: Uint8Array) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { batchSize, index, pack } = inference
      const classes = network.classes.length
      const tensors = Safetensors.decode(weights)
      if (Result.isFailure(tensors)) return yield* failed(tensors.failure)
      const engineOpen = yield* open(inference.identity, { cacheDir: inference.cacheDir })
      const { spec, size, mean, std } = network
      // The optimizer is never used; its moments are not allocated before a first step.
      const optimizer = { kind: "sgd", learningRate: 1, weightDecay: 0, momentum: 0 } as const
      const options = { spec, size, channels: 3, classes, seed: 0, optimizer, mean, std, batchSize }
      const trainer = yield* Trainer.make(engineOpen, options)
      yield* trainer.loadWeights(tensors.success)
      const rows = splits.reduce((sum, split) => sum + originals(index, split).length, 0)
      const logits = new Float32Array(rows * classes)
      const buffer = new Uint8Array(batchSize * size * size * 3)
      let row = 0
      for (const split of splits) {
        const positions = originals(index, split)
        for (let start = 0; start < positions.length; start += batchSize) {
          const piece = positions.subarray(start, start + batchSize)
          const pixels = buffer.subarray(0, piece.length * size * size * 3)
          yield* pack.read(split, piece, pixels)
          logits.set(yield* trainer.predict(pixels, piece.length), row * classes)
          row += piece.length
          yield* inference.onPictures(piece.length)
        }
      }
      return logits
    })
  ).pipe(Effect.mapError((error) => (error._tag === "StageFailure" ? error : failed(error))))

export const logits = Stage.make({
  name: "logits",
  source: import.meta.url,
  params: LogitsParams,
  inputs: {
    index: IndexArtifact,
    shards: Shards,
    bnNetwork: NetworkArtifact,
    bnWeights: Weights,
    nobnNetwork: NetworkArtifact,
    nobnWeights: Weights
  },
  output: { logits: LogitsArtifact },
  toolchain: { engine },
  run: ({ params, inputs, output, toolchain, toolchainDir, progress }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const index = yield* inputs.index.read
      const pack = yield* Pack.open(inputs.shards.path, index)
      const positions = splits.map((split) => ({ split, at: originals(index, split) }))
      const rows = positions.flatMap(({ split, at }) =>
        Array.from(at, (each) => ({ split, record: index.splits[split].records[each]! }))
      )
      let done = 0
      const onPictures = (count: number): Effect.Effect<void> => {
        done += count
        return progress({ label: "logits", done, total: rows.length * 2, unit: "images" })
      }
      const inference: Inference = {
        identity: toolchain.engine,
        cacheDir: toolchainDir,
        batchSize: params.batchSize,
        index,
        pack,
        onPictures
      }
      const bn = yield* infer(
        inference,
        yield* inputs.bnNetwork.read,
        yield* Effect.orDie(fs.readFile(inputs.bnWeights.path))
      )
      const nobn = yield* infer(
        inference,
        yield* inputs.nobnNetwork.read,
        yield* Effect.orDie(fs.readFile(inputs.nobnWeights.path))
      )
      const bytes = LogitsTable.encode({
        classes: index.classes,
        paths: rows.map((row) => row.record.path),
        labels: Int32Array.from(rows, (row) => row.record.label),
        splits: rows.map((row) => row.split),
        bn,
        nobn
      })
      yield* Effect.orDie(fs.writeFile(output.logits.path, bytes))
    })
})
