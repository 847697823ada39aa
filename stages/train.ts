/**
 * train: one network, from its first weights to those of its best epoch.
 *
 * Per epoch: every train image once, in an order drawn from the seed and the epoch; then loss and scores over
 * validation and test. The best epoch is the one with the highest validation accuracy (the earliest of equals); its
 * weights are the model. Test scores are recorded per epoch because the seed study selected by them; this stage does
 * not use them.
 *
 * Gotchas:
 * - Two trainings with the same seed start from the same weights and see the same batches, whatever their
 *   normalization: random streams are named by the seed and their purpose, never by the step.
 * - A checkpoint is written after each epoch, while the next one runs. A resumed training ends with the same bits as an
 *   uninterrupted one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { Stage } from "../core/index.ts"
import { type Alive, type Optimizer, open } from "../engine/index.ts"
import { IndexArtifact, type PackIndex, Shards } from "../schemas/Augment.ts"
import type { SplitName } from "../schemas/Names.ts"
import type { NetworkSpec } from "../schemas/Network.ts"
import { type Epoch, HistoryArtifact, NetworkArtifact, NetworkTable, TrainParams, Weights } from "../schemas/Train.ts"
import { toFailure } from "./lib/Failure.ts"
import * as ImageNet from "./lib/images/ImageNet.ts"
import * as Pack from "./lib/images/Pack.ts"
import { checkFinite, Diverged } from "./lib/network/Diverged.ts"
import { engine } from "./lib/network/EngineToolchain.ts"
import * as Network from "./lib/network/Network.ts"
import { learningRate, outOfPatience } from "./lib/network/Schedule.ts"
import * as Trainer from "./lib/network/Trainer.ts"
import * as TrainingState from "./lib/network/TrainingState.ts"
import * as Random from "./lib/Random.ts"
import * as Scores from "./lib/statistics/Scores.ts"
import * as Safetensors from "./lib/tables/Safetensors.ts"
import { utf8 } from "./lib/Utf8.ts"

const isNorm = ({ type }: NetworkSpec["layers"][number]): boolean => type === "batchNorm"

/** The network to train: of two that differ in batch normalization alone, one stack of layers makes both. */
const specOf = ({ network, normalization }: TrainParams): Result.Result<NetworkSpec, Stage.StageFailure> => {
  if (typeof network === "string")
    return Result.succeed(Network.preset(network, { batchNorm: normalization === "batch" }))
  const { name, layers } = network
  if (normalization === "batch" && !layers.some(isNorm)) {
    const reason = `normalization "batch": expected layers of type batchNorm in the network ${name}, but found none. Put one after a convolution, or set normalization to "asGiven"`
    return Result.fail(new Stage.StageFailure({ reason, badInput: true }))
  }
  if (normalization !== "none") return Result.succeed(network)
  const [first, ...others] = layers.filter((layer) => !isNorm(layer))
  return Result.succeed({ name, layers: [first ?? layers[0], ...others] })
}

/** What stays the same during one training. */
interface Run {
  readonly params: TrainParams
  readonly index: PackIndex
  readonly pack: Pack.Pack
  readonly labels: Readonly<Record<SplitName, Int32Array>>
  readonly trainer: Trainer.Trainer
  /** Each for one batch of images. */
  readonly buffers: readonly [Uint8Array, Uint8Array]
  readonly progress: (progress: Stage.Progress) => Effect.Effect<void>
}

/** Reads a batch into `buffer`; the batch is a view of it. */
const readBatch = (run: Run, order: Int32Array, start: number, buffer: Uint8Array) =>
  Effect.gen(function* () {
    const indices = order.subarray(start, Math.min(order.length, start + run.params.batchSize))
    const pixels = buffer.subarray(0, indices.length * run.pack.recordBytes)
    yield* run.pack.read("train", indices, pixels)
    return { pixels, labels: Int32Array.from(indices, (each) => run.labels.train[each]!) }
  })

