/** `op-pipe/run`: a pipeline run from a program. */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"
import { type RunEvent, run } from "../../../core/run/index.ts"
import pipeline, { counted, listed } from "../../fixtures/letters/pipeline.ts"
import { letterSteps, newPlace } from "../../lib/place.ts"

describe("a run from a program", () => {
  it.live("gives typed values, and has them cached the second time", () =>
    Effect.gen(function* () {
      const { store, outputs, data } = newPlace()
      const options = { store, outputs, sources: { texts: data } }
      const events: Array<RunEvent> = []
      // each takes its time, and is heard out before the run ends
      const onEvent = (event: RunEvent) =>
        Effect.andThen(
          Effect.sleep("2 millis"),
          Effect.sync(() => void events.push(event))
        )
      const first = yield* run(pipeline, { ...options, onEvent })
      expect(first).toMatchObject({ executed: letterSteps, cached: [] })
      expect(events[0]).toMatchObject({ type: "RunStarted", runId: first.runId })
      expect(events.at(-1)).toMatchObject({ type: "RunFinished" })
      const read: ReadonlyArray<string> = yield* first.read(listed.out.words)
      expect(read.length).toBeGreaterThan(0)
      const second = yield* run(pipeline, options)
      expect(second).toMatchObject({ executed: [], cached: letterSteps })
      expect(yield* second.read(listed.out.words)).toEqual(read)
    })
  )

  it.live("gives a copy of a folder that lies in the store alone", () =>
    Effect.gen(function* () {
      const { store, outputs } = newPlace()
      const Kept = Artifact.folder({ tag: "Kept/v1", path: "kept", materialize: false })
      const command = 'mkdir "$kept/sub"; echo hi > "$kept/sub/x"'
      const make = Stage.command({ name: "make", command, inputs: {}, output: { kept: Kept } })
      const made = Pipeline.step(make, { inputs: {} })
      const pipeline = Pipeline.make({ name: "kept", steps: [made] })
      for (const _ of ["executed", "cached"]) {
        const result = yield* run(pipeline, { store, outputs })
        const both = yield* Effect.all([result.read(made.out.kept), result.read(made.out.kept)], { concurrency: 2 })
        expect(new Set(both.map(({ path }) => path)).size).toBe(1)
        expect(readFileSync(path.join(both[0].path, "sub/x"), "utf8")).toBe("hi\n")
        expect(existsSync(path.join(outputs, "make/kept"))).toBe(false)
      }
    })
  )

  it.live("tells what a step said that a user should know, each time", () =>
    Effect.gen(function* () {
      const { store, outputs, data } = newPlace()
      const events: Array<RunEvent> = []
      const onEvent = (event: RunEvent) => Effect.sync(() => void events.push(event))
      const options = { store, outputs, sources: { texts: data }, until: ["words"], onEvent }
      const said = () => events.splice(0).flatMap((event) => (event.type === "Notice" ? [event.text] : []))
      yield* run(pipeline, { ...options, set: ["words.fail=notice"] })
      expect(said()).toEqual(["words: the ink is low"])
      yield* run(pipeline, { ...options, set: ["words.fail=notice"] })
      expect(said()).toEqual(["words: the ink is low"])
      yield* run(pipeline, options)
      expect(said()).toEqual([])
    })
  )

  it.live("is about the steps that it names, under names and values that fit", () =>
    Effect.gen(function* () {
      const { store, outputs, data } = newPlace()
      const options = { store, outputs, sources: { texts: data } }
      const part = yield* run(pipeline, { ...options, until: ["words"] })
      expect(part.executed).toEqual(["words"])
      expect(yield* Effect.flip(part.read(counted.out.count))).toMatchObject({ _tag: "NoResult" })
      const wrong = yield* Effect.flip(run(pipeline, { ...options, only: ["nothing"] }))
      expect(wrong._tag).toBe("SettingsError")
      expect((yield* Effect.flip(run(pipeline, { ...options, set: ["words.nothing=1"] })))._tag).toBe("SettingsError")
    })
  )

  it.live("fails with the steps that failed", () =>
    Effect.gen(function* () {
      const { store, outputs, data } = newPlace()
      const failing = yield* Effect.flip(
        run(pipeline, { store, outputs, sources: { texts: data }, set: ["words.fail=stage"] })
      )
      expect(failing).toMatchObject({ _tag: "StepsFailed", failures: [{ step: "words", fault: "stage" }] })
      expect(failing.message).toBe("words: the ink ran out")
      const missing = { texts: path.join(data, "nowhere") }
      expect((yield* Effect.flip(run(pipeline, { store, outputs, sources: missing })))._tag).toBe("SettingsError")
    })
  )
})
