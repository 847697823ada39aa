/** Code that is edited while a run goes on, before it is loaded: what it makes is not what its key says. */
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const stage = (name: string, inputs: string, run: string): string => `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "./core/index.ts"
const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Int })
export const ${name} = Stage.make({
  name: "${name}",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: ${inputs},
  output: { value: Value },
  run: ({ inputs, output, progress }) => Effect.gen(function* () {
    ${run}
  })
})
`

it("is told, its result is discarded, and the next run takes it in", async () => {
  const root = path.join(temporaryFolder(), "project")
  const later = (factor: number): string =>
    stage("later", "{ value: Value }", `yield* output.value.write((yield* inputs.value.read) * ${factor})`)
  makeProject(root, undefined, {
    "first.ts": stage(
      "first",
      "{}",
      `yield* progress({ label: "wait", done: 0, total: 1, unit: "values" })
    yield* Effect.sleep(1500)
    yield* output.value.write(7)`
    ),
    "later.ts": later(2),
    "pipeline.ts": `import { Pipeline } from "./core/index.ts"
import { first } from "./first.ts"
import { later } from "./later.ts"
const one = Pipeline.step(first, { inputs: {} })
export default Pipeline.make({ name: "edited", steps: [Pipeline.step(later, { inputs: { value: one.out.value } })] })
`
  })
  const file = path.join(root, "later.ts")
  let edited = false
  const disturbed = await opPipe(["run", "--json"], {
    cwd: root,
    onOutput: (text) => {
      if (edited || !text.includes("StepProgress")) return
      edited = true
      writeFileSync(file, later(3))
    }
  })
  expect(disturbed.code, disturbed.stderr).toBe(2)
  expect(events(disturbed).find((event) => event.type === "StepFailed")).toMatchObject({
    step: "later",
    reason: `${file} changed while the step ran, so its result was discarded. Run again`
  })
  const next = await opPipe(["run", "--json"], { cwd: root })
  expect(lastEvent(next)).toMatchObject({ executed: ["later"], cached: ["first"] })
  expect(JSON.parse(readFileSync(path.join(root, "outputs/later/value.json"), "utf8"))).toBe(21)
})