interface Passed {
  readonly loss: number
  readonly accuracy: number
  readonly gradientNorm: Readonly<Record<string, number>>
}

/** One pass over the train images. The next batch is read while the current one trains. */
const trainEpoch = Effect.fnUntraced(function* (run: Run, epoch: number, rate: number) {
  const { params, pack, trainer } = run
  const count = pack.count("train")
  const order = Random.make(params.seed, "order", epoch).shuffle(Int32Array.from({ length: count }, (_, each) => each))
  const sums: Record<string, number> = Object.fromEntries(trainer.layers.map((layer) => [layer, 0]))
  let lossSum = 0
  let correct = 0
  let batches = 0
  // Two buffers in turn: one is read into while the other is trained on. A new one per batch would cost page faults.
  const { buffers } = run
  let next = yield* Effect.forkChild(readBatch(run, order, 0, buffers[0]))
  for (let start = 0; start < count; start += params.batchSize) {
    const batch = yield* Fiber.join(next)
    if (start + params.batchSize < count) {
      const free = buffers[(batches + 1) % 2]!
      next = yield* Effect.forkChild(readBatch(run, order, start + params.batchSize, free))
    }
    const result = yield* trainer.step(batch, { learningRate: rate, epoch, batchIndex: batches })
    lossSum += result.loss * batch.labels.length
    correct += result.correct
    batches++
    for (const layer of trainer.layers) sums[layer] = sums[layer]! + (result.gradientNorms[layer] ?? 0)
    const seen = Math.min(count, start + params.batchSize)
    yield* run.progress({
      label: `epoch ${epoch}/${params.epochs}`,
      done: (epoch - 1) * count + seen,
      total: params.epochs * count,
      unit: "images",
      figures: { batch: batches, loss: lossSum / seen }
    })
  }
  const gradientNorm = Object.fromEntries(trainer.layers.map((layer) => [layer, sums[layer]! / batches]))
  const passed: Passed = { loss: lossSum / count, accuracy: correct / count, gradientNorm }
  return passed
})

/** Scores over a whole split. Marks in `alive` what its images bring to life. */
const evaluate = Effect.fnUntraced(function* (run: Run, split: SplitName, alive?: Alive) {
  const { index, pack, params, trainer } = run
  const classes = index.classes.length
  const count = pack.count(split)
  const logits = new Float32Array(count * classes)
  const piece = params.batchSize
  for (let start = 0; start < count; start += piece) {
    const indices = Int32Array.from({ length: Math.min(piece, count - start) }, (_, each) => start + each)
    const pixels = run.buffers[0].subarray(0, indices.length * run.pack.recordBytes)
    yield* pack.read(split, indices, pixels)
    logits.set(yield* trainer.predict(pixels, indices.length, alive), start * classes)
  }
  return Scores.of(logits, run.labels[split], classes, params.loss)
})

/** Layer name -> share of its channels or units that are not alive; empty without images. */
const deadShares = (alive: Alive, images: number): Readonly<Record<string, number>> =>
  images === 0
    ? {}
    : Object.fromEntries(
        [...alive].map(([layer, marks]) => [layer, marks.filter((mark) => mark === 0).length / marks.length])
      )

/** The number of an epoch's last batch. */
const lastBatch = ({ pack, params }: Run): number => Math.ceil(pack.count("train") / params.batchSize) - 1

