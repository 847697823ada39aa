/**
 * File systems that keep times otherwise, by loop mounts: in seconds (ext2 with inodes of 128 bytes), in two (FAT), as the
 * program says (exFAT), fixed (squashfs, erofs), in memory, in layers. An edit that keeps a file's size and puts its times back, at
 * any distance from the last run, is never served stale: not of a source, of a module, of an output.
 *
 * Needs root, and a kernel and tools for each; what is missing is told by the test that is skipped.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import { afterAll, describe, expect, it } from "vitest"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { type Place, placeIn } from "../lib/place.ts"
import { inStore } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { ran, succeeded, Texts } from "../regressions/support.ts"
import { full, timeoutMs } from "./series.ts"

const base = temporaryFolder()
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const mounted: Array<string> = []
// before the folder itself goes
afterAll(() => {
  for (const point of mounted.toReversed()) spawnSync("umount", ["-l", point])
  shell(`for image in ${base}/image-*; do losetup -j "$image" | cut -d: -f1 | xargs -r losetup -d; done`)
})

/** Runs a line of the shell; what it says if it fails. */
const shell = (line: string): string | undefined => {
  const { status, stderr, error } = spawnSync("sh", ["-c", line], {
    encoding: "utf8",
    env: { ...process.env, PATH: paths }
  })
  return status === 0 ? undefined : (stderr || String(error)).trim().split("\n")[0]
}
const paths = `${process.env["PATH"]}:/usr/sbin:/sbin`

interface FileSystem {
  readonly name: string
  readonly megabytes?: number
  /** Lines that make it in `$image` and mount it at `$point`; the first that works is enough. */
  readonly mount: ReadonlyArray<string>
}

const loop = "mount -o loop $image $point"
const fileSystems: ReadonlyArray<FileSystem> = [
  { name: "ext2 with inodes of 128 bytes", megabytes: 8, mount: [`mkfs.ext2 -q -I 128 $image && ${loop}`] },
  { name: "ext4", megabytes: 16, mount: [`mkfs.ext4 -q $image && ${loop}`] },
  { name: "xfs", megabytes: 320, mount: [`mkfs.xfs -q $image && ${loop}`] },
  { name: "btrfs", megabytes: 128, mount: [`mkfs.btrfs -q $image && ${loop}`] },
  { name: "vfat", megabytes: 8, mount: [`mkfs.vfat $image && ${loop}`] },
  {
    name: "exFAT",
    megabytes: 16,
    mount: [`mkfs.exfat $image && ${loop}`, "mkfs.exfat $image && mount.exfat-fuse $(losetup -f --show $image) $point"]
  },
  { name: "tmpfs", mount: ["mount -t tmpfs tmpfs $point"] },
  {
    name: "overlay",
    mount: [
      "mount -t tmpfs tmpfs $image && mkdir $image/lower $image/upper $image/work && " +
        "mount -t overlay -o lowerdir=$image/lower,upperdir=$image/upper,workdir=$image/work overlay $point"
    ]
  }
]

/** Mounts it below a folder of its own; the folder, or why it cannot be. */
const mount = ({ name, megabytes, mount }: FileSystem): { readonly point: string } | { readonly reason: string } => {
  if (process.getuid?.() !== 0) return { reason: "only root may mount" }
  const image = path.join(base, `image-${name}`).replaceAll(" ", "-")
  const point = path.join(base, name).replaceAll(" ", "-")
  mkdirSync(point)
  if (megabytes === undefined) mkdirSync(image)
  else {
    writeFileSync(image, "")
    truncateSync(image, megabytes * 2 ** 20)
  }
  const reasons: Array<string> = []
  for (const line of mount) {
    const reason = shell(`image=${image} point=${point}; { ${line}; } >/dev/null`)
    if (reason === undefined) {
      if (megabytes === undefined) mounted.push(image)
      mounted.push(point)
      return { point }
    }
    reasons.push(reason)
  }
  return { reason: reasons.join("; ") }
}

const reading = () => {
  const texts = Pipeline.source({ name: "texts", artifact: Texts })
  const command = 'cat "$src/a.txt" > "$text"'
  const stage = Stage.command({ name: "s", command, inputs: { src: Texts }, output: { text: Text } })
  return Pipeline.make({ name: "p", steps: [Pipeline.step(stage, { inputs: { src: texts.port } })] })
}

