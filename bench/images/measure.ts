/**
 * One side of `npm run bench:images`, in a process of its own so that its peak memory is its own: reads one request (a
 * line of JSON on standard input), answers with one line.
 */
import { readFileSync } from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { AugmentParams, preparationOf } from "../../schemas/Augment.ts"
import { scan } from "../../stages/lib/dataset/Scan.ts"
import { copyOf, decode, original } from "../../stages/lib/images/Augmentation.ts"
import * as Resampler from "../../stages/lib/images/Resampler.ts"
import { loadSharp } from "../../stages/lib/images/Sharp.ts"

/** `decode`: nothing but decoding every image in full, as the yardstick of `scan`. */
export interface Request {
  readonly mode: "decode" | "scan" | "augment"
  readonly root: string
  /** Relative to `root`, each below a folder that is its class. */
  readonly files: ReadonlyArray<string>
  readonly workdir: string
  readonly copies: number
  readonly size: number
  /** Where the native engine is built. */
  readonly toolchainDir: string
  /** Width and height of the files, for `augment`, which has them from the manifest. */
  readonly side: number
}

export interface Answer {
  readonly seconds: number
  readonly peakBytes: number
}

const cores = os.availableParallelism()
const atOnce = Math.max(2, cores * 3)

const decodeAll = ({ root, files }: Request) =>
  Effect.gen(function* () {
    const sharp = yield* Effect.promise(loadSharp)
    const one = (file: string) =>
      Effect.promise(() => sharp(path.join(root, file), { failOn: "error" }).toColourspace("srgb").raw().toBuffer())
    yield* Effect.forEach(files, one, { concurrency: atOnce, discard: true })
  })

const scanAll = ({ root, files, workdir, toolchainDir }: Request) =>
  Effect.scoped(
    scan({
      root,
      files: files.map((file) => ({ path: file, class: file.split("/")[0]! })),
      pixelLimit: 1e8,
      cores,
      workdir,
      toolchainDir: () => toolchainDir,
      progress: () => Effect.void
    })
  )

const augmentAll = ({ root, files, size, copies, side, toolchainDir }: Request) =>
  Effect.gen(function* () {
    const params = yield* Schema.decodeEffect(AugmentParams)({ size })
    const resampler = yield* Resampler.open(() => toolchainDir)
    const one = Effect.fnUntraced(function* (file: string) {
      const square = yield* decode(path.join(root, file), side, side, preparationOf(params, {}))
      const copied = Array.from({ length: copies }, (_, i) => copyOf(square, params, file, i + 1))
      yield* resampler.records(square, [original(square), ...copied], size)
    })
    yield* Effect.forEach(files, one, { concurrency: atOnce, discard: true })
  })

const request = JSON.parse(readFileSync(0, "utf8")) as Request
const work = { decode: decodeAll, scan: scanAll, augment: augmentAll }[request.mode]
// what is loaded, and the first of everything, is not what is measured
const run = (asked: Request): Promise<unknown> =>
  Effect.runPromise(
    Effect.provide(work(asked) as Effect.Effect<unknown, unknown>, Layer.mergeAll(NodeFileSystem.layer, NodePath.layer))
  )
await run({ ...request, files: request.files.slice(0, 64) })
const startedMs = performance.now()
await run(request)
const answer: Answer = {
  seconds: (performance.now() - startedMs) / 1000,
  peakBytes: process.resourceUsage().maxRSS * 1024
}
console.log(JSON.stringify(answer))
