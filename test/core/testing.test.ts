/** `op-pipe/testing`: a stage run with given inputs. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { Artifact, Stage, Toolchain } from "../../core/index.ts"
import { runStage } from "../../core/testing.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const Words = Artifact.json({
  tag: "Words/v1",
  path: "words.json",
  schema: Schema.Struct({ words: Schema.Array(Schema.String), tookMs: Schema.optionalKey(Schema.Finite) }),
  volatile: ["tookMs"]
})
const Blob = Artifact.file({ tag: "Blob/v1", path: "blob.bin" })
const Texts = Artifact.folder({ tag: "Texts/v1", path: "texts" })
const tool = Toolchain.make({
  name: "tool",
  params: Schema.Struct({}),
  identity: Schema.Struct({ edge: Schema.String }),
  identify: () => Effect.succeed({ edge: "keen" }),
  cores: () => 1
})

const gather = Stage.make({
  name: "gather",
  source: import.meta.url,
  params: Schema.Struct({ times: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
  inputs: { words: Words, blob: Blob, texts: Texts, others: Artifact.many(Words) },
  output: { words: Words, blob: Blob, texts: Texts },
  toolchain: { tool },
  run: ({ params, inputs, output, toolchain, progress, notice, cores }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { words, tookMs } = yield* inputs.words.read
      const others = yield* Effect.forEach(inputs.others, (each) => each.read)
      const names = yield* Effect.orDie(fs.readDirectory(inputs.texts.path))
      yield* progress({ label: "gather", done: 1, total: 1, unit: "words" })
      yield* notice("one word was left out")
      const all = [...words, ...others.flatMap((each) => each.words), ...names, toolchain.tool.edge, String(tookMs)]
      yield* output.words.write({ words: Array.from({ length: params.times }, () => all).flat() })
      yield* output.blob.write((yield* inputs.blob.bytes).map((byte) => byte + cores))
      yield* Effect.orDie(fs.writeFileString(`${output.texts.path}/a.txt`, "a"))
    })
})

const inputs = {
  words: { value: { words: ["one"], tookMs: 5 } },
  blob: { bytes: new Uint8Array([1, 2]) },
  texts: { files: { "x.txt": "x" } },
  others: { b: { value: { words: ["three"] } }, a: { value: { words: ["two"] } } }
} as const

describe("runStage", () => {
  it.effect("gives a stage what it declares, and its outputs back", () =>
    Effect.gen(function* () {
      const options = { inputs, params: { times: 2 }, toolchain: { tool: { edge: "blunt" } }, cores: 3 }
      const { output, progress, notices } = yield* runStage(gather, options)
      const once = ["one", "two", "three", "x.txt", "blunt", "undefined"]
      expect(output.words.words).toEqual([...once, ...once])
      expect(Array.from(output.blob)).toEqual([4, 5])
      expect(existsSync(path.join(output.texts.path, "a.txt"))).toBe(true)
      expect(progress).toMatchObject([{ label: "gather", done: 1 }])
      expect(notices).toEqual(["one word was left out"])
    })
  )

  it("removes its folders when the scope closes", async () => {
    const options = { inputs, toolchain: { tool: { edge: "blunt" } } }
    const { output } = await Effect.runPromise(Effect.scoped(runStage(gather, options)))
    expect(existsSync(output.texts.path)).toBe(false)
  })

  it.effect("takes inputs from where they lie", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      mkdirSync(path.join(folder, "texts"))
      writeFileSync(path.join(folder, "texts/y.txt"), "y")
      const texts = { path: path.join(folder, "texts") }
      const options = { inputs: { ...inputs, texts }, toolchain: { tool: { edge: "blunt" } } }
      const { output } = yield* runStage(gather, options)
      expect(output.words.words).toContain("y.txt")
    })
  )

  it.effect("fails as the stage does, and for an output that was not written", () =>
    Effect.gen(function* () {
      const make = (run: Effect.Effect<void, Stage.StageFailure>) =>
        Stage.make({
          name: "f",
          source: import.meta.url,
          params: Schema.Struct({}),
          inputs: {},
          output: { words: Words },
          run: () => run
        })
      const failing = make(Effect.fail(new Stage.StageFailure({ reason: "no words" })))
      expect(yield* Effect.flip(runStage(failing, { inputs: {} }))).toMatchObject({ reason: "no words" })
      const lazy = make(Effect.void)
      expect(yield* Effect.flip(runStage(lazy, { inputs: {} }))).toMatchObject({ _tag: "ArtifactError" })
    })
  )

  it("does not compile with inputs of another type", () => {
    // @ts-expect-error a document is given as its value
    void (() => runStage(gather, { inputs: { ...inputs, words: { bytes: "x" } } }))
    // @ts-expect-error an input is missing
    void (() => runStage(gather, { inputs: { words: inputs.words } }))
  })
})
