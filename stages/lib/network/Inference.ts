/** Outputs of trained networks for the packed originals, before any output activation. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type EngineIdentity, open } from "../../../engine/index.ts"
import type { PackIndex } from "../../../schemas/Augment.ts"
import type { SplitName } from "../../../schemas/Names.ts"
import type { NetworkSpec } from "../../../schemas/Network.ts"
import type { TrainedNetwork } from "../../../schemas/Train.ts"
import { toFailure } from "../Failure.ts"
import type * as Pack from "../images/Pack.ts"
import * as Safetensors from "../tables/Safetensors.ts"
import * as Trainer from "./Trainer.ts"

/** Positions of a split's originals in its records. */
export const originals = (index: PackIndex, split: SplitName): Int32Array =>
  Int32Array.from(index.splits[split].records.flatMap((record, at) => (record.copy === 0 ? [at] : [])))

export interface Inference {
  readonly identity: EngineIdentity
  readonly cacheDir: string
  readonly cores: number
  readonly batchSize: number
  readonly index: PackIndex
  readonly pack: Pack.Pack
  readonly onImages: (count: number) => Effect.Effect<void>
}

/** The network to run: a trained one, or a part of it. */
export interface NetworkPart {
  readonly network: TrainedNetwork
  readonly spec: NetworkSpec
  readonly units: number
  readonly weights: ReadonlyArray<Safetensors.NamedTensor>
}

/** Outputs for the originals of these splits, rows x units. The network is in memory only as long as this takes. */
export const infer = (
  inference: Inference,
  { network, spec, units, weights }: NetworkPart,
  of: ReadonlyArray<SplitName>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { batchSize, cacheDir, cores, index, pack } = inference
      const engineOpen = yield* open(inference.identity, { cacheDir, threads: cores })
      const { size, mean, std } = network
      const options = {
        spec,
        size,
        channels: 3,
        classes: units,
        seed: 0,
        optimizer: Trainer.noOptimizer,
        mean,
        std,
        batchSize
      }
      const trainer = yield* Trainer.make(engineOpen, options)
      yield* trainer.loadWeights(weights)
      const rows = of.reduce((sum, split) => sum + originals(index, split).length, 0)
      const outputs = new Float32Array(rows * units)
      const buffer = new Uint8Array(batchSize * size * size * 3)
      let row = 0
      for (const split of of) {
        const positions = originals(index, split)
        for (let start = 0; start < positions.length; start += batchSize) {
          const piece = positions.subarray(start, start + batchSize)
          const pixels = buffer.subarray(0, piece.length * size * size * 3)
          yield* pack.read(split, piece, pixels)
          outputs.set(yield* trainer.predict(pixels, piece.length), row * units)
          row += piece.length
          yield* inference.onImages(piece.length)
        }
      }
      return outputs
    })
  ).pipe(Effect.mapError(toFailure))

/** The network with its weights. */
export const wholeOf = Effect.fnUntraced(function* (network: TrainedNetwork, safetensors: Uint8Array) {
  const decoded = Safetensors.decode(safetensors)
  if (Result.isFailure(decoded)) return yield* toFailure(decoded.failure)
  return { network, spec: network.spec, units: network.classes.length, weights: decoded.success } satisfies NetworkPart
})
