/** A disk that is full when a stage writes: whichever write it is, the stage fails with a sentence, and nothing is a bug. */
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import sharp from "sharp"
import { expect, it } from "vitest"
import { defaultEngineParams, identify } from "../../engine/index.ts"
import { augment } from "../../stages/augment.ts"
import { compare } from "../../stages/compare.ts"
import { gradstats } from "../../stages/gradstats.ts"
import * as Random from "../../stages/lib/Random.ts"
import { logits } from "../../stages/logits.ts"
import { split } from "../../stages/split.ts"
import { train } from "../../stages/train.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { type RunOptions, runStage } from "./lib/runStage.ts"

const folder = temporaryFolder()
const at = (...names: ReadonlyArray<string>): string => path.join(folder, ...names)
const toolchainDir = path.resolve("node_modules/.cache/op-pipe-engine")
const engine = await Effect.runPromise(
  identify({ ...defaultEngineParams, name: "native" }, { cores: 2, cacheDir: toolchainDir, notify: () => {} })
)

const full = (method: string) =>
  PlatformError.systemError({ _tag: "WriteZero", module: "FileSystem", method, description: "no space left on device" })

/** A file system of which the write number `last`, from 1, and all after it find the disk full. `writes` counts them. */
const fullAfter = (last: number) => {
  let writes = 0
  const layer = Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      const counted = <A, E, R>(method: string, write: Effect.Effect<A, E, R>) =>
        Effect.suspend((): Effect.Effect<A, E | PlatformError.PlatformError, R> => {
          writes += 1
          return writes >= last ? Effect.fail(full(method)) : write
        })
      return FileSystem.FileSystem.of({
        ...fs,
        writeFile: (file, data, options) => counted("writeFile", fs.writeFile(file, data, options)),
        writeFileString: (file, data, options) => counted("writeFileString", fs.writeFileString(file, data, options)),
        open: (file, options) =>
          Effect.map(
            options?.flag === "r" ? fs.open(file, options) : counted("open", fs.open(file, options)),
            (handle) =>
              Object.assign(Object.create(handle) as FileSystem.File, {
                seek: handle.seek.bind(handle),
                read: handle.read.bind(handle),
                writeAll: (data: Uint8Array) => counted("writeAll", handle.writeAll(data))
              })
          )
      })
    })
  ).pipe(Layer.provideMerge(NodeServices.layer))
  return { layer, writes: () => writes }
}

type Module = Parameters<typeof runStage>[0]

/** Runs the stage as it is, then with the disk full from each of its writes on, and gives the outputs' paths. */
const check = async (stage: Module, options: Omit<RunOptions, "to">): Promise<Record<string, string>> => {
  const shared = { toolchain: { engine }, toolchainDir, ...options }
  const whole = fullAfter(Number.POSITIVE_INFINITY)
  const out = await Effect.runPromise(
    runStage(stage, { ...shared, to: at(stage.name) }).pipe(Effect.provide(whole.layer))
  )
  expect(whole.writes()).toBeGreaterThan(0)
  // the first writes and the last are of different kinds; of the many records between them a few are enough
  const count = whole.writes()
  const tried = new Set([1, 2, 3, 5, 8, 13, count - 9, count - 8, count - 7, count - 6, count - 5, count - 4])
  for (const last of [...tried, count - 3, count - 2, count - 1, count].filter((each) => each >= 1 && each <= count)) {
    const exit = await Effect.runPromiseExit(
      runStage(stage, { ...shared, to: at(`${stage.name}-${last}`) }).pipe(Effect.provide(fullAfter(last).layer))
    )
    const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
    expect(error?._tag, `${stage.name}, write ${last} of ${count}`).toBe("Fail")
    if (error?._tag !== "Fail") continue
    expect(["StageFailure", "ArtifactError"]).toContain((error.error as { readonly _tag: string })._tag)
    expect(Cause.pretty(Cause.fail(error.error))).toContain("no space left on device")
  }
  return out
}

it("fails every stage with a sentence, never as a bug", async () => {
  for (const [k, name] of ["dark", "bright", "mixed"].entries()) {
    for (let i = 0; i < 6; i++) {
      const random = Random.make(3, name, i)
      const small = Uint8Array.from({ length: 6 * 6 * 3 }, () => k * 60 + random.int(120))
      const image = sharp(small, { raw: { width: 6, height: 6, channels: 3 } })
      writeFiles(at("images"), { [path.join(name, `${i}.png`)]: await image.resize(30, 30).png().toBuffer() })
    }
  }
  const images = at("images")
  const { manifest } = await check(split, { inputs: { images } })
  const params = { size: 32, trainSize: 0, copies: 1 }
  const { index, shards } = await check(augment, { params, inputs: { images, manifest: manifest! } })
  const batches = { index: index!, shards: shards! }
  const one = await check(train, { params: { epochs: 1, batchSize: 8 }, inputs: batches })
  const histories = { bn: one["history"]!, nobn: one["history"]! }
  const networks = { bnNetwork: one["network"]!, nobnNetwork: one["network"]! }
  const { summary } = await check(gradstats, { inputs: histories })
  const weights = { bnWeights: one["weights"]!, nobnWeights: one["weights"]! }
  const answers = await check(logits, { inputs: { ...batches, ...networks, ...weights } })
  await check(compare, {
    params: { bootstrap: 100 },
    inputs: {
      ...batches,
      ...histories,
      ...networks,
      ...weights,
      manifest: manifest!,
      gradstats: summary!,
      logits: answers["logits"]!,
      seedLogits: answers["seedLogits"]!,
      penultimate: answers["penultimate"]!
    }
  })
}, 120_000)
