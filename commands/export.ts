/** `op-pipe export DIR`: a trained network in TensorFlow.js's layers format. */
import * as path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { formatBytes, jsonFlag, printLine, projectFlags, replaceFile, version, withStore } from "../cli/index.ts"
import { variants } from "../schemas/Names.ts"
import * as Trained from "./Trained.ts"

export const exportModel = Command.make(
  "export",
  {
    ...projectFlags,
    dir: Argument.String("dir").pipe(Argument.withDescription("Folder for model.json and weights.bin")),
    model: Flag.Literals("model", variants).pipe(
      Flag.withDescription("The network with batch normalization (bn) or without (nobn)"),
      Flag.withDefault("bn")
    ),
    json: jsonFlag
  },
  Effect.fn("cli.export")(function* (flags) {
    const LayersModel = yield* Effect.promise(() => import("../stages/lib/network/LayersModel.ts"))
    const Safetensors = yield* Effect.promise(() => import("../stages/lib/tables/Safetensors.ts"))
    const dir = path.resolve(flags.dir)
    const written = yield* withStore(flags, () =>
      Effect.gen(function* () {
        const { network, weights, bestEpoch, result } = yield* Trained.load(flags.model)
        const made = Result.flatMap(Safetensors.decode(weights), (tensors) =>
          LayersModel.make(network, tensors, `op-pipe ${version}`)
        )
        // the weights of `train` make a model: a failure is a bug
        if (Result.isFailure(made)) return yield* Effect.die(made.failure)
        const { fileNames } = LayersModel
        yield* replaceFile(path.join(dir, fileNames.weights), made.success.weights)
        yield* replaceFile(path.join(dir, fileNames.model), new TextEncoder().encode(made.success.modelJson))
        return { step: result.step, key: result.key, epoch: bestEpoch, sizeBytes: made.success.weights.length }
      })
    )
    const { step, epoch, sizeBytes } = written
    if (flags.json) return yield* printLine(JSON.stringify({ dir, ...written }))
    yield* printLine(
      `${flags.dir} has model.json and weights.bin (${formatBytes(sizeBytes)}) of ${step}, epoch ${epoch}.`
    )
  })
).pipe(Command.withDescription("Write a trained network as a TensorFlow.js layers model"))