const runEpoch = Effect.fnUntraced(function* (run: Run, epoch: number, rate: number) {
  const startedMs = yield* Clock.currentTimeMillis
  const passed = yield* trainEpoch(run, epoch, rate)
  const seconds = Math.max(1, (yield* Clock.currentTimeMillis) - startedMs) / 1000
  const alive = run.trainer.nothingAlive()
  const validation = yield* evaluate(run, "validation", alive)
  const test = yield* evaluate(run, "test")
  yield* run.progress({
    label: `epoch ${epoch}/${run.params.epochs}`,
    done: epoch * run.pack.count("train"),
    total: run.params.epochs * run.pack.count("train"),
    unit: "images",
    figures: { loss: passed.loss, validationLoss: validation.loss, validationAccuracy: validation.accuracy }
  })
  const record: Omit<Epoch, "updateRatio"> = {
    epoch,
    trainLoss: passed.loss,
    validationLoss: validation.loss,
    trainAccuracy: passed.accuracy,
    validationAccuracy: validation.accuracy,
    testAccuracy: test.accuracy,
    validationF1Macro: validation.f1Macro,
    validationF1Micro: validation.f1Micro,
    testF1Macro: test.f1Macro,
    testF1Micro: test.f1Micro,
    learningRate: rate,
    imagesPerSecond: run.pack.count("train") / seconds,
    gradientNorm: passed.gradientNorm,
    deadShare: deadShares(alive, run.pack.count("validation"))
  }
  yield* checkFinite(
    { "train loss": record.trainLoss, "validation loss": record.validationLoss, "test loss": test.loss },
    { epoch, batchIndex: lastBatch(run), learningRate: rate }
  )
  return record
})

const isBest = (record: Pick<Epoch, "validationAccuracy">, epochs: ReadonlyArray<Epoch>): boolean =>
  epochs.every((earlier) => record.validationAccuracy > earlier.validationAccuracy)

/** Says what there is of a training that diverged after some epochs. A cosine's rates depend on the number of epochs. */
const keeping = (diverged: Diverged, { schedule }: TrainParams, done: number, best: number): Diverged => {
  const until = done === 1 ? "Epoch 1, before it," : `Epochs 1 to ${done}, before it,`
  const again = schedule === "cosine" ? "" : ` train.epochs=${done} ends with them (best on validation: epoch ${best}).`
  return new Diverged({ ...diverged, kept: `${until} stayed finite and are kept as a checkpoint.${again}` })
}

/** The whole training, resumed from the checkpoint if there is one. */
const runEpochs = Effect.fnUntraced(function* (run: Run, checkpoint: Stage.Checkpoint) {
  const { params, trainer } = run
  const saved = yield* checkpoint.load
  const resumed = saved === undefined ? Option.none<TrainingState.TrainingState>() : TrainingState.decode(saved)
  const epochs: Array<Epoch> = []
  let bestEpoch = 0
  let bestWeights: Uint8Array = new Uint8Array(0)
  if (Option.isSome(resumed)) {
    yield* trainer.loadState(resumed.value.engineState)
    epochs.push(...resumed.value.epochs)
    bestEpoch = resumed.value.bestEpoch
    bestWeights = resumed.value.bestWeights
  }
  // Written while the next epoch runs: a few hundred megabytes take seconds.
  let saving: Fiber.Fiber<void, Stage.StageFailure> | undefined
  const accuracies = () => epochs.map((each) => each.validationAccuracy)
  const nextEpoch = Effect.fnUntraced(function* () {
    const rate = learningRate(
      params,
      epochs.map((each) => each.validationLoss)
    )
    const record = yield* runEpoch(run, epochs.length + 1, rate)
    if (isBest(record, epochs)) {
      bestEpoch = record.epoch
      bestWeights = Safetensors.encode(yield* trainer.saveWeights())
    }
    if (saving !== undefined) yield* Fiber.join(saving)
    const engineState = yield* trainer.saveState()
    const updateRatio = trainer.updateRatios(rate)
    const ratios = Object.entries(updateRatio).map(
      ([layer, ratio]) => [`size of the updates of ${layer}`, ratio] as const
    )
    yield* checkFinite(Object.fromEntries([...ratios, ...Option.toArray(trainer.nonFinite())]), {
      epoch: record.epoch,
      batchIndex: lastBatch(run),
      learningRate: rate
    })
    epochs.push({ ...record, updateRatio })
    const pieces = TrainingState.encode({ epochs, bestEpoch, engineState, bestWeights })
    saving = yield* Effect.forkChild(checkpoint.save(...pieces))
  })
  while (epochs.length < params.epochs && !outOfPatience(params.patience, accuracies())) {
    yield* nextEpoch().pipe(
      // what was learned until then is not lost with what comes after it
      Effect.tapError(() => (saving === undefined ? Effect.void : Effect.ignore(Fiber.join(saving)))),
      Effect.mapError((error) =>
        error instanceof Diverged && epochs.length > 0 ? keeping(error, params, epochs.length, bestEpoch) : error
      )
    )
  }
  if (saving !== undefined) yield* Fiber.join(saving)
  return { epochs, bestEpoch, bestWeights }
})

