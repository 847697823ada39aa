/**
 * `npm run bench:pictures [-- --json] [--folder DIR] [--set NAME] [--most 50000]`: near-duplicates on three kinds of sets
 * (Sets), from 1,000 images to all that a set has, with copies planted among them (Plant).
 *
 * A row says how long the scan and the search took, which share of the planted copies is found, how many of them may end in
 * another split than their original, and how many images `drop` would leave out as copies of others though nobody planted
 * them. Those are written to DIR/NAME-pairs.txt, since only an eye can tell whether they are copies.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layout from "../../cache/store/Layout.ts"
import * as Addon from "../../engine/native/Addon.ts"
import { engine } from "../../stages/lib/network/EngineToolchain.ts"
import * as Random from "../../stages/lib/Random.ts"
import type { Answer, Request } from "./look.ts"
import { copyOf, kinds } from "./Plant.ts"
import { sets } from "./Sets.ts"

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const folder = path.resolve(argument("--folder") ?? path.join(os.tmpdir(), "op-pipe-pictures"))
const most = Number(argument("--most") ?? 50_000)
const chosen = argument("--set")
const json = process.argv.includes("--json")
fs.mkdirSync(folder, { recursive: true })
const toolchainDir = Layout.make(".op-pipe").toolchain(engine.name)
await Effect.runPromise(Addon.build(Addon.locate(toolchainDir), console.error))

/** One in so many images gets a copy. */
const plantEvery = 10

interface Row extends Omit<Answer, "pairs"> {
  readonly set: string
  readonly images: number
  readonly planted: number
}

const measure = async (set: string, root: string, files: ReadonlyArray<string>): Promise<Row> => {
  const plants = fs.mkdtempSync(path.join(folder, "planted-"))
  const classOf = (file: string): string => file.split(path.sep)[0]!
  const planted = await Promise.all(
    files
      .map((file, original) => ({ file, original }))
      .filter((_, i) => i % plantEvery === 0)
      .map(async ({ file, original }, k) => {
        const copy = path.join(plants, `${k}.png`)
        fs.writeFileSync(copy, await copyOf(fs.readFileSync(path.join(root, file)), file, k % kinds.length))
        return { path: path.relative(root, copy).split(path.sep).join("/"), class: classOf(file), original }
      })
  )
  const request: Request = {
    root,
    files: [...files.map((file) => ({ path: file.split(path.sep).join("/"), class: classOf(file) })), ...planted],
    planted: planted.map(({ original }, k) => [files.length + k, original] as const),
    workdir: path.join(plants, "work"),
    toolchainDir
  }
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(import.meta.dirname, "look.ts")], {
    input: JSON.stringify(request),
    encoding: "utf8",
    maxBuffer: 2 ** 28
  })
  fs.rmSync(plants, { recursive: true })
  if (stdout === "") throw new Error(stderr)
  const { pairs, ...answer } = JSON.parse(stdout) as Answer
  fs.writeFileSync(path.join(folder, `${set}-pairs.txt`), pairs.map((pair) => `${pair.join("\t")}\n`).join(""))
  return { set, images: request.files.length, planted: planted.length, ...answer }
}

const columns = ["set", "images", "scan s", "alike s", "memory MB", "recall", "apart", "not planted"]
const cells = (row: Row): ReadonlyArray<string> => [
  row.set,
  String(row.images),
  row.scanSeconds.toFixed(1),
  row.alikeSeconds.toFixed(1),
  (row.peakBytes / 1e6).toFixed(0),
  `${((100 * row.found) / row.planted).toFixed(1)} %`,
  String(row.apart),
  `${row.dropped} (${((100 * row.dropped) / (row.images - row.planted)).toFixed(2)} %)`
]
const widths = [10, 8, 8, 8, 10, 8, 6, 16]
const print = (row: ReadonlyArray<string>): void =>
  console.log(row.map((cell, i) => cell.padStart(widths[i]!)).join(""))

if (!json) print(columns)
for (const [set, make] of Object.entries(sets)) {
  if (chosen !== undefined && chosen !== set) continue
  const root = await make(folder)
  const all = fs
    .readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".png"))
    .sort()
  const limit = Math.min(all.length, most)
  const shuffled = Random.make(1, "which", set).shuffle(all)
  // each twice as large as the one before, and all of them
  const sizes = Array.from({ length: 7 }, (_, k) => 1000 * 2 ** k).filter((size) => size < limit)
  for (const size of [...sizes, limit]) {
    const row = await measure(set, root, shuffled.slice(0, size).sort())
    if (json) console.log(JSON.stringify(row))
    else print(cells(row))
  }
}
