/** What a download does to the disk, in which order: a crash at any moment leaves a record only of what is all there. */
import { rmSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { expect, it } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import * as Gc from "../../../cache/store/Gc.ts"
import pipeline from "../../fixtures/letters/pipeline.ts"
import * as FaultyDisk from "../../lib/FaultyDisk.ts"
import { newPlace, placeIn } from "../../lib/place.ts"
import { contents, inStore, run } from "../../lib/runs.ts"
import { temporaryFolder } from "../../lib/temporary.ts"
import { ran, succeeded } from "../../regressions/support.ts"

/** A disk that tells of its calls. */
const telling = (log: Array<readonly [call: string, path: string]>): Layer.Layer<Disk> =>
  Layer.effect(
    Disk,
    Effect.map(Disk, (disk) =>
      Disk.of({
        ...disk,
        settle: (files) =>
          Effect.tap(disk.settle(files), () =>
            Effect.sync(() => log.push(...files.map(([file]) => ["settle", file] as const)))
          ),
        syncFile: (file) => Effect.tap(disk.syncFile(file), () => Effect.sync(() => log.push(["settle", file]))),
        syncFolder: (folder) =>
          Effect.tap(disk.syncFolder(folder), () => Effect.sync(() => log.push(["settle", folder]))),
        rename: (from, to) =>
          Effect.tap(disk.rename(from, to), () => Effect.sync(() => log.push(["from", from], ["rename", to])))
      })
    )
  ).pipe(Layer.provide(Disk.layer))

it("makes blobs durable, then their names, then the record", async () => {
  const folder = temporaryFolder()
  const remote = { settings: { url: `file://${folder}`, write: true } }
  const place = newPlace()
  await ran(pipeline, place, { remote })
  for (const name of ["store", "outputs"]) rmSync(path.join(path.dirname(place.data), name), { recursive: true })
  const log: Array<readonly [call: string, path: string]> = []
  expect((await ran(pipeline, place, { remote, disk: telling(log) })).executed).toEqual([])
  const renamed = Array.from(log.entries()).filter(([, [call, to]]) => call === "rename" && to.includes("/v1/blobs/"))
  expect(renamed.length).toBeGreaterThan(3)
  const firstRecord = log.findIndex(([call, to]) => call === "rename" && to.includes("/v1/results/"))
  expect(firstRecord).toBeGreaterThan(0)
  for (const [at, [, to]] of renamed) {
    const [, from] = log[at - 1]!
    expect(log.slice(0, at), to).toContainEqual(["settle", from])
    expect(log.slice(at), to).toContainEqual(["settle", path.dirname(to)])
  }
})

it("leaves nothing wrong when it is killed, at every fifth call", async () => {
  const remote = { settings: { url: `file://${temporaryFolder()}`, write: true } }
  const reading = { settings: { url: remote.settings.url } }
  const first = newPlace()
  await ran(pipeline, first, { remote })
  const expected = contents(first.outputs)
  const scratch = temporaryFolder()
  let crashes = 0
  for (let crashAt = 1; ; crashAt += 5) {
    const place = placeIn(path.join(scratch, String(crashAt)), first.data)
    const faulty = FaultyDisk.make(path.join(scratch, `kept-${crashAt}`), { crashAt, model: "killed" })
    const exit = await run(pipeline, place, { remote: reading, disk: faulty.layer })
    const after = await ran(pipeline, place)
    expect(after.failures, `call ${crashAt}`).toEqual([])
    expect(contents(place.outputs), `call ${crashAt}`).toEqual(expected)
    expect(succeeded(await inStore(place, Gc.verify)).damaged, `call ${crashAt}`).toEqual([])
    if (Exit.isSuccess(exit) && faulty.calls() < crashAt) break
    crashes++
  }
  expect(crashes).toBeGreaterThan(10)
})
