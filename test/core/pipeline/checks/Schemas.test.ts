/** Schemas of the user's that throw, instead of saying what does not fit. */
import { writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { Disk } from "../../../../cache/store/Disk.ts"
import { Artifact, Pipeline, Stage } from "../../../../core/index.ts"
import * as Document from "../../../../core/pipeline/Document.ts"
import * as Settings from "../../../../core/plan/Settings.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

const count = Schema.Int.check(
  Schema.makeFilter(() => {
    throw new RangeError("no such table")
  })
)

it("of parameters are the pipeline's fault", async () => {
  const params = Schema.Struct({ count })
  const stage = Stage.command({ name: "c", command: ":", params, inputs: {}, output: {} })
  const pipeline = Pipeline.make({ name: "p", steps: [Pipeline.step(stage, { inputs: {} })] })
  const exit = await Effect.runPromiseExit(Settings.resolve(pipeline, { set: ["c.count=3"] }))
  const found = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  expect(found).toMatchObject({
    name: "DeclarationError",
    message:
      "parameters of c: expected a Schema that decodes or says what does not fit, but found one that threw RangeError: no such table"
  })
})

it("of a document fail the step", async () => {
  const schema = Schema.Struct({ count })
  const Counts = Artifact.json({
    tag: "Counts/v1",
    path: "counts.json",
    schema: schema as Schema.Codec<unknown, unknown>
  })
  const file = path.join(temporaryFolder(), "counts.json")
  writeFileSync(file, '{"count": 3}')
  const failure = await Effect.runPromise(Effect.flip(Document.digest(Counts, file)).pipe(Effect.provide(Disk.layer)))
  expect(failure).toMatchObject({
    expected: "a Schema that decodes or says what does not fit",
    actual: expect.stringContaining("one that threw RangeError: no such table")
  })
})
