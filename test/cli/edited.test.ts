/** Code that is edited while a run goes on, before it is loaded: what it makes is not what its key says. */
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import { events, lastEvent, onceUnderWay, opPipe } from "../lib/cli.ts"
import { chainModule, makeProject, stageModule, valueModule } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

it("is told, its result is discarded, and the next run takes it in", async () => {
  const root = path.join(temporaryFolder(), "project")
  const later = (factor: number): string =>
    stageModule(
      "later",
      "{ value: Value }",
      `Effect.flatMap(inputs.value.read, (value) => output.value.write(value * ${factor}))`
    )
  makeProject(root, undefined, {
    "value.ts": valueModule("Schema.Int"),
    "first.ts": stageModule(
      "first",
      "{}",
      `Effect.gen(function* () {
    yield* progress({ label: "wait", done: 0, total: 1, unit: "values" })
    yield* Effect.sleep(1500)
    yield* output.value.write(7)
  })`
    ),
    "later.ts": later(2),
    "pipeline.ts": chainModule("first", "later")
  })
  const file = path.join(root, "later.ts")
  const disturbed = await opPipe(["run", "--json"], {
    cwd: root,
    onOutput: onceUnderWay(() => writeFileSync(file, later(3)))
  })
  expect(disturbed.code, disturbed.stderr).toBe(2)
  expect(events(disturbed).find((event) => event.type === "StepFailed")).toMatchObject({
    step: "later",
    reason: `${file} changed since the run began, so the step was not begun. Run again`
  })
  const next = await opPipe(["run", "--json"], { cwd: root })
  expect(lastEvent(next)).toMatchObject({ executed: ["later"], cached: ["first"] })
  expect(JSON.parse(readFileSync(path.join(root, "outputs/later/value.json"), "utf8"))).toBe(21)
})
