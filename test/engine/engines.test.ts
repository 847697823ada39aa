/**
 * Finding and opening engines: identities, fallbacks, what is said when something is missing. And one parity suite on
 * every engine that is present here (WebGPU and TensorFlow only where they are installed).
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { afterEach, describe, expect, test } from "vitest"
import { doctor } from "../../engine/Doctor.ts"
import {
  defaultEngineParams,
  EngineError,
  EngineIdentity,
  EngineOutOfMemory,
  EngineParams,
  identify,
  open
} from "../../engine/index.ts"
import * as Addon from "../../engine/native/Addon.ts"
import { findPackage } from "../../engine/Packages.ts"
import { parametersOf } from "../../engine/Program.ts"
import { explainLoadFailure, findTensorflow } from "../../engine/Tensorflow.ts"
import * as Ops from "../../engine/tf/Ops.ts"
import { largestBufferBytes } from "../../engine/Webgpu.ts"
import {
  batchNorm,
  cacheDir,
  conv,
  cpuTf,
  dense,
  fillRandom,
  marksFor,
  mean,
  networkOf,
  plainSgd,
  pool,
  randomLabels,
  randomPixels,
  relativeError,
  relu,
  std
} from "./support.ts"

const options = { cores: 2, cacheDir, notify: () => {} }
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)
const failure = <A, E>(effect: Effect.Effect<A, E>): Promise<E> => Effect.runPromise(Effect.flip(effect))

const temporary: Array<string> = []
const temporaryFolder = (): string => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "op-pipe-engine-"))
  temporary.push(folder)
  return folder
}

const environment = { CXX: process.env["CXX"], PATH: process.env["PATH"] }
afterEach(() => {
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  for (const folder of temporary.splice(0)) fs.rmSync(folder, { recursive: true, force: true })
})

describe("identify", () => {
  test("native is what auto takes, is plain JSON, and costs little the second time", { timeout: 120_000 }, async () => {
    const identity = await run(identify(defaultEngineParams, options))
    expect(identity.name).toBe("native")
    expect(identity.threads).toBeNull()
    expect(identity.addon).toMatch(/^[0-9a-f]{64}$/u)
    expect(Schema.decodeUnknownSync(EngineIdentity)(JSON.parse(JSON.stringify(identity)))).toEqual(identity)
    const times: Array<number> = []
    for (let i = 0; i < 5; i++) {
      const started = performance.now()
      expect(await run(identify({ ...defaultEngineParams, name: "native" }, options))).toEqual(identity)
      times.push(performance.now() - started)
    }
    expect(Math.min(...times)).toBeLessThan(50)
  })

  test("the number of threads is no part of the identity, whether given or that of the cores", async () => {
    const identity = await run(identify(defaultEngineParams, options))
    expect(await run(identify({ ...defaultEngineParams, threads: 3 }, options))).toEqual(identity)
    expect(await run(identify(defaultEngineParams, { ...options, cores: 1 }))).toEqual(identity)
  })

  test("without a compiler auto falls back to cpu and says what is missing", async () => {
    process.env["CXX"] = ""
    process.env["PATH"] = temporaryFolder()
    const lines: Array<string> = []
    const notify = (line: string): number => lines.push(line)
    const identity = await run(identify(defaultEngineParams, { cores: 2, cacheDir: temporaryFolder(), notify }))
    expect(identity.name).toBe("cpu")
    expect(lines.join("\n")).toContain("apt-get install g++")
    expect(lines.join("\n")).toContain("hundred times slower")
    const error = await failure(
      identify({ ...defaultEngineParams, name: "native" }, { cores: 2, cacheDir: temporaryFolder(), notify })
    )
    expect(error.actual).toContain("none of g++")
  })

  test("a compiler that fails is a typed error with its words", async () => {
    const folder = temporaryFolder()
    const compiler = path.join(folder, "broken")
    fs.writeFileSync(compiler, "#!/bin/sh\necho no room for this >&2\nexit 3\n", { mode: 0o755 })
    process.env["CXX"] = compiler
    const error = await failure(
      identify(
        { ...defaultEngineParams, name: "native" },
        { cores: 2, cacheDir: path.join(folder, "cache"), notify: () => {} }
      )
    )
    expect(error).toBeInstanceOf(EngineError)
    expect(error.message).toContain("no room for this")
    expect(fs.readdirSync(path.join(folder, "cache"))).toEqual([])
  })

  test("several that start at once build once; a lock left by a killed process is no obstacle", async () => {
    const folder = temporaryFolder()
    const log = path.join(folder, "log")
    const compiler = path.join(folder, "slow")
    // writes what -o asks for
    const script = `#!/bin/sh\necho "$*" >> ${log}\nsleep 0.02\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && : > "$2"; shift; done\nexit 0\n`
    fs.writeFileSync(compiler, script, { mode: 0o755 })
    process.env["CXX"] = compiler
    const location = Addon.locate(path.join(folder, "cache"))
    fs.mkdirSync(path.join(folder, "cache"))
    // no process has this number: it is above the kernel's limit
    fs.writeFileSync(`${location.folder}.lock`, "4194305")
    const lines: Array<string> = []
    const build = Addon.build(location, (line) => lines.push(line))
    await run(Effect.all([build, build, build], { concurrency: "unbounded" }))
    expect(Addon.isBuilt(location)).toBe(true)
    expect(lines).toHaveLength(2)
    expect(fs.readFileSync(log, "utf8").match(/addon\.cpp/gu)).toHaveLength(1)
    expect(fs.readdirSync(path.join(folder, "cache"))).toEqual([path.basename(location.folder)])
  })

  test("bf16 is refused by engines that do not have it", async () => {
    const error = await failure(identify({ name: "cpu", precision: "bf16", threads: 0 }, options))
    expect(error.toDo).toContain("engine.precision=fp32")
  })

  test("parameters are decoded with the allowed values in the error", () => {
    expect(() => Schema.decodeUnknownSync(EngineParams)({ ...defaultEngineParams, name: "cuda" })).toThrow(/native/u)
    expect(() => Schema.decodeUnknownSync(EngineParams)({ ...defaultEngineParams, threads: -1 })).toThrow()
  })
})

describe("open", () => {
  test("refuses an addon that is not there", async () => {
    const identity = await run(identify(defaultEngineParams, options))
    const error = await failure(Effect.scoped(open({ ...identity, addon: "0".repeat(64) }, { cacheDir, threads: 2 })))
    expect(error.message).toContain("not in the cache folder")
  })

  test("refuses another processor and another version", async () => {
    const identity = await run(identify(defaultEngineParams, options))
    expect(
      (await failure(Effect.scoped(open({ ...identity, device: "avx1024 x" }, { cacheDir, threads: 2 })))).message
    ).toContain("avx1024")
    const cpu = await run(identify({ ...defaultEngineParams, name: "cpu" }, options))
    expect(
      (await failure(Effect.scoped(open({ ...cpu, version: "1.0.0" }, { cacheDir, threads: 2 })))).message
    ).toContain("1.0.0")
  })

  test("memory that is not there is a typed error before anything is allocated", async () => {
    const engine = await run(
      Effect.scoped(Effect.flatMap(identify(defaultEngineParams, options), (id) => open(id, { cacheDir, threads: 2 })))
    )
    const shape = networkOf([conv(64), relu, pool, dense("classes")], { size: 4096, classes: 4 })
    const error = await failure(engine.program({ shape, optimizer: plainSgd, batchSize: 4096, mean, std }))
    expect(error).toBeInstanceOf(EngineOutOfMemory)
    expect(error.message).toMatch(/4096 x 4096 with batches of 4096 needs \d+ MB, but \d+ MB are free/u)
  })
})

describe("tensorflow", () => {
  const fake = (name: string, version: string, library: boolean) => {
    const folder = path.join(temporaryFolder(), "node_modules", name)
    fs.mkdirSync(library ? path.join(folder, "deps", "lib") : folder, { recursive: true })
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name, version }))
    return (wanted: string) => (wanted === name ? { name, version, folder } : undefined)
  }

  test("is found when a package with its library is installed, the GPU one first", async () => {
    const gpu = "@tensorflow/tfjs-node-gpu"
    expect((await run(findTensorflow(fake(gpu, "4.22.0", true)))).name).toBe(gpu)
    const plain = "@tensorflow/tfjs-node"
    expect((await run(findTensorflow(fake(plain, "4.21.0", true)))).version).toBe("4.21.0")
  })

  test("says what is missing", async () => {
    expect((await failure(findTensorflow(() => undefined))).toDo).toContain("npm install @tensorflow/tfjs-node")
    expect((await failure(findTensorflow(fake("@tensorflow/tfjs-node", "1.7.4", true)))).message).toContain("1.7.4")
    const error = await failure(findTensorflow(fake("@tensorflow/tfjs-node-gpu", "4.22.0", false)))
    expect(error.message).toContain("npm rebuild @tensorflow/tfjs-node-gpu")
  })

  test("explains a library that does not load", () => {
    const found = { name: "@tensorflow/tfjs-node-gpu", version: "4.22.0", folder: "" }
    const cuda = new Error("libcudart.so.11.0: cannot open shared object file: No such file or directory")
    expect(explainLoadFailure(found, cuda).toDo).toContain("CUDA")
    const library = new Error("libtensorflow.so.2: cannot open shared object file")
    expect(explainLoadFailure(found, library).toDo).toContain("npm rebuild")
  })

  test("packages are found from the project's folder", () => {
    expect(findPackage("@tensorflow/tfjs-core")?.version).toBe(tf.version_core)
    expect(findPackage("no-such-package-anywhere")).toBeUndefined()
  })
})

describe("webgpu", () => {
  test("the filter gradient as matrix products is the filter gradient", async () => {
    const core = await cpuTf()
    for (const padding of ["valid", "same"] as const) {
      const [block] = networkOf([conv(4, 3, padding), relu, pool, dense("classes")], { size: 7, classes: 2 }).blocks
      if (block?.kind !== "conv") throw new Error("no conv")
      const x = core.randomUniform([2, 7, 7, 3]) as tf.Tensor4D
      const dz = core.randomUniform([2, block.convSize, block.convSize, 4]) as tf.Tensor4D
      const attrs = {
        strides: [1, 1],
        pad: padding,
        dataFormat: "NHWC",
        dimRoundingMode: undefined,
        filterShape: [3, 3, 3, 4]
      }
      const expected = core.engine().runKernel("Conv2DBackpropFilter", { x, dy: dz }, attrs as never) as tf.Tensor
      const actual = Ops.filterGradientByProducts(core, block, x, dz)
      expect(relativeError(await actual.data(), await expected.data())).toBeLessThan(1e-5)
    }
  })

  test("the largest buffer of the seed network is the first convolution's output", () => {
    const shape = networkOf([conv(16), relu, pool, dense(512), relu, dense("classes")], { size: 224, classes: 18 })
    const bytes = largestBufferBytes({ shape, optimizer: plainSgd, batchSize: 32, mean, std })
    expect(bytes).toBe(4 * Math.max(32 * 222 * 222 * 16, 111 * 111 * 16 * 512))
  })
})

test("doctor has a row for every engine, and says how to get what is missing", async () => {
  const rows = await run(doctor({ cacheDir }))
  expect(rows.map((row) => row.name)).toEqual(["native", "tensorflow", "webgpu", "cpu"])
  for (const row of rows) expect(row.available || row.howToGet !== "").toBe(true)
})

describe.each(["native", "cpu", "webgpu", "tensorflow"] as const)("parity on %s", (name) => {
  test.each([
    [false, "crossEntropy"],
    [true, "crossEntropy"],
    [true, "sparsemax"]
  ] as const)("two steps and inference, batch normalization %s, loss %s", { timeout: 120_000 }, async (bn, loss) => {
    const identified = await Effect.runPromise(Effect.result(identify({ ...defaultEngineParams, name }, options)))
    // optional engines are tested where they are installed
    if (identified._tag === "Failure") return expect(["webgpu", "tensorflow"]).toContain(name)
    const engine = await run(Effect.scoped(open(identified.success, { cacheDir, threads: 2 })))
    const reference = await run(
      Effect.scoped(
        Effect.flatMap(identify({ ...defaultEngineParams, name: "cpu" }, options), (id) =>
          open(id, { cacheDir, threads: 2 })
        )
      )
    )
    const block = (filters: number) => [conv(filters), ...(bn ? [batchNorm] : []), relu, pool]
    const shape = networkOf([...block(5), ...block(9), dense(8), relu, dense("classes")], { size: 16, classes: 4 })
    const make = {
      shape,
      optimizer: { kind: "adam", learningRate: 1e-3, weightDecay: 1e-3 } as const,
      loss,
      batchSize: 3,
      mean,
      std
    }
    const outcomes = []
    for (const which of [reference, engine]) {
      const program = await run(which.program(make))
      fillRandom(program, shape, 2)
      const losses: Array<number> = []
      for (const step of [0, 1]) {
        const input = {
          pixels: randomPixels(3, shape, step),
          labels: randomLabels(3, 4, step),
          learningRate: 1e-3,
          dropoutMasks: new Map()
        }
        losses.push((await program.step(input)).loss)
      }
      const alive = marksFor(shape)
      const logits = await program.predict(randomPixels(3, shape, 5), 3, alive)
      const weights = await Promise.all(parametersOf(shape).map((p) => program.read("value", p)))
      outcomes.push({ alive, losses, logits: Array.from(logits), weights: weights.flatMap((w) => Array.from(w)) })
      program.dispose()
    }
    const [expected, actual] = outcomes
    expect(actual!.alive).toEqual(expected!.alive)
    expect(relativeError(actual!.losses, expected!.losses)).toBeLessThan(1e-5)
    expect(relativeError(actual!.logits, expected!.logits)).toBeLessThan(1e-4)
    expect(relativeError(actual!.weights, expected!.weights)).toBeLessThan(1e-3)
  })
})

test("networks that the native programs do not cover run on tfjs over oneDNN", { timeout: 60_000 }, async () => {
  const engine = await run(
    Effect.scoped(Effect.flatMap(identify(defaultEngineParams, options), (id) => open(id, { cacheDir, threads: 2 })))
  )
  const wide = { type: "conv", filters: 6, kernel: 33, stride: 1, padding: "same" } as const
  const shape = networkOf([wide, batchNorm, relu, { type: "maxPool", size: 3 }, dense("classes")], {
    size: 20,
    classes: 4
  })
  const make = { shape, optimizer: plainSgd, batchSize: 3, mean, std }
  const input = {
    pixels: randomPixels(3, shape, 1),
    labels: randomLabels(3, 4, 1),
    learningRate: 0.1,
    dropoutMasks: new Map()
  }
  const native = await run(engine.program(make))
  expect(native.notice).toContain("no kernels of its own for conv1, whose window is 33 x 33")
  fillRandom(native, shape, 2)
  const first = await native.step(input)
  const cpu = await run(
    (
      await run(
        Effect.scoped(
          Effect.flatMap(identify({ ...defaultEngineParams, name: "cpu" }, options), (id) =>
            open(id, { cacheDir, threads: 2 })
          )
        )
      )
    ).program(make)
  )
  fillRandom(cpu, shape, 2)
  const second = await cpu.step(input)
  expect(Math.abs(first.loss - second.loss)).toBeLessThan(1e-5)
  expect(relativeError(Object.values(first.gradientNorms), Object.values(second.gradientNorms))).toBeLessThan(1e-4)
})
