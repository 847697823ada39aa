/**
 * `npm run bench:images [-- --json] [--count 50000]`: how fast images are looked at and augmented.
 *
 * Scan: `split`'s look at every image (decode, thumbnail, fingerprint) against nothing but sharp decoding the same JPEG
 * files of 320 x 240 in full, in turns; and the peak memory for a tenth of the files and for all.
 * Augment: one original and one copy of each demo image at 224 x 224, against the same transforms by torchvision
 * (`apt-get install python3-torchvision`) in as many processes as there are cores. Left out where it is not installed.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layout from "../../cache/store/Layout.ts"
import { imageSize } from "../../demo/EmojiSet.ts"
import * as Addon from "../../engine/native/Addon.ts"
import { loadSharp } from "../../stages/lib/images/Sharp.ts"
import { engine } from "../../stages/lib/network/EngineToolchain.ts"
import type { Answer, Request } from "./measure.ts"

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const count = Number(argument("--count") ?? 50_000)
const distinct = Math.min(count, 2000)
const rounds = 3
const width = 320
const height = 240
const size = 224

const toolchainDir = Layout.make(".op-pipe").toolchain(engine.name)
await Effect.runPromise(Addon.build(Addon.locate(toolchainDir), console.error))
const root = fs.mkdtempSync(path.join(os.tmpdir(), "op-pipe-bench-"))
const scripts = import.meta.dirname

const measure = (request: Partial<Request>): Answer => {
  const input = JSON.stringify({
    root,
    workdir: path.join(root, "work"),
    copies: 0,
    size,
    side: imageSize,
    toolchainDir,
    ...request
  })
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(scripts, "measure.ts")], {
    input,
    encoding: "utf8",
    maxBuffer: 2 ** 26
  })
  if (stdout === "") throw new Error(stderr)
  return JSON.parse(stdout) as Answer
}

/** Photograph-like: smooth shapes under fine grain. Beyond the first so many, further names of the same files. */
const makePhotographs = async (): Promise<ReadonlyArray<string>> => {
  const sharp = await loadSharp()
  const files = Array.from({ length: count }, (_, i) => path.join(`c${i % 18}`, `${i}.jpg`))
  for (let k = 0; k < 18; k++) fs.mkdirSync(path.join(root, `c${k}`))
  for (const [i, file] of files.entries()) {
    const to = path.join(root, file)
    if (i >= distinct) {
      fs.linkSync(path.join(root, files[i % distinct]!), to)
      continue
    }
    const coarse = Uint8Array.from({ length: 12 * 9 * 3 }, (_, k) => (Math.imul(i * 977 + k, 2654435761) >>> 16) & 255)
    const smooth = await sharp(coarse, { raw: { width: 12, height: 9, channels: 3 } })
      .resize(width, height, { kernel: "cubic" })
      .raw()
      .toBuffer()
    for (let k = 0; k < smooth.length; k++) smooth[k] = smooth[k]! ^ (Math.imul(k + i, 40503) & 7)
    await sharp(smooth, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 85 })
      .toFile(to)
  }
  return files
}

const best = (values: ReadonlyArray<number>): number => Math.min(...values)

const scans = async () => {
  const files = await makePhotographs()
  const some = files.slice(0, Math.ceil(count / 10))
  const decoded: Array<number> = []
  const scanned: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    decoded.push(measure({ mode: "decode", files: some }).seconds)
    scanned.push(measure({ mode: "scan", files: some }).seconds)
  }
  const peakOfTenth = measure({ mode: "scan", files: some }).peakBytes
  const all = measure({ mode: "scan", files })
  const decodedPerSecond = some.length / best(decoded)
  const scannedPerSecond = some.length / best(scanned)
  return {
    images: count,
    decodedPerSecond,
    scannedPerSecond,
    ratio: scannedPerSecond / decodedPerSecond,
    allPerSecond: count / all.seconds,
    peakOfTenth,
    peakOfAll: all.peakBytes
  }
}

interface TorchAnswer {
  readonly torchvision: string
  readonly pillow: string
  readonly seconds: ReadonlyArray<number>
}

const torchvision = (files: ReadonlyArray<string>, folder: string): TorchAnswer | undefined => {
  const input = `${JSON.stringify({ files: files.map((file) => path.join(folder, file)), size, copies: 1, workers: os.availableParallelism(), rounds: 1 })}\n`
  const python = process.env["PYTHON"] ?? "/usr/bin/python3"
  const { stdout, status } = spawnSync(python, [path.join(scripts, "torch_augment.py")], { input, encoding: "utf8" })
  return status === 0 ? (JSON.parse(stdout) as TorchAnswer) : undefined
}

const augments = () => {
  const folder = path.join(root, "demo")
  const made = spawnSync(process.execPath, [path.join(scripts, "../../bin/op-pipe.cjs"), "data", "emoji", folder])
  if (made.status !== 0) throw new Error(String(made.stderr))
  const files = fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".png"))
    .sort()
    .filter((_, i) => i % 3 === 0)
  const ours: Array<number> = []
  const theirs: Array<TorchAnswer> = []
  for (let round = 0; round < rounds; round++) {
    ours.push(measure({ mode: "augment", root: folder, files, copies: 1 }).seconds)
    const answer = torchvision(files, folder)
    if (answer !== undefined) theirs.push(answer)
  }
  const images = 2 * files.length
  const perSecond = images / best(ours)
  const first = theirs[0]
  if (first === undefined) return { images, perSecond, torchvision: null }
  const torchPerSecond = images / best(theirs.flatMap(({ seconds }) => seconds))
  return {
    images,
    perSecond,
    torchvision: { version: first.torchvision, pillow: first.pillow, perSecond: torchPerSecond },
    ratio: perSecond / torchPerSecond
  }
}

try {
  const [scan, augment] = [await scans(), augments()]
  if (process.argv.includes("--json")) console.log(JSON.stringify({ scan, augment }))
  else {
    const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
    const rate = (perSecond: number): string => `${perSecond.toFixed(0)} images/s`
    console.log(
      `scan     ${rate(scan.scannedPerSecond)}; sharp alone ${rate(scan.decodedPerSecond)}; ratio ${scan.ratio.toFixed(2)}`
    )
    console.log(
      `         all ${scan.images}: ${rate(scan.allPerSecond)}; peak memory ${mb(scan.peakOfAll)}, of a tenth ${mb(scan.peakOfTenth)}`
    )
    const torch = augment.torchvision
    const beside =
      torch === null
        ? "torchvision is not there: apt-get install python3-torchvision"
        : `torchvision ${torch.version} ${rate(torch.perSecond)}; ratio ${(augment.perSecond / torch.perSecond).toFixed(2)}`
    console.log(`augment  ${rate(augment.perSecond)}; ${beside}`)
  }
} finally {
  fs.rmSync(root, { recursive: true, force: true })
}
