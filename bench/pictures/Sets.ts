/**
 * Sets of images of three kinds: drawings of one thing by many artists (the demo set), sprites of a game (most are frames
 * of animations) and garments (all of one kind are alike).
 *
 * Sprites and garments come from Debian: `wesnoth-1.16-data` (GPL-2+) and `dataset-fashion-mnist` (MIT), by
 * `apt-get download`, which needs no root.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { gunzipSync } from "node:zlib"
import { loadSharp } from "../../stages/lib/images/Sharp.ts"

const root = path.join(import.meta.dirname, "../..")

const execute = (command: string, args: ReadonlyArray<string>, cwd: string): void => {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`)
}

/** The content of a Debian package, below `folder`. */
const fromDebian = (name: string, folder: string): string => {
  const at = path.join(folder, name)
  if (fs.existsSync(at)) return at
  execute("apt-get", ["download", "-qq", name], folder)
  const archive = fs.readdirSync(folder).find((file) => file.startsWith(`${name}_`))!
  execute("dpkg-deb", ["-x", archive, `${name}.part`], folder)
  fs.renameSync(`${at}.part`, at)
  return at
}

const drawings = (folder: string): Promise<string> => {
  const at = path.join(folder, "drawings")
  if (!fs.existsSync(at)) execute(process.execPath, [path.join(root, "bin/op-pipe.cjs"), "data", "emoji", at], root)
  return Promise.resolve(at)
}

/** Classes with so few images are left out: a class needs images for each split. */
const leastSprites = 21

const sprites = (folder: string): Promise<string> => {
  const at = path.join(folder, "sprites")
  if (fs.existsSync(at)) return Promise.resolve(at)
  const units = path.join(
    fromDebian("wesnoth-1.16-data", folder),
    "usr/share/games/wesnoth/1.16/data/core/images/units"
  )
  fs.cpSync(units, `${at}.part`, { recursive: true })
  for (const name of fs.readdirSync(`${at}.part`)) {
    const one = path.join(`${at}.part`, name)
    if (!fs.statSync(one).isDirectory() || fs.readdirSync(one, { recursive: true }).length < leastSprites)
      fs.rmSync(one, { recursive: true })
  }
  fs.renameSync(`${at}.part`, at)
  return Promise.resolve(at)
}

const garmentSide = 28

const garments = async (folder: string): Promise<string> => {
  const at = path.join(folder, "garments")
  if (fs.existsSync(at)) return at
  const from = path.join(fromDebian("dataset-fashion-mnist", folder), "usr/share/datasets/fashion-mnist")
  const levels = gunzipSync(fs.readFileSync(path.join(from, "train-images-idx3-ubyte.gz"))).subarray(16)
  const labels = gunzipSync(fs.readFileSync(path.join(from, "train-labels-idx1-ubyte.gz"))).subarray(8)
  const sharp = await loadSharp()
  for (let k = 0; k < 10; k++) fs.mkdirSync(path.join(`${at}.part`, `c${k}`), { recursive: true })
  const raw = { width: garmentSide, height: garmentSide, channels: 1 } as const
  const save = (i: number): Promise<unknown> => {
    const image = levels.subarray(i * garmentSide ** 2, (i + 1) * garmentSide ** 2)
    const file = path.join(`${at}.part`, `c${labels[i]}`, `${String(i).padStart(5, "0")}.png`)
    return sharp(image, { raw }).png({ compressionLevel: 1 }).toFile(file)
  }
  for (let i = 0; i < labels.length; i += 100) {
    await Promise.all(Array.from({ length: Math.min(100, labels.length - i) }, (_, k) => save(i + k)))
  }
  fs.renameSync(`${at}.part`, at)
  return at
}

/** Each makes its set below a folder, once, and gives the set's own folder. */
export const sets: Readonly<Record<string, (folder: string) => Promise<string>>> = { drawings, sprites, garments }
