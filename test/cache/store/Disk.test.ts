/** What the disk promises of one call. */
import { execFileSync } from "node:child_process"
import { statSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import { Disk, type DiskError } from "../../../cache/store/Disk.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

const sizeBytes = 64 * 1024 * 1024
const content = new Uint8Array(sizeBytes)

describe("a change that is interrupted has ended when the interruption returns", () => {
  it.each<readonly [string, (disk: Disk["Service"], from: string, to: string) => Effect.Effect<void, unknown>]>([
    ["copy", (disk, from, to) => disk.copy(from, to)],
    ["writePieces", (disk, _, to) => disk.writePieces(to, [content])]
  ])("%s", async (_name, change) => {
    const root = temporaryFolder()
    const from = path.join(root, "from")
    const to = path.join(root, "to")
    writeFileSync(from, content)
    const program = Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(change(yield* Disk, from, to))
      // It begins.
      yield* Effect.sleep(1)
      yield* Fiber.interrupt(fiber)
      return statSync(to, { throwIfNoEntry: false })?.size
    })
    expect(await Effect.runPromise(Effect.provide(program, Disk.layer))).toBe(sizeBytes)
  })
})

const fails = (ask: (disk: Disk["Service"]) => Effect.Effect<unknown, DiskError>): Promise<DiskError> =>
  Effect.runPromise(Effect.flip(Effect.flatMap(Disk, ask)).pipe(Effect.provide(Disk.layer)))

describe("what is no file", () => {
  it("is not read: a pipe has no end", async () => {
    const pipe = path.join(temporaryFolder(), "pipe")
    execFileSync("mkfifo", [pipe])
    for (const file of [pipe, "/dev/zero"]) {
      const errors = [
        await fails((disk) => disk.read(file)),
        await fails((disk) => disk.readText(file)),
        await fails((disk) => disk.hash(file)),
        await fails((disk) => disk.synchronously(file, (sync) => sync.text(file)))
      ]
      for (const { reason } of errors) expect(reason).toBe("expected a file, but found a pipe, socket or device")
    }
  })

  it("is no record of a store either: a pipe, a link to a device, a folder", async () => {
    const folder = temporaryFolder()
    const [pipe, link] = [path.join(folder, "pipe"), path.join(folder, "link")]
    execFileSync("mkfifo", [pipe])
    symlinkSync("/dev/zero", link)
    for (const file of [pipe, link, folder]) {
      const { reason } = await fails((disk) => disk.synchronously(file, (sync) => sync.record(file)))
      expect(reason).toMatch(/^expected a file, but found a/u)
    }
  })

  it("is a record where a link leads to one, and one may be empty", async () => {
    const folder = temporaryFolder()
    const [record, link, empty] = [path.join(folder, "record"), path.join(folder, "link"), path.join(folder, "empty")]
    writeFileSync(record, "text")
    writeFileSync(empty, "")
    symlinkSync(record, link)
    const texts = Effect.flatMap(Disk, (disk) =>
      disk.synchronously(folder, ({ record }) => [link, empty, path.join(folder, "none")].map(record))
    )
    expect(await Effect.runPromise(Effect.provide(texts, Disk.layer))).toEqual(["text", "", undefined])
  })

  // Node's own mkdir -p tries for ever where a file system says that the folder above is not there
  it("cannot be made where nothing can", async () => {
    expect((await fails((disk) => disk.makeFolder("/proc/x/y"))).code).toBe("ENOENT")
  })
})
