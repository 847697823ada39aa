/**
 * Predictions of a trained network for single images, prepared as the originals of the data set were.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { Stage } from "../../../core/index.ts"
import { type EngineIdentity, open } from "../../../engine/index.ts"
import type { Preparation } from "../../../schemas/Augment.ts"
import type { TrainedNetwork } from "../../../schemas/Train.ts"
import { toFailure } from "../Failure.ts"
import * as Augmentation from "../images/Augmentation.ts"
import { openImage, reasonOf } from "../images/OpenImage.ts"
import * as Resample from "../images/Resample.ts"
import * as Safetensors from "../tables/Safetensors.ts"
import * as GradCam from "./GradCam.ts"
import * as Trainer from "./Trainer.ts"

export { imageName } from "../images/OpenImage.ts"

export interface PredictorOptions {
  readonly identity: EngineIdentity
  readonly cacheDir: string
  readonly cores: number
  readonly network: TrainedNetwork
  /** safetensors, as `train` wrote them. */
  readonly weights: Uint8Array
}

/** The logits of an image, and the input that gave them. */
export interface Prediction {
  /** One per class. */
  readonly logits: Float32Array
  /** `size * size * 3` levels. */
  readonly input: Uint8Array
}

export interface Predictor {
  /** Fails where the bytes are not an image that can be read; `name` says whose they are. */
  readonly predict: (name: string, bytes: Uint8Array) => Effect.Effect<Prediction, Stage.StageFailure>
  /** Which places of an input speak for a class, by its index; none where the network has no convolution. */
  readonly evidence: (input: Uint8Array, label: number) => Option.Option<GradCam.Evidence>
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

const prepare = Effect.fnUntraced(function* (name: string, bytes: Uint8Array, preparation: Preparation) {
  const { autoOrient } = yield* Effect.tryPromise({
    try: async () => (await openImage(bytes, mostPixels)).image.metadata(),
    catch: (cause) => unreadable(name, reasonOf(cause, bytes))
  })
  const square = yield* Augmentation.decodeBytes(bytes, autoOrient.width, autoOrient.height, preparation).pipe(
    Effect.mapError((reason) => unreadable(name, reason))
  )
  return Resample.make(square, Augmentation.original(square), preparation.size)
})

/** Loads the network; it lives until the scope closes. */
export const make = Effect.fnUntraced(function* (options: PredictorOptions) {
  const { network } = options
  const { spec, size, mean, std } = network
  const classes = network.classes.length
  const tensors = Safetensors.decode(options.weights)
  if (Result.isFailure(tensors)) return yield* toFailure(tensors.failure)
  const { identity, cacheDir, cores } = options
  const engine = yield* open(identity, { cacheDir, threads: cores }).pipe(Effect.mapError(toFailure))
  const shape = { spec, size, channels: 3, classes, seed: 0, optimizer: Trainer.noOptimizer, mean, std, batchSize: 1 }
  const trainer = yield* Trainer.make(engine, shape).pipe(Effect.mapError(toFailure))
  yield* trainer.loadWeights(tensors.success).pipe(Effect.mapError(toFailure))
  const cam = GradCam.make(network, tensors.success)
  const predictor: Predictor = {
    evidence: (input, label) => Option.map(cam, ({ look }) => look(input).evidence(label)),
    predict: Effect.fnUntraced(function* (name: string, bytes: Uint8Array) {
      const input = yield* prepare(name, bytes, network.preparation)
      return { logits: yield* trainer.predict(input, 1).pipe(Effect.mapError(toFailure)), input }
    })
  }
  return predictor
})
