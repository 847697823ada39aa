import { readFileSync, truncateSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import * as TaskRun from "../../../core/executor/TaskRun.ts"
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

  it.effect.each([0, 5, 16, whole.length])("cut to %i bytes is none", (length) =>
    Effect.gen(function* () {
      const { file, checkpoint } = yield* saved
      truncateSync(file, length)
      expect(yield* checkpoint.load).toBeUndefined()
    }).pipe(Effect.provide(Disk.layer))
  )
})