/** What a run leaves in the outputs. */
const run = async (place: Place, sandbox: Sandbox.Mode): Promise<string> => {
  expect((await ran(reading(), place, { sandbox })).failures).toEqual([])
  return readFileSync(path.join(place.outputs, "s/text.txt"), "utf8")
}

/** Writes as many bytes as before, and puts the times back, as far as the file system has them. */
const editUnseen = (file: string, text: string): void => {
  const { atime, mtime, size } = statSync(file)
  expect(text.length).toBe(size)
  writeFileSync(file, text)
  utimesSync(file, atime, mtime)
}

const codeOf = async (place: Place, file: string): Promise<string> => {
  const identify = Effect.gen(function* () {
    const identity = yield* CodeIdentity
    const { text } = yield* identity.of(pathToFileURL(file).href)
    yield* identity.flush
    return text
  })
  return succeeded(await inStore(place, identify))
}

/** Distances between a run and an edit: at once, past the clock's tick, past a second, past two. */
const distances = full ? [0, 20, 80, 400, 1000, 1100, 2000, 2300, 0, 2300] : [0, 80, 2300]
const sealed = Sandbox.availability().available ? (["require"] as const) : []
const modes: ReadonlyArray<Sandbox.Mode> = full ? [...sealed, "off"] : [sealed[0] ?? "off"]

/** Edits a source, a module and an output below `root`, each a while after a run. */
const editAll = async (root: string, sandbox: Sandbox.Mode): Promise<void> => {
  const place = placeIn(root, path.join(root, "texts"))
  const [file, module] = [path.join(place.data, "a.txt"), path.join(root, "s.ts")]
  writeFiles(root, { "package.json": "{}", "texts/a.txt": "0000", "s.ts": "export const value = 1000" })
  const codes = new Set([await codeOf(place, module)])
  expect(await run(place, sandbox)).toBe("0000")
  for (const [index, distance] of distances.entries()) {
    await setTimeout(distance)
    const text = String(1001 + index)
    editUnseen(file, text)
    editUnseen(module, `export const value = ${text}`)
    expect(await run(place, sandbox), `${distance} ms after a run`).toBe(text)
    codes.add(await codeOf(place, module))
    expect(codes.size, `${distance} ms after a run`).toBe(index + 2)
    if (distance > 1000 && !full) continue
    await setTimeout(distance)
    editUnseen(path.join(place.outputs, "s/text.txt"), "edit")
    expect(await run(place, sandbox), `of an output, ${distance} ms after a run`).toBe(text)
  }
}

describe("no edit goes unseen", () => {
  it.concurrent.for(fileSystems)("on $name", { timeout: timeoutMs }, async (fileSystem, { skip }) => {
    const found = mount(fileSystem)
    if ("reason" in found) return skip(found.reason)
    for (const sandbox of modes) await editAll(path.join(found.point, sandbox), sandbox)
  })
})

describe.each([
  ["squashfs", "mksquashfs $folder $image -all-time 0 -mkfs-time 0 -noappend -quiet -no-progress"],
  ["erofs", "mkfs.erofs -T0 --quiet $image $folder"]
])("an image of fixed times (%s)", (name, make) => {
  it(
    "is read anew where another was mounted (hermetic/10)",
    async (context) => {
      if (process.getuid?.() !== 0) return context.skip("only root may mount")
      const root = path.join(base, name)
      const place = placeIn(root, path.join(root, "texts"))
      mkdirSync(place.data, { recursive: true })
      for (const text of ["one", "two"]) {
        writeFiles(path.join(root, text), { "a.txt": text })
        const reason =
          shell(`image=${root}/${text}.image folder=${root}/${text}; ${make} >/dev/null`) ??
          shell(`mount -o loop,ro ${root}/${text}.image ${place.data}`)
        if (reason !== undefined) return context.skip(reason)
        mounted.push(place.data)
        expect(await run(place, "auto")).toBe(text)
        execFileSync("umount", [place.data])
        mounted.pop()
      }
      rmSync(place.store, { recursive: true })
    },
    timeoutMs
  )
})
