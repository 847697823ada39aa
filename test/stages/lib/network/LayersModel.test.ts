/** Layers models of other networks than the presets, read by TensorFlow.js itself. */
import "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import { loadLayersModel } from "@tensorflow/tfjs-layers"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { defaultEngineParams, identify, open } from "../../../../engine/index.ts"
import type { NetworkSpec } from "../../../../schemas/Network.ts"
import * as LayersModel from "../../../../stages/lib/network/LayersModel.ts"
import * as Trainer from "../../../../stages/lib/network/Trainer.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

const size = 17
const classes = ["a", "b", "c", "d"]
const normalization = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] }

const odd: NetworkSpec = {
  name: "odd",
  layers: [
    { type: "conv", filters: 5, kernel: 4, stride: 2, padding: "same" },
    { type: "batchNorm", epsilon: 1e-3, momentum: 0.3 },
    { type: "conv", filters: 6, kernel: 3, stride: 1, padding: "valid" },
    { type: "relu" },
    { type: "maxPool", size: 3, stride: 2, padding: "same" },
    { type: "depthwiseConv", kernel: 2, stride: 1, padding: "same" },
    { type: "batchNorm", epsilon: 1e-3, momentum: 0.3 },
    { type: "relu" },
    { type: "averagePool", size: 2, stride: 1, padding: "same" },
    { type: "conv", filters: 6, kernel: 1, stride: 1, padding: "valid" },
    { type: "globalAveragePool" },
    { type: "dense", units: 7 },
    { type: "dense", units: "classes" }
  ]
}

const random = Random.make(5, "pixels")
const pixels = Uint8Array.from({ length: 2 * size * size * 3 }, () => random.int(256))

const trained = (spec: NetworkSpec) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const cacheDir = temporaryFolder()
        const asked = { ...defaultEngineParams, name: "cpu" as const }
        const engine = yield* open(yield* identify(asked, { cores: 1, cacheDir, notify: () => undefined }), {
          cacheDir,
          threads: 1
        })
        const optimizer = { kind: "sgd", learningRate: 0.1, weightDecay: 0, momentum: 0 } as const
        const shape = { size, channels: 3, classes: classes.length, seed: 2, batchSize: 2, optimizer }
        const trainer = yield* Trainer.make(engine, { spec, ...shape, ...normalization })
        yield* trainer.step({ pixels, labels: Int32Array.of(1, 3) }, { learningRate: 0.1, epoch: 1, batchIndex: 0 })
        return { weights: yield* trainer.saveWeights(), logits: yield* trainer.predict(pixels, 2) }
      })
    )
  )

const network = {
  spec: odd,
  size,
  preparation: { size, fit: "fill", leastCrop: 1 } as const,
  classes,
  ...normalization,
  table: [],
  totalParameters: 1
}

describe("a layers model", () => {
  it("gives the logits of a network with strides, padding and other pooling", async () => {
    const { weights, logits } = await trained(odd)
    const { modelJson, weights: bytes } = Result.getOrThrow(LayersModel.make(network, weights, "test"))
    const { modelTopology, weightsManifest, userDefinedMetadata } = JSON.parse(modelJson)
    const weightData = Uint8Array.from(bytes).buffer
    const handler = tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData })
    const model = await loadLayersModel(handler)
    const given = tf.tensor4d(Float32Array.from(pixels), [2, size, size, 3])
    const said = await (model.predict(given) as tf.Tensor).data()
    expect(said).toHaveLength(logits.length)
    // sums of at most 500 products in float32
    for (const [i, value] of said.entries()) expect(Math.abs(value - logits[i]!)).toBeLessThan(1e-4)
    expect(userDefinedMetadata).toEqual({ classes, size, ...normalization })
  })

  it("is none when a tensor is missing, or of another shape", async () => {
    const { weights } = await trained(odd)
    const without = LayersModel.make(network, weights.slice(1), "test")
    expect(Result.isFailure(without) && without.failure.message).toContain("conv1.weight")
    const smaller = LayersModel.make({ ...network, classes: ["a", "b"] }, weights, "test")
    expect(Result.isFailure(smaller) && smaller.failure.message).toContain("fc2.weight")
  })
})
