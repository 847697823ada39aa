/** The network of the last training, from the store. */
import * as Effect from "effect/Effect"
import { lastResult } from "../cli/index.ts"
import type { VariantName } from "../schemas/Names.ts"
import { History, TrainedNetwork } from "../schemas/Train.ts"

/** A network, its weights (safetensors), and the result that they are from. */
export const load = Effect.fn("Trained.load")(function* (model: VariantName) {
  const result = yield* lastResult(`train@${model}`)
  // a document that an older version wrote is made again, not read
  const network = yield* Effect.orDie(result.read("network", TrainedNetwork))
  const { bestEpoch } = yield* Effect.orDie(result.read("history", History))
  return { result, network, bestEpoch, weights: yield* result.bytes("weights") }
})
