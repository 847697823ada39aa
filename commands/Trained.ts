/** Trained: the network of the last training, out of the store, for the verbs that use it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Disk } from "../cache/store/Disk.ts"
import type { StepResult } from "../cache/store/ResultStore.ts"
import { Store } from "../cache/store/Store.ts"
import { UsageError } from "../cli/Failure.ts"
import { History, TrainedNetwork } from "../schemas/Train.ts"

export const models = ["bn", "nobn"] as const
export type Model = (typeof models)[number]

const untrained = (step: string): UsageError =>
  new UsageError({ message: `expected a result of ${step}, but there is none yet. Run \`op-pipe run\` first` })

/** The last result of `step`, with its blobs proved. */
export const lastResult = Effect.fnUntraced(function* (step: string) {
  const { results } = yield* Store
  const last = yield* results.last(step)
  if (Option.isNone(last)) return yield* untrained(step)
  const usable = yield* results.usable(last.value.key)
  return typeof usable === "string" ? yield* untrained(step) : usable
})

const readOutput = Effect.fnUntraced(function* (result: StepResult, output: string) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  const entry = result.outputs[output]?.entries[0]
  const blob = entry?.kind === "file" ? yield* blobs.verified(entry.digest) : Option.none<string>()
  if (Option.isNone(blob)) return yield* untrained(result.step)
  return yield* disk.read(blob.value)
})

const readDocument = Effect.fnUntraced(function* <A>(
  result: StepResult,
  output: string,
  schema: Schema.Codec<A, unknown>
) {
  const text = new TextDecoder().decode(yield* readOutput(result, output))
  return yield* Effect.orDie(Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text))
})

/** A network, its weights (safetensors), and the result that they are from. */
export const load = Effect.fnUntraced(function* (model: Model) {
  const result = yield* lastResult(`train@${model}`)
  const network = yield* readDocument(result, "network", TrainedNetwork)
  const { bestEpoch } = yield* readDocument(result, "history", History)
  return { result, network, bestEpoch, weights: yield* readOutput(result, "weights") }
})

export type Trained = Effect.Success<ReturnType<typeof load>>
