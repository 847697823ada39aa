/** What the worker of a killed run makes while the next run is already on: it is gone when that run ends. */
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync } from "node:fs"
import * as path from "node:path"
import * as Exit from "effect/Exit"
import { expect, it } from "vitest"
import { ownHost } from "../../cache/store/Sweep.ts"
import pipeline from "../fixtures/letters/pipeline.ts"
import { newPlace } from "../lib/place.ts"
import { run } from "../lib/runs.ts"

it("a folder of a process that is gone, made after the first sweep, does not outlive the run", async () => {
  const place = newPlace()
  const { pid } = spawnSync(process.execPath, ["--eval", "0"])
  const work = path.join(place.store, "v1/work")
  let made = 0
  const result = await run(pipeline, place, {
    onEvent: (event) => {
      if (event.type !== "StepStarted") return
      mkdirSync(path.join(work, `${ownHost}+${pid}+killed+${made++}/outputs`), {
        recursive: true
      })
    }
  })
  expect(Exit.isSuccess(result)).toBe(true)
  expect(made).toBeGreaterThan(1)
  expect(readdirSync(work)).toEqual([])
})
