/** A document counts as steps read it: to the byte, but for its volatile fields. */
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"
import * as Document from "../../../core/pipeline/Document.ts"
import { newPlace } from "../../lib/place.ts"
import { temporaryFolder } from "../../lib/temporary.ts"
import { ran } from "../../regressions/support.ts"

const Rows = Artifact.json({ tag: "Rows/v1", path: "rows.json", schema: Schema.Unknown })
const Timed = Artifact.json({ tag: "Timed/v1", path: "timed.json", schema: Schema.Unknown, volatile: ["seconds"] })
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })

const pipeline = (document: string) => {
  const write = Stage.command({
    name: "write",
    command: `printf '%s' '${document}' > "$rows"`,
    inputs: {},
    output: { rows: Rows }
  })
  const read = Stage.command({
    name: "read",
    command: 'cat "$rows" > "$text"',
    inputs: { rows: Rows },
    output: { text: Text }
  })
  const written = Pipeline.step(write, { inputs: {} })
  return Pipeline.make({ name: "p", steps: [Pipeline.step(read, { inputs: { rows: written.out.rows } })] })
}

describe("a document (hermetic/02)", () => {
  it.live.each([
    ["the order of its keys", '{"cats": 3, "dogs": 5}', '{"dogs": 5, "cats": 3}'],
    ["a number beyond 2^53", '{"id": 12345678901234567890}', '{"id": 12345678901234567891}'],
    ["its layout", '[{"a": 1},\n{"a": 1.50}]', '[{"a": 1}, {"a": 1.5}]']
  ] as const)("counts with %s", ([, before, after]) =>
    Effect.promise(async () => {
      const place = newPlace()
      await ran(pipeline(before), place)
      expect((await ran(pipeline(after), place)).executed).toEqual(["write", "read"])
      expect(readFileSync(path.join(place.outputs, "read/text.txt"), "utf8")).toBe(after)
    })
  )

  it.live("counts without its volatile fields, as it is handed on without them", () =>
    Effect.gen(function* () {
      const digestOf = (text: string) => {
        const file = path.join(temporaryFolder(), "timed.json")
        writeFileSync(file, text)
        return Document.digest(Timed, file)
      }
      const [first, second] = [
        '{"a": 1, "seconds": 2, "b": {"seconds": 1}}',
        '{"seconds": 3, "a": 1, "b": {}}'
      ] as const
      expect(yield* digestOf(first)).toBe(yield* digestOf(second))
      expect(yield* digestOf('{"b": {}, "a": 1}')).not.toBe(yield* digestOf(second))
      const handed = Buffer.from(Document.handedOn(Timed, Buffer.from(first))).toString()
      expect(JSON.parse(handed)).toEqual({ a: 1, b: {} })
    }).pipe(Effect.provide(Disk.layer))
  )
})
