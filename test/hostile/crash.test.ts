/**
 * Every call by which a run changes the disk is a crash point. After a crash at any of them, under either model, a plain
 * run ends well with the outputs of a run that was never disturbed, and does again only what was in flight.
 */
import { rmSync } from "node:fs"
import * as path from "node:path"
import * as Exit from "effect/Exit"
import { describe, expect, it, vi } from "vitest"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import pipeline from "../fixtures/letters/pipeline.ts"
import * as FaultyDisk from "../lib/FaultyDisk.ts"
import { letterTexts, type Place, placeIn } from "../lib/place.ts"
import { contents, run } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"

const root = temporaryFolder()
writeFiles(root, letterTexts)
const data = path.join(root, "texts")
const place = (name: string): Place => placeIn(path.join(root, name), data)
const fresh = (name: string): Place => {
  rmSync(path.join(root, name), { recursive: true, force: true })
  return place(name)
}
/** All crash points by hand; every seventh in CI. */
const stride = full ? 1 : 7
if (full) vi.setConfig({ testTimeout: timeoutMs })

const undisturbed = async (set: ReadonlyArray<string>): Promise<Readonly<Record<string, string>>> => {
  const where = fresh("oracle")
  expect(Exit.isSuccess(await run(pipeline, where, { set }))).toBe(true)
  return contents(where.outputs)
}

const countCalls = async (where: Place, set: ReadonlyArray<string>): Promise<number> => {
  const disk = FaultyDisk.make(path.join(root, "scratch"), {})
  expect(Exit.isSuccess(await run(pipeline, where, { set, disk: disk.layer }))).toBe(true)
  return disk.calls()
}

const crashes = async (
  model: FaultyDisk.CrashModel,
  prepare: (where: Place) => Promise<void>,
  set: ReadonlyArray<string>
) => {
  const expected = await undisturbed(set)
  const probe = fresh("probe")
  await prepare(probe)
  // A time that is measured makes another blob each time, and its folder is made if it is not there: some calls more or less.
  const points = (await countCalls(probe, set)) + 6
  expect(points).toBeGreaterThan(20)
  let tried = 0
  for (const index of series(`crash points, ${model}`, Math.ceil(points / stride))) {
    const crashAt = 1 + index * stride
    const where = fresh("crash")
    await prepare(where)
    const scratch = path.join(root, "scratch")
    const disk = FaultyDisk.make(scratch, { crashAt, model })
    const finished: Array<string> = []
    const onEvent = (event: RunEvent): void => {
      if (event.type === "StepExecuted") finished.push(event.step)
    }
    const crashed = await run(pipeline, where, { set, disk: disk.layer, onEvent })
    if (Exit.isSuccess(crashed)) {
      expect(disk.calls(), `no crash at ${crashAt}`).toBeLessThan(crashAt)
      continue
    }
    const after = await run(pipeline, where, { set })
    const point = `${model}, call ${crashAt}: ${disk.log[crashAt - 1]}`
    if (Exit.isFailure(after)) throw new Error(`${point}: ${JSON.stringify(after.cause)}`)
    expect(after.value.summary.failures, point).toEqual([])
    expect(contents(where.outputs), point).toEqual(expected)
    for (const step of finished)
      expect(after.value.summary.finished.executed, `${point}: ${step} was done`).not.toContain(step)
    const again = await run(pipeline, where, { set })
    expect(Exit.isSuccess(again) && again.value.summary.finished.executed, point).toEqual([])
    FaultyDisk.cleanUp(scratch)
    tried++
  }
  return tried
}

describe.each(["killed", "unsynced lost"] as const)("a crash (%s) at any call", (model) => {
  it("of a first run is healed by the next", async () => {
    expect(await crashes(model, async () => undefined, [])).toBeGreaterThan(5)
  })

  it("of a run over earlier results is healed by the next", async () => {
    const earlier = async (where: Place): Promise<void> => {
      expect(Exit.isSuccess(await run(pipeline, where))).toBe(true)
    }
    expect(await crashes(model, earlier, ["words.minimum=5"])).toBeGreaterThan(5)
  })
})
