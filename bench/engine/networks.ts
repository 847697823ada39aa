/**
 * `npm run bench:networks`: how networks of other layers than the seed's train on the native engine, in turns in one
 * run. The rate is the arithmetic of the shapes as if all of it were dense, over the processor time of the best step,
 * which other programs disturb less than they do the clock; the ratio is to the seed network's, with the same
 * normalization. `node bench/engine/networks.ts [threads] [rounds] [name]`.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { identify, open } from "../../engine/index.ts"
import { type NetworkShape, weightChannels } from "../../engine/Program.ts"
import type { Layer, NetworkSpec } from "../../schemas/Network.ts"
import * as ImageNet from "../../stages/lib/images/ImageNet.ts"
import * as Network from "../../stages/lib/network/Network.ts"
import * as Trainer from "../../stages/lib/network/Trainer.ts"

const cacheDir = path.resolve("node_modules/.cache/op-pipe-engine")
const threads = Number(process.argv[2] ?? 1)
const rounds = Number(process.argv[3] ?? 5)
const batchSize = 32
const input = { size: 224, channels: 3, classes: 18 }
const optimizer = { kind: "adam", learningRate: 1e-4, weightDecay: 1e-4 } as const

type Pooling = Extract<Layer, { type: "maxPool" | "averagePool" }>
type Window = Omit<Extract<Layer, { type: "conv" }>, "type" | "filters">

const stack = (bn: boolean, window: Window, pooling: Pooling | null): ReadonlyArray<Layer> =>
  [16, 32, 64].flatMap((filters) => [
    { type: "conv", filters, ...window } as const,
    ...(bn ? [{ type: "batchNorm", epsilon: 1e-5, momentum: 0.1 } as const] : []),
    { type: "relu" } as const,
    ...(pooling === null ? [] : [pooling])
  ])

const head: ReadonlyArray<Layer> = [
  { type: "dense", units: 512 },
  { type: "relu" },
  { type: "dropout", rate: 0.4 },
  { type: "dense", units: "classes" }
]

const separable = (bn: boolean, filters: number, stride: number): ReadonlyArray<Layer> => {
  const after = [
    ...(bn ? [{ type: "batchNorm", epsilon: 1e-5, momentum: 0.1 } as const] : []),
    { type: "relu" } as const
  ]
  return [
    { type: "depthwiseConv", kernel: 3, stride, padding: "same" },
    ...after,
    { type: "conv", filters, kernel: 1, stride: 1, padding: "valid" },
    ...after
  ]
}

const three: Window = { kernel: 3, stride: 1, padding: "valid" }
const five: Window = { kernel: 5, stride: 1, padding: "valid" }

const networks: Readonly<Record<string, (bn: boolean) => ReadonlyArray<Layer>>> = {
  seed: (bn) => Network.preset("seed", { batchNorm: bn }).layers,
  "pool 3": (bn) => [...stack(bn, three, { type: "maxPool", size: 3 }), ...head],
  "pool 3, stride 2": (bn) => [...stack(bn, three, { type: "maxPool", size: 3, stride: 2 }), ...head],
  "5x5, pool 3": (bn) => [...stack(bn, five, { type: "maxPool", size: 3 }), ...head],
  "5x5, pool 3, stride 2": (bn) => [...stack(bn, five, { type: "maxPool", size: 3, stride: 2 }), ...head],
  "5x5 by 2, pool 3": (bn) => [
    ...stack(bn, { kernel: 5, stride: 2, padding: "same" }, { type: "maxPool", size: 3, stride: 2, padding: "same" }),
    ...head
  ],
  "5x5 by 2, no pool": (bn) => [...stack(bn, { kernel: 5, stride: 2, padding: "same" }, null), ...head],
  "average pool 2": (bn) => [...stack(bn, three, { type: "averagePool", size: 2 }), ...head],
  "depthwise, global average": (bn) => [
    ...stack(bn, { kernel: 3, stride: 2, padding: "same" }, null).slice(0, bn ? 3 : 2),
    ...[32, 64, 128, 256].flatMap((filters, i) => separable(bn, filters, i % 2 === 0 ? 1 : 2)),
    { type: "globalAveragePool" },
    { type: "dense", units: "classes" }
  ]
}

/** Multiplications and additions of one image's training step: forward, and for each gradient as much again. */
const flopsOf = ({ blocks }: NetworkShape): number =>
  blocks.reduce((sum, block, i) => {
    const once =
      block.kind === "dense"
        ? block.inputs * block.units
        : block.convSize ** 2 * block.filters * weightChannels(block) * block.kernel ** 2
    // the images have no gradient
    return sum + 2 * once * (i === 0 ? 2 : 3)
  }, 0)

const specOf = (layers: ReadonlyArray<Layer>): NetworkSpec => ({
  name: "bench",
  layers: [layers[0]!, ...layers.slice(1)]
})

const identity = await Effect.runPromise(
  identify({ name: "native", precision: "fp32", threads }, { cores: threads, cacheDir, notify: console.error })
)
const engine = await Effect.runPromise(Effect.scoped(open(identity, { cacheDir, threads })))
const pixels = Uint8Array.from({ length: batchSize * input.size ** 2 * 3 }, (_, i) => (i * 2654435761) >>> 24)
const labels = Int32Array.from({ length: batchSize }, (_, i) => i % input.classes)

const processorSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6 / threads
}

/** Seconds of the best of three steps, after one that maps the memory. */
const best = async (spec: NetworkSpec): Promise<number> => {
  const scope = Effect.runSync(Scope.make())
  const make = Trainer.make(engine, { ...input, spec, seed: 1, optimizer, ...ImageNet.normalization, batchSize })
  const trainer = await Effect.runPromise(make.pipe(Scope.provide(scope)))
  let seconds = Number.POSITIVE_INFINITY
  for (let i = 0; i < 4; i++) {
    const start = processorSeconds()
    await Effect.runPromise(trainer.step({ pixels, labels }, { learningRate: 1e-4, epoch: 1, batchIndex: i }))
    if (i > 0) seconds = Math.min(seconds, processorSeconds() - start)
  }
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return seconds
}

const only = process.argv[4]
const names = Object.keys(networks).filter((name) => only === undefined || name === "seed" || name.includes(only))
const seconds = new Map<string, number>()
for (let round = 0; round < rounds; round++) {
  for (const name of names) {
    for (const bn of [false, true]) {
      const key = `${name}, ${bn}`
      seconds.set(key, Math.min(seconds.get(key) ?? Number.POSITIVE_INFINITY, await best(specOf(networks[name]!(bn)))))
    }
  }
}

console.log("| network | MFLOP an image | no BN: images/s, GFLOP/s (ratio) | BN: images/s, GFLOP/s (ratio) |")
console.log("|---|---|---|---|")
const rateOf = (name: string, bn: boolean) => {
  const shape = Result.getOrThrow(Network.resolve(specOf(networks[name]!(bn)), input))
  const images = batchSize / seconds.get(`${name}, ${bn}`)!
  return { flops: flopsOf(shape), images, rate: flopsOf(shape) * images }
}
for (const name of names) {
  const cells = [false, true].map((bn) => {
    const { images, rate } = rateOf(name, bn)
    return `${images.toFixed(0)}, ${(rate / 1e9).toFixed(0)} (${(rate / rateOf("seed", bn).rate).toFixed(2)})`
  })
  console.log(`| ${[name, (rateOf(name, false).flops / 1e6).toFixed(0), ...cells].join(" | ")} |`)
}
