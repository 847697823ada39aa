/** The extractor of a network is the network up to its last hidden layer: values that the last layer turns into the logits. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import { defaultEngineParams, identify, open } from "../../../../engine/index.ts"
import type { NetworkSpec } from "../../../../schemas/Network.ts"
import { featureExtractorOf } from "../../../../stages/lib/network/FeatureExtractor.ts"
import * as Network from "../../../../stages/lib/network/Network.ts"
import * as Trainer from "../../../../stages/lib/network/Trainer.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

const classes = ["a", "b", "c"]
const size = 24
const options = {
  size,
  channels: 3,
  seed: 3,
  optimizer: { kind: "sgd", learningRate: 1, weightDecay: 0, momentum: 0 } as const,
  mean: [0.5, 0.5, 0.5],
  std: [0.2, 0.2, 0.2],
  batchSize: 4
}
const random = Random.make(1, "pixels")
const count = 6
const pixels = Uint8Array.from({ length: count * size * size * 3 }, () => random.int(256))

describe("the extractor", () => {
  it("gives what the last layer makes logits of: W relu(extractor) + b", async () => {
    const program = Effect.gen(function* () {
      const cacheDir = temporaryFolder()
      const asked = { ...defaultEngineParams, name: "cpu" as const }
      const identity = yield* identify(asked, { cores: 1, cacheDir, notify: () => undefined })
      const engine = yield* open(identity, { cacheDir, threads: 2 })
      const spec = Network.preset("seed", { batchNorm: true })
      const whole = yield* Trainer.make(engine, { ...options, spec, classes: classes.length })
      const weights = yield* whole.saveWeights()
      const logits = yield* whole.predict(pixels, count)
      const extractor = Option.getOrThrow(featureExtractorOf({ spec, classes }))
      expect(extractor).toMatchObject({ units: 512, relu: true })
      const cut = yield* Trainer.make(engine, { ...options, seed: 9, spec: extractor.spec, classes: extractor.units })
      yield* cut.loadWeights(weights)
      const hidden = yield* cut.predict(pixels, count)
      const tensor = (name: string) => weights.find((each) => each.name === name)!.data as Float32Array
      const [w, b] = [tensor("fc2.weight"), tensor("fc2.bias")]
      for (let row = 0; row < count; row++) {
        for (const k of classes.keys()) {
          let sum = b[k]!
          for (let unit = 0; unit < 512; unit++) sum += w[k * 512 + unit]! * Math.max(0, hidden[row * 512 + unit]!)
          // 512 products in float32, added in another order
          expect(Math.abs(sum - logits[row * classes.length + k]!)).toBeLessThan(1e-4)
        }
      }
    })
    await Effect.runPromise(Effect.scoped(program))
  })

  it("is none for a network without a hidden dense layer", () => {
    const spec: NetworkSpec = {
      name: "flat",
      layers: [
        { type: "conv", filters: 4, kernel: 3, stride: 1, padding: "valid" },
        { type: "dense", units: "classes" }
      ]
    }
    expect(Option.isNone(featureExtractorOf({ spec, classes }))).toBe(true)
  })

  it("has no ReLU where the layer has none, and as many units as classes where it says so", () => {
    const spec: NetworkSpec = {
      name: "two",
      layers: [
        { type: "dense", units: 8 },
        { type: "relu" },
        { type: "dense", units: "classes" },
        { type: "dropout", rate: 0.5 },
        { type: "dense", units: "classes" }
      ]
    }
    expect(Option.getOrThrow(featureExtractorOf({ spec, classes }))).toEqual({
      spec: {
        name: "two-features",
        layers: [{ type: "dense", units: 8 }, { type: "relu" }, { type: "dense", units: "classes" }]
      },
      units: 3,
      relu: false
    })
  })
})
