import { readFileSync, truncateSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import * as TaskRun from "../../../core/executor/TaskRun.ts"
import { Artifact, Stage } from "../../../core/index.ts"
import { linesOf } from "../../../core/pipeline/Declaration.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

const pieces = [new Uint8Array([1, 2, 3]), new Uint8Array(3_000_000).fill(7), new Uint8Array(0)]
const whole = Buffer.concat(pieces)

const saved = Effect.gen(function* () {
  const file = path.join(temporaryFolder(), "checkpoints/key")
  const checkpoint = yield* TaskRun.checkpointAt(file)
  expect(yield* checkpoint.load).toBeUndefined()
  yield* checkpoint.save(...pieces)
  return { file, checkpoint }
})

describe("a checkpoint", () => {
  it.effect("comes back as it was saved, and the last one wins", () =>
    Effect.gen(function* () {
      const { checkpoint } = yield* saved
      expect(whole.equals((yield* checkpoint.load)!)).toBe(true)
      yield* checkpoint.save(new Uint8Array([9]))
      expect(Array.from((yield* checkpoint.load)!)).toEqual([9])
    }).pipe(Effect.provide(Disk.layer))
  )

  it.effect("with a bit flipped anywhere is none", () =>
    Effect.gen(function* () {
      const { file, checkpoint } = yield* saved
      const bytes = readFileSync(file)
      for (const at of [0, 2, 3, 1_500_000, whole.length - 1, whole.length, bytes.length - 1]) {
        const flipped = Buffer.from(bytes)
        flipped[at]! ^= 1
        writeFileSync(file, flipped)
        expect(yield* checkpoint.load, String(at)).toBeUndefined()
      }
      writeFileSync(file, bytes)
      expect(yield* checkpoint.load).toBeDefined()
    }).pipe(Effect.provide(Disk.layer))
  )

  it.effect("of two that write it, as on a machine that was given up for lost, is whole at any time", () =>
    Effect.gen(function* () {
      const { file } = yield* saved
      const writers = yield* Effect.forEach([1, 2, 3, 4], () => TaskRun.checkpointAt(file))
      const save = (writer: Stage.Checkpoint, number: number) =>
        Effect.result(Effect.forEach([1, 2, 3], () => writer.save(new Uint8Array(4_000_000).fill(number))))
      const done = yield* Effect.forEach(writers, save, { concurrency: "unbounded" })
      expect(done.map(({ _tag }) => _tag)).toEqual(["Success", "Success", "Success", "Success"])
      const last = yield* writers[0]!.load
      expect(last?.length).toBe(4_000_000)
      expect(new Set(last).size).toBe(1)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.effect.each([0, 5, 16, whole.length])("cut to %i bytes is none", (length) =>
    Effect.gen(function* () {
      const { file, checkpoint } = yield* saved
      truncateSync(file, length)
      expect(yield* checkpoint.load).toBeUndefined()
    }).pipe(Effect.provide(Disk.layer))
  )
})

// use 05: a module that reads a variable when it is loaded wired three inputs, and its step's process saw two
it.effect("a stage that declares something else to the step's process than to the pipeline is refused", () =>
  Effect.gen(function* () {
    const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
    const declare = (names: ReadonlyArray<string>) =>
      Stage.make({
        name: "gather",
        source: import.meta.url,
        params: Schema.Struct({}),
        inputs: Object.fromEntries(names.map((name) => [name, Text])),
        output: {},
        run: () => Effect.void
      })
    const run = (wired: ReadonlyArray<string>, loaded: ReadonlyArray<string>) => {
      const work = { ...plain, source: import.meta.url, declared: linesOf(declare(wired)) }
      const load = () => Promise.resolve({ gather: declare(loaded) })
      return TaskRun.run({ ...task, work }, work, load, { progress: () => Effect.void, notice: () => Effect.void })
    }
    yield* run(["b", "a"], ["a", "b"])
    const refused = yield* Effect.result(run(["a", "b", "c"], ["a", "b"]))
    expect(Result.isFailure(refused) ? refused.failure.message : "not refused").toContain(
      "expected input c (file Text/v1, text.txt), but found nothing"
    )
  }).pipe(Effect.provide(Layer.mergeAll(Disk.layer, NodeFileSystem.layer, NodePath.layer)))
)

const plain = {
  ...{ type: "module" as const, stage: "gather", modules: [], packages: [], spawns: false },
  ...{ params: {}, toolchain: {}, toolchainsDir: "" }
}
const task = {
  ...{ step: "gather", inputs: {}, entries: {}, places: {}, absent: [], reached: [], ignored: [], project: "" },
  ...{ outputDir: "", log: "", workdir: "", checkpoint: "", cores: 1, gpus: null, passEnv: [], secrets: [] }
}
