/** Trained: the network of the last training, out of the store, for the verbs that use it. */
import * as Effect from "effect/Effect"
import { lastResult } from "../cli/index.ts"
import { History, TrainedNetwork } from "../schemas/Train.ts"

export const models = ["bn", "nobn"] as const
export type Model = (typeof models)[number]

/** A network, its weights (safetensors), and the result that they are from. */
export const load = Effect.fn("Trained.load")(function* (model: Model) {
  const result = yield* lastResult(`train@${model}`)
  // a document of another version is a result to make again, not one to read
  const network = yield* Effect.orDie(result.read("network", TrainedNetwork))
  const { bestEpoch } = yield* Effect.orDie(result.read("history", History))
  return { result, network, bestEpoch, weights: yield* result.bytes("weights") }
})