const inputs = { index: IndexArtifact, shards: Shards } as const
const output = {
  history: HistoryArtifact,
  weights: Weights,
  network: NetworkArtifact,
  networkTable: NetworkTable
} as const
const toolchain = { engine } as const
type TrainContext = Stage.Context<TrainParams, typeof inputs, typeof output, typeof toolchain>

const optimizerOf = ({ optimizer, learningRate, weightDecay, momentum }: TrainParams): Optimizer =>
  optimizer === "sgd"
    ? { kind: "sgd", learningRate, weightDecay, momentum }
    : { kind: "adam", learningRate, weightDecay }

/** Opens the images and the network with its initial weights. */
const begin = Effect.fnUntraced(function* (
  { params, toolchain, toolchainDir, cores, inputs, progress }: TrainContext,
  spec: NetworkSpec,
  index: PackIndex
) {
  const loaded = yield* open(toolchain.engine, { cacheDir: toolchainDir(engine.name), threads: cores })
  const pack = yield* Pack.open(inputs.shards.path, index)
  const { batchSize, seed, loss } = params
  const trainer = yield* Trainer.make(loaded, {
    spec,
    size: index.size,
    channels: index.channels,
    classes: index.classes.length,
    seed,
    optimizer: optimizerOf(params),
    loss,
    ...ImageNet.normalization,
    batchSize
  })
  const labels = { train: pack.labels("train"), validation: pack.labels("validation"), test: pack.labels("test") }
  const batchBytes = batchSize * pack.recordBytes
  const buffers = [new Uint8Array(batchBytes), new Uint8Array(batchBytes)] as const
  return { params, index, pack, labels, trainer, buffers, progress } satisfies Run
}, Effect.mapError(toFailure))

export const train = Stage.make({
  name: "train",
  source: import.meta.url,
  params: TrainParams,
  inputs,
  output,
  toolchain,
  run: (context) =>
    Effect.gen(function* () {
      const { params, output, checkpoint } = context
      const index = yield* context.inputs.index.read
      const { size, channels, classes, preparation } = index
      const spec = yield* Effect.fromResult(specOf(params))
      const layers = Network.layerTable(spec, { size, channels, classes: classes.length })
      if (Result.isFailure(layers))
        return yield* new Stage.StageFailure({ reason: layers.failure.message, badInput: true })
      const run = yield* begin(context, spec, index)
      if (Option.isSome(run.trainer.notice)) yield* context.notice(run.trainer.notice.value)
      const { epochs, bestEpoch, bestWeights } = yield* runEpochs(run, checkpoint).pipe(Effect.mapError(toFailure))
      const [first, ...others] = epochs
      yield* output.history.write({
        classes,
        layers: run.trainer.layers,
        loss: params.loss,
        plannedEpochs: params.epochs,
        stoppedEarly: epochs.length < params.epochs,
        bestEpoch,
        epochs: [first!, ...others]
      })
      const { rows: table, totalParameters } = layers.success
      yield* output.network.write({
        spec,
        size,
        preparation,
        classes,
        ...ImageNet.normalization,
        table,
        totalParameters
      })
      yield* output.weights.write(bestWeights)
      yield* output.networkTable.write(utf8(`${Network.renderLayerTable(layers.success)}\n`))
    })
})
