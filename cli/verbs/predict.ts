/** `op-pipe predict IMAGE...`: what the trained networks say of pictures of one's own. */
import { availableParallelism } from "node:os"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Disk } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { AugmentParams } from "../../schemas/Augment.ts"
import { TrainedNetwork } from "../../schemas/Train.ts"
import { paint, printError, printLine } from "../Console.ts"
import { RunFailed, UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as Session from "../Session.ts"

const activations = ["softmax", "sparsemax", "entmax15", "softmax-classic"] as const

const untrained = (step: string): UsageError =>
  new UsageError({ message: `predict: expected a result of ${step}, but there is none yet. Run \`op-pipe run\` first` })

/** The last result of `step`, with its blobs proved. */
const lastResult = Effect.fnUntraced(function* (step: string) {
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

/** The network of the last training, ready to be asked. */
const load = Effect.fnUntraced(function* (model: string) {
  const { layout } = yield* Store
  const trained = yield* lastResult(`train@${model}`)
  const augmented = yield* lastResult("augment")
  const text = new TextDecoder().decode(yield* readOutput(trained, "network"))
  const network = yield* Effect.orDie(Schema.decodeUnknownEffect(Schema.fromJsonString(TrainedNetwork))(text))
  const prepared = yield* Effect.orDie(Schema.decodeUnknownEffect(AugmentParams)(augmented.ingredients.params))
  const weights = yield* readOutput(trained, "weights")
  const { engine } = yield* Effect.promise(() => import("../../stages/lib/EngineToolchain.ts"))
  const Predict = yield* Effect.promise(() => import("../../stages/lib/Predict.ts"))
  const cacheDir = layout.toolchain(engine.name)
  const params = yield* Effect.orDie(Schema.decodeUnknownEffect(engine.params)({}))
  const notify = (line: string): void => Effect.runSync(printError(line))
  const identity = yield* engine.identify(params, { cores: availableParallelism(), cacheDir, notify })
  const predictor = yield* Predict.make({ identity, cacheDir, network, weights, prepared })
  return { network, predictor }
})

const bar = (share: number): string => "█".repeat(Math.round(share * 24)).padEnd(24, "░")

export const predict = Command.make(
  "predict",
  {
    ...Flags.project,
    images: Argument.String("image").pipe(Argument.withDescription("Pictures"), Argument.atLeast(1)),
    activation: Flag.Literals("activation", activations).pipe(
      Flag.withDescription("How logits become probabilities"),
      Flag.withDefault("softmax")
    ),
    model: Flag.Literals("model", ["bn", "nobn"]).pipe(
      Flag.withDescription("With batch normalization or without"),
      Flag.withDefault("bn")
    ),
    json: Flags.json
  },
  Effect.fn("cli.predict")(function* (flags) {
    const { activations: functions } = yield* Effect.promise(() => import("../../stages/lib/Activations.ts"))
    const { ranked } = yield* Effect.promise(() => import("../../stages/lib/Metrics.ts"))
    let unreadable = 0
    const one = Effect.fnUntraced(function* (image: string, loaded: Effect.Success<ReturnType<typeof load>>) {
      const logits = yield* Effect.result(loaded.predictor.logits(image))
      if (Result.isFailure(logits)) {
        unreadable++
        const { message } = logits.failure
        return yield* flags.json
          ? printLine(JSON.stringify({ image, error: message }))
          : printError(`${paint("red", "✗", process.stderr)} ${message}`)
      }
      const probabilities = functions[flags.activation](logits.success)
      const top = ranked(probabilities)
        .slice(0, 3)
        .filter((each) => probabilities[each]! > 0)
        .map((each) => ({ class: loaded.network.classes[each]!, probability: probabilities[each]! }))
      if (flags.json)
        return yield* printLine(JSON.stringify({ image, model: flags.model, activation: flags.activation, top }))
      yield* printLine(paint("bold", image))
      const width = Math.max(...loaded.network.classes.map((name) => name.length))
      for (const each of top)
        yield* printLine(
          `  ${each.class.padEnd(width)} ${bar(each.probability)} ${(each.probability * 100).toFixed(1).padStart(5)} %`
        )
    })
    yield* Session.withStore(flags, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const loaded = yield* load(flags.model)
          for (const image of flags.images) yield* one(image, loaded)
        })
      )
    )
    if (unreadable > 0)
      return yield* new RunFailed({ fault: "input", message: `${unreadable} pictures could not be read` })
  })
).pipe(Command.withDescription("Top three classes of pictures of your own, by the networks of the last run"))
