/**
 * Predictions of a trained network for single images, prepared as the originals of the data set were.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { Stage } from "../../../core/index.ts"
import { type EngineIdentity, open } from "../../../engine/index.ts"
import type { AugmentParams } from "../../../schemas/Augment.ts"
import type { TrainedNetwork } from "../../../schemas/Train.ts"
import { messageOf, toFailure } from "../Failure.ts"
import * as Augmentation from "../images/Augmentation.ts"
import { openImage, reasonOf } from "../images/OpenImage.ts"
import * as Resample from "../images/Resample.ts"
import * as Safetensors from "../tables/Safetensors.ts"
import * as Trainer from "./Trainer.ts"

export interface PredictorOptions {
  readonly identity: EngineIdentity
  readonly cacheDir: string
  readonly network: TrainedNetwork
  /** safetensors, as `train` wrote them. */
  readonly weights: Uint8Array
  /** How the images of the data set were prepared. */
  readonly prepared: AugmentParams
}

/** The logits of an image, and the input that gave them. */
export interface Prediction {
  /** One per class. */
  readonly logits: Float32Array
  /** `size * size * 3` levels. */
  readonly input: Uint8Array
}

export interface Predictor {
  /** Fails where the file is not an image that can be read. */
  readonly predict: (file: string) => Effect.Effect<Prediction, Stage.StageFailure>
}

/** As libvips has it by itself. */
const mostPixels = 0x3fff * 0x3fff

const unreadable = (file: string, actual: string): Stage.StageFailure =>
  new Stage.StageFailure({
    reason: `${file} cannot be read`,
    expected: "an image in a supported format",
    actual,
    badInput: true
  })

const readImage = Effect.fnUntraced(function* (file: string, size: number, prepared: AugmentParams) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(file).pipe(Effect.mapError((cause) => unreadable(file, messageOf(cause))))
  const { autoOrient } = yield* Effect.tryPromise({
    try: async () => (await openImage(bytes, mostPixels)).metadata(),
    catch: (cause) => unreadable(file, reasonOf(cause, bytes))
  })
  const square = yield* Augmentation.decode(file, autoOrient.width, autoOrient.height, prepared).pipe(
    Effect.mapError((reason) => unreadable(file, reason))
  )
  return Resample.make(square, Augmentation.original(square), size)
})

/** Loads the network; it lives until the scope closes. */
export const make = Effect.fnUntraced(function* (options: PredictorOptions) {
  const { network, prepared } = options
  const { spec, size, mean, std } = network
  const classes = network.classes.length
  const tensors = Safetensors.decode(options.weights)
  if (Result.isFailure(tensors)) return yield* toFailure(tensors.failure)
  const engine = yield* open(options.identity, { cacheDir: options.cacheDir }).pipe(Effect.mapError(toFailure))
  const shape = { spec, size, channels: 3, classes, seed: 0, optimizer: Trainer.noOptimizer, mean, std, batchSize: 1 }
  const trainer = yield* Trainer.make(engine, shape).pipe(Effect.mapError(toFailure))
  yield* trainer.loadWeights(tensors.success).pipe(Effect.mapError(toFailure))
  const fs = yield* FileSystem.FileSystem
  const predictor: Predictor = {
    predict: Effect.fnUntraced(function* (file: string) {
      const input = yield* readImage(file, size, prepared).pipe(Effect.provideService(FileSystem.FileSystem, fs))
      return { logits: yield* trainer.predict(input, 1).pipe(Effect.mapError(toFailure)), input }
    })
  }
  return predictor
})
