/** train on small images, with the native engine: what its history says, which loss it took, and when it stops. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import sharp from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import { defaultEngineParams, identify } from "../../engine/index.ts"
import type { NetworkSpec } from "../../schemas/Network.ts"
import { History } from "../../schemas/Train.ts"
import { augment } from "../../stages/augment.ts"
import { outOfPatience } from "../../stages/lib/network/Schedule.ts"
import * as TrainingState from "../../stages/lib/network/TrainingState.ts"
import * as Random from "../../stages/lib/Random.ts"
import * as Safetensors from "../../stages/lib/tables/Safetensors.ts"
import { split } from "../../stages/split.ts"
import { train } from "../../stages/train.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { runStage } from "./lib/runStage.ts"

const folder = temporaryFolder()
const at = (...names: ReadonlyArray<string>): string => path.join(folder, ...names)
const cacheDir = path.resolve("node_modules/.cache/op-pipe-engine")
// builds the addon while the file is imported, and so under no test's time limit
const engine = await Effect.runPromise(
  identify({ ...defaultEngineParams, name: "native" }, { cores: 2, cacheDir, notify: () => {} })
)

const run = (stage: Parameters<typeof runStage>[0], options: Parameters<typeof runStage>[1]) =>
  Effect.runPromise(runStage(stage, options).pipe(Effect.provide(NodeServices.layer)))

let inputs: Record<string, string> = {}

beforeAll(async () => {
  for (const [k, name] of ["dark", "bright", "mixed"].entries()) {
    for (let i = 0; i < 14; i++) {
      const random = Random.make(3, name, i)
      const small = Uint8Array.from({ length: 6 * 6 * 3 }, () => k * 60 + random.int(120))
      const image = sharp(small, { raw: { width: 6, height: 6, channels: 3 } })
      writeFiles(at("images"), { [path.join(name, `${i}.png`)]: await image.resize(30, 30).png().toBuffer() })
    }
  }
  const images = at("images")
  const { manifest } = await run(split, { inputs: { images }, to: at("split") })
  const params = { size: 32, trainSize: 0, copies: 1 }
  const packed = await run(augment, { params, inputs: { images, manifest: manifest! }, to: at("augment") })
  inputs = { index: packed["index"]!, shards: packed["shards"]! }
})

const trained = async (to: string, params: object, more: object = {}): Promise<History> => {
  const out = await run(train, {
    params: { epochs: 3, batchSize: 8, schedule: "constant", ...params },
    inputs,
    to: at(to),
    toolchain: { engine },
    toolchainDir: cacheDir,
    ...more
  })
  return Schema.decodeUnknownSync(Schema.fromJsonString(History))(readFileSync(out["history"]!, "utf8"))
}

describe("the history", () => {
  it("has for each epoch what a step moves in each layer, and how much of each ReLU is dead", async () => {
    const { layers, epochs, loss, plannedEpochs, stoppedEarly } = await trained("plain", {})
    expect({ loss, plannedEpochs, stoppedEarly }).toEqual({
      loss: "crossEntropy",
      plannedEpochs: 3,
      stoppedEarly: false
    })
    for (const { updateRatio, deadShare } of epochs) {
      expect(Object.keys(updateRatio)).toEqual(layers)
      // Adam with rate 5e-4 on weights of about 0.1: around a thousandth
      for (const ratio of Object.values(updateRatio)) {
        expect(ratio).toBeGreaterThan(1e-5)
        expect(ratio).toBeLessThan(0.1)
      }
      expect(Object.keys(deadShare)).toEqual(["conv1", "conv2", "conv3", "fc1"])
    }
  })

  it("shows layers that died of a rate far too high, and that rushed to it", async () => {
    const { epochs } = await trained("dead", { learningRate: 0.3 })
    expect(Math.max(...Object.values(epochs.at(-1)!.deadShare))).toBeGreaterThan(0.5)
    expect(Math.max(...Object.values(epochs[0].updateRatio))).toBeGreaterThan(0.1)
  })

  it("is the same twice", async () => {
    const without = ({ epochs }: History) => epochs.map(({ imagesPerSecond: _, ...rest }) => rest)
    expect(without(await trained("twice", {}))).toEqual(without(await trained("again", {})))
  })
})

it("sparsemax's loss trains too, and is what the curves are of", async () => {
  const soft = await trained("soft", { epochs: 6 })
  const sparse = await trained("sparse", { epochs: 6, loss: "sparsemax" })
  expect(sparse.loss).toBe("sparsemax")
  const [first, last] = [sparse.epochs[0], sparse.epochs.at(-1)!]
  expect(last.trainLoss).toBeLessThan(first.trainLoss)
  // 3 classes that nothing is known of: ln 3 = 1.1 nats, and (1 - 1/3)/2 = 0.33 for sparsemax
  expect(soft.epochs[0].validationLoss).toBeGreaterThan(0.7)
  expect(first.validationLoss).toBeLessThan(0.6)
  expect(last.trainAccuracy).toBeGreaterThan(0.6)
})

const slowLayer = { type: "maxPool", size: 16 } as const
const slowLayers = [
  { type: "conv", filters: 4, kernel: 3, stride: 1, padding: "same" },
  { type: "relu" },
  slowLayer,
  { type: "dense", units: "classes" }
] as const

it("a layer that the native engine has no kernels for is told before the training, with its cost", async () => {
  const said: Array<string> = []
  const notice = (text: string) => Effect.sync(() => void said.push(text))
  await trained("slow", { network: { name: "own", layers: slowLayers }, epochs: 1 }, { notice })
  expect(said).toEqual([expect.stringMatching(/max pooling after conv1, of 16 x 16.* 30 times slower/u)])
  said.length = 0
  const fast = slowLayers.map((layer) => (layer === slowLayer ? { ...layer, size: 3, stride: 2 } : layer))
  await trained("fast", { network: { name: "own", layers: fast }, epochs: 1 }, { notice })
  expect(said).toEqual([])
})

// the key leaves out how many cores a step has, so no result may depend on it
it.each<readonly [string, object]>([
  ["the preset", {}],
  ["a network without batch normalization", { normalization: "none" }],
  ["layers that the native engine has no kernels for", { network: { name: "own", layers: slowLayers } }]
])("the weights of %s are the same with one, two and three cores", async (_of, params) => {
  const digests = new Set<string>()
  for (const cores of [1, 2, 3]) {
    const to = `cores-${cores}`
    const { epochs } = await trained(to, { epochs: 1, ...params }, { cores })
    const weights = readFileSync(at(to, "model.safetensors"))
    const figures = JSON.stringify(epochs.map(({ imagesPerSecond: _, ...rest }) => rest))
    digests.add(createHash("sha256").update(weights).update(figures).digest("hex"))
  }
  expect(digests.size).toBe(1)
})

describe("a stack of layers", () => {
  const conv = { type: "conv", filters: 4, kernel: 3, stride: 1, padding: "same" } as const
  const norm = { type: "batchNorm", epsilon: 1e-5, momentum: 0.1 } as const
  const rest = [{ type: "relu" }, { type: "maxPool", size: 4 }, { type: "dense", units: "classes" }] as const
  const lossOf = async (layers: NetworkSpec["layers"], normalization: string): Promise<number> => {
    const params = { network: { name: "own", layers }, normalization, epochs: 1 }
    const { epochs } = await trained(`stack-${normalization}-${layers.length}`, params)
    return epochs[0].trainLoss
  }

  it("makes both networks that differ in batch normalization alone", async () => {
    const given = await lossOf([conv, norm, ...rest], "asGiven")
    expect(await lossOf([conv, norm, ...rest], "batch")).toBe(given)
    const without = await lossOf([conv, norm, ...rest], "none")
    expect(without).toBe(await lossOf([conv, ...rest], "asGiven"))
    expect(without).not.toBe(given)
  })

  it("without batch normalization is refused where that is what is asked for", async () => {
    await expect(lossOf([conv, ...rest], "batch")).rejects.toThrow(
      /expected layers of type batchNorm in the network own/u
    )
  })
})

describe("patience", () => {
  it("runs out after that many epochs without a better accuracy; 0 never does", () => {
    expect(outOfPatience(2, [])).toBe(false)
    expect(outOfPatience(2, [0.5, 0.4])).toBe(false)
    expect(outOfPatience(2, [0.5, 0.4, 0.5])).toBe(true)
    expect(outOfPatience(2, [0.5, 0.4, 0.6])).toBe(false)
    expect(outOfPatience(1, [0.5, 0.4])).toBe(true)
    expect(outOfPatience(0, [0.5, 0.4, 0.3, 0.2])).toBe(false)
  })

  it("stops the training, whose history says so; what it did until then is what it does without", async () => {
    const still = { learningRate: 1e-12, weightDecay: 0, epochs: 6 }
    const all = await trained("all", still)
    const stopped = await trained("stopped", { ...still, patience: 2 })
    // nothing is learned, so the first epoch stays the best
    expect(stopped).toMatchObject({ bestEpoch: 1, plannedEpochs: 6, stoppedEarly: true })
    expect(stopped.epochs).toHaveLength(3)
    const numbers = ({ epochs }: History) => epochs.slice(0, 3).map(({ imagesPerSecond: _, ...rest }) => rest)
    expect(numbers(stopped)).toEqual(numbers(all))
    expect(all.stoppedEarly).toBe(false)
  })

  it("is out still when a training that had stopped is taken up at its last checkpoint", async () => {
    let saved: Uint8Array | undefined
    const checkpoint = {
      load: Effect.sync(() => saved),
      save: (...pieces: ReadonlyArray<Uint8Array>) =>
        Effect.sync(() => {
          saved = Buffer.concat(pieces)
        })
    }
    const still = { learningRate: 1e-12, weightDecay: 0, epochs: 6, patience: 2 }
    const first = await trained("checkpointed", still, { checkpoint })
    expect(await trained("resumed", still, { checkpoint })).toEqual(first)
  })
})

it("what was learned before a training diverged is written to the end, and told", async () => {
  let saved: Uint8Array = new Uint8Array()
  const save = (...pieces: ReadonlyArray<Uint8Array>) =>
    Effect.sync(() => {
      saved = Buffer.concat(pieces)
    }).pipe(Effect.delay("300 millis"))
  const checkpoint = { load: Effect.succeed(undefined), save }
  const params = { epochs: 40, optimizer: "sgd", momentum: 0, weightDecay: 2.05e3, learningRate: 1e-3 }
  const message = await trained("late", params, { checkpoint }).then(String, String)
  const told =
    /epoch (\d+), batch \d+: expected a finite .* Epochs? 1.*stayed finite and .* kept as a checkpoint\. train\.epochs=(\d+) ends with them/u
  expect(message).toMatch(told)
  const [, epoch, kept] = told.exec(message)!.map(Number)
  expect(kept).toBe(epoch! - 1)
  const { epochs, bestWeights } = Option.getOrThrow(TrainingState.decode(saved))
  expect(epochs).toHaveLength(kept!)
  for (const tensor of Result.getOrThrow(Safetensors.decode(bestWeights)))
    if (tensor.dtype === "F32") expect(tensor.data.every(Number.isFinite)).toBe(true)
})

it("batch normalization of one value is told as what it is, not as a rate too high", async () => {
  const layers = [
    { type: "conv", filters: 4, kernel: 32, stride: 1, padding: "valid" },
    { type: "batchNorm", epsilon: 1e-5, momentum: 0.1 },
    { type: "dense", units: "classes" }
  ]
  await expect(trained("one", { network: { name: "own", layers }, batchSize: 1 })).rejects.toThrow(
    "epoch 1, batch 0: expected a finite variance of bn1, over one image of 1 x 1, but it is NaN. The training diverged. Choose a batch size"
  )
})

it.each([
  ["adam", "none"],
  ["adam", "batch"],
  ["sgd", "none"],
  ["sgd", "batch"]
] as const)("a rate of 1e30 diverges by name, with %s and normalization %s", async (optimizer, normalization) => {
  for (const batchSize of [8, 4096]) {
    const params = { optimizer, normalization, batchSize, learningRate: 1e30, epochs: 3 }
    await expect(trained(`rate-${optimizer}-${normalization}-${batchSize}`, params)).rejects.toThrow(
      /^epoch 1, batch \d+: expected a finite .*, but it is -?(NaN|Infinity)\. The training diverged\./u
    )
  }
})

// images/13-diverged-in-the-last-step: told as a file without room to write it
it("a training that diverges in its last step is told so, with epoch, batch and learning rate", async () => {
  const params = { epochs: 1, batchSize: 4096, optimizer: "sgd", learningRate: 1e15, normalization: "none" }
  await expect(trained("diverged", params)).rejects.toThrow(
    /^epoch 1, batch 0: expected a finite .*, but it is (NaN|Infinity)\. The training diverged\. Lower the learning rate \(train\.learningRate\), which was 1000000000000000\.$/u
  )
})
