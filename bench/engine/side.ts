/**
 * op-pipe's side of `npm run bench:engine`: a process of its own, so that its peak memory is its own. The same protocol
 * as torch_bench.py: a JSON request a line in, a JSON answer a line out.
 */
import * as path from "node:path"
import * as readline from "node:readline"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { type Engine, identify, open } from "../../engine/index.ts"
import * as Addon from "../../engine/native/Addon.ts"
import { makeNativeProgram } from "../../engine/native/NativeProgram.ts"
import * as Network from "../../stages/lib/network/Network.ts"
import * as Trainer from "../../stages/lib/network/Trainer.ts"
import type { Answer, Request } from "./protocol.ts"

const cacheDir = path.resolve("node_modules/.cache/op-pipe-engine")
const threads = Number(process.argv[2] ?? 2)
const input = { size: 224, channels: 3, classes: 18 }
const mean = [0.485, 0.456, 0.406]
const std = [0.229, 0.224, 0.225]
const optimizer = { kind: "adam", learningRate: 1e-4, weightDecay: 1e-4 } as const

const engines = new Map<string, Engine>()

const engineFor = async (bf16: boolean): Promise<Engine> => {
  const precision = bf16 ? "bf16" : "fp32"
  const made = engines.get(precision)
  if (made !== undefined) return made
  const notify = (line: string): void => console.error(line)
  const identity = await Effect.runPromise(
    identify({ name: "native", precision, threads }, { cores: threads, cacheDir, notify })
  )
  const engine = await Effect.runPromise(Effect.scoped(open(identity, { cacheDir, threads })))
  engines.set(precision, engine)
  return engine
}

const images = (n: number): Trainer.Batch => ({
  pixels: Uint8Array.from({ length: n * input.size * input.size * 3 }, (_, i) => (i * 2654435761) >>> 24),
  labels: Int32Array.from({ length: n }, (_, i) => i % input.classes)
})

const timed = async (request: Request): Promise<Answer> => {
  const scope = Effect.runSync(Scope.make())
  const spec = Network.preset("seed", { batchNorm: request.bn })
  const make = Trainer.make(await engineFor(request.bf16), {
    ...input,
    spec,
    seed: 1,
    optimizer,
    mean,
    std,
    batchSize: request.batch
  })
  const trainer = await Effect.runPromise(make.pipe(Scope.provide(scope)))
  const batch = images(request.batch)
  const run = (i: number): Promise<unknown> =>
    request.mode === "train"
      ? Effect.runPromise(trainer.step(batch, { learningRate: 1e-4, epoch: 1, batchIndex: i }))
      : Effect.runPromise(trainer.predict(batch.pixels, request.batch))
  // first use maps and clears the memory
  await run(0)
  const seconds: Array<number> = []
  const faults = process.resourceUsage().minorPageFault
  for (let i = 0; i < request.repeats; i++) {
    const start = performance.now()
    await run(i + 1)
    seconds.push((performance.now() - start) / 1000)
  }
  const faultsPerStep = (process.resourceUsage().minorPageFault - faults) / request.repeats
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return { seconds, faultsPerStep, peakBytes: process.resourceUsage().maxRSS * 1024 }
}

/** Seconds a step by phase, of the first thread, and the FMA peaks. */
const profiled = async (request: Request): Promise<Answer> => {
  await engineFor(request.bf16)
  const addon = Addon.load(Addon.locate(cacheDir).binary)
  const shape = Result.getOrThrow(Network.resolve(Network.preset("seed", { batchNorm: request.bn }), input))
  const options = { shape, optimizer, mean, std, batchSize: request.batch }
  const program = makeNativeProgram(addon, options, 1, request.bf16 ? "bf16" : "fp32")
  for (const p of Network.parametersOf(shape)) program.write("value", p, Network.initialValue(shape, p, 1))
  const dropoutMasks = new Map([["fc1", new Uint8Array(request.batch * 512).fill(1)]])
  const step = () => program.step({ ...images(request.batch), learningRate: 1e-4, dropoutMasks })
  await step()
  program.profile()
  for (let i = 0; i < request.repeats; i++) await step()
  const phases = Object.fromEntries(Object.entries(program.profile()).map(([name, s]) => [name, s / request.repeats]))
  program.dispose()
  const peakFlops = Math.max(...Array.from({ length: 5 }, () => addon.peak(1, 200_000, request.bf16 ? 1 : 0)))
  return { seconds: [], phases, peakFlops, peakBytes: process.resourceUsage().maxRSS * 1024 }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request
  console.log(JSON.stringify(request.mode === "profile" ? await profiled(request) : await timed(request)))
}
