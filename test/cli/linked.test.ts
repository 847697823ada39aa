/** Packages that are worked on beside a pipeline, as in a workspace: they keep their version, and what they hold is in the keys. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import { events, lastEvent, onceUnderWay, opPipe, repository } from "../lib/cli.ts"
import { makeProject, stageModule, valueModule } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const workspace = (): string => {
  const root = path.join(temporaryFolder(), "project")
  const work = `Effect.gen(function* () {
    yield* progress({ label: "wait", done: 0, total: 1, unit: "values" })
    yield* Effect.sleep(1000)
    yield* output.value.write(value)
  })`
  makeProject(root, undefined, {
    "value.ts": valueModule("Schema.Int"),
    "first.ts": `import { value } from "lib"\n${stageModule("first", "{}", work)}`,
    "pipeline.ts": `import { Pipeline } from "./core/index.ts"
import { first } from "./first.ts"
export default Pipeline.make({ name: "p", steps: [Pipeline.step(first, { inputs: {} })] })
`,
    "packages/lib/package.json": JSON.stringify({ name: "lib", version: "1.0.0", type: "module", exports: "./i.ts" }),
    "packages/lib/i.ts": `export { value } from "./value.ts"\n`,
    "packages/lib/value.ts": "export const value = 1\n"
  })
  rmSync(path.join(root, "node_modules"))
  mkdirSync(path.join(root, "node_modules"))
  for (const name of ["effect", "xxhash-wasm"]) {
    symlinkSync(path.join(repository, "node_modules", name), path.join(root, "node_modules", name))
  }
  symlinkSync("../packages/lib", path.join(root, "node_modules/lib"))
  return root
}

it("an edit of one reruns what imports it, and one that is made while a step runs is not taken for what the key says", async () => {
  const root = workspace()
  const file = path.join(root, "packages/lib/value.ts")
  const run = async () => {
    const finished = await opPipe(["run", "--json"], { cwd: root })
    expect(finished.code, finished.stdout + finished.stderr).toBe(0)
    const value: unknown = JSON.parse(readFileSync(path.join(root, "outputs/first/value.json"), "utf8"))
    return [lastEvent(finished).executed, value]
  }
  expect(await run()).toEqual([["first"], 1])
  expect(await run()).toEqual([[], 1])
  writeFileSync(file, "export const value = 2\n")
  expect(await run()).toEqual([["first"], 2])
  writeFileSync(file, "export const value = 3\n")
  const disturbed = await opPipe(["run", "--json"], {
    cwd: root,
    onOutput: onceUnderWay(() => writeFileSync(file, "export const value = 4\n"))
  })
  expect(events(disturbed).find((event) => event.type === "StepFailed")).toMatchObject({
    step: "first",
    reason: `${file} changed while the step ran, so its result was discarded. Run again`
  })
  expect(await run()).toEqual([["first"], 4])
})
