/**
 * One look for near-duplicates, in a process of its own so that its peak memory is its own: reads one request (JSON on
 * standard input), answers with one line.
 */
import { readFileSync } from "node:fs"
import * as os from "node:os"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { leakageGroups } from "../../stages/lib/dataset/LeakageGroups.ts"
import { scan } from "../../stages/lib/dataset/Scan.ts"
import * as Aligner from "../../stages/lib/duplicates/Aligner.ts"
import { Components } from "../../stages/lib/duplicates/Components.ts"
import { findAlike } from "../../stages/lib/duplicates/NearDuplicates.ts"

export interface Request {
  readonly root: string
  readonly files: ReadonlyArray<{ readonly path: string; readonly class: string }>
  /** Planted copies: places in `files` of a copy and of its original. */
  readonly planted: ReadonlyArray<readonly [copy: number, original: number]>
  readonly workdir: string
  readonly toolchainDir: string
}

export interface Answer {
  readonly scanSeconds: number
  readonly alikeSeconds: number
  readonly peakBytes: number
  /** Planted copies that are told as such. */
  readonly found: number
  /** Planted copies that are in no group with their original, so that the two may end in two splits. */
  readonly apart: number
  /** Originals that `drop` would leave out as copies of other originals; files of the same pixels do not count. */
  readonly dropped: number
  /** Pairs of these, for the eye. */
  readonly pairs: ReadonlyArray<readonly [string, string]>
}

const cores = os.availableParallelism()
const request = JSON.parse(readFileSync(0, "utf8")) as Request

const look = Effect.gen(function* () {
  const { root, files, planted, workdir } = request
  const toolchainDir = () => request.toolchainDir
  const progress = () => Effect.void
  const startedMs = performance.now()
  const { scanned, thumbnails } = yield* scan({ root, files, pixelLimit: 1e8, cores, workdir, toolchainDir, progress })
  if (scanned.length < files.length) return yield* Effect.die("a file of the set is no image")
  const scannedMs = performance.now()
  const aligner = yield* Aligner.open(toolchainDir, cores)
  const alike = yield* findAlike({ items: scanned, thumbnails, aligner }, progress)
  const endedMs = performance.now()
  const parts = new Components(files.length)
  for (const [a, b] of alike.copies) parts.join(a, b)
  const { kept } = leakageGroups(scanned, alike, { duplicates: "group", groupBy: "" })
  const groups = new Map(kept.map(({ image, group }) => [image.at, group]))
  const copies = new Set(planted.map(([copy]) => copy))
  // what is left of each part once the planted copies are taken out of it
  const originals = parts
    .many()
    .map((part) => part.filter((i) => !copies.has(i)))
    .map((part) => [...new Map(part.map((i) => [scanned[i]!.fingerprint.digest, i])).values()])
    .filter((part) => part.length > 1)
  const answer: Answer = {
    scanSeconds: (scannedMs - startedMs) / 1000,
    alikeSeconds: (endedMs - scannedMs) / 1000,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    found: planted.filter(([copy, original]) => parts.find(copy) === parts.find(original)).length,
    apart: planted.filter(([copy, original]) => groups.get(copy) !== groups.get(original)).length,
    dropped: originals.reduce((sum, part) => sum + part.length - 1, 0),
    pairs: originals.flatMap(([first, ...others]) => others.map((i) => [files[first!]!.path, files[i]!.path] as const))
  }
  return answer
})

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)
console.log(JSON.stringify(await Effect.runPromise(Effect.scoped(Effect.provide(look, platform)))))
