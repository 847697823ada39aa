/** What the disk promises of one call. */
import { statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

const sizeBytes = 64 * 1024 * 1024
const content = new Uint8Array(sizeBytes)

describe("a change that is interrupted has ended when the interruption returns", () => {
  it.each<readonly [string, (disk: Disk["Service"], from: string, to: string) => Effect.Effect<void, unknown>]>([
    ["copy", (disk, from, to) => disk.copy(from, to)],
    ["writePieces", (disk, _, to) => disk.writePieces(to, [content])]
  ])("%s", async (_name, change) => {
    const root = temporaryFolder()
    const from = path.join(root, "from")
    const to = path.join(root, "to")
    writeFileSync(from, content)
    const program = Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(change(yield* Disk, from, to))
      // It begins.
      yield* Effect.sleep(1)
      yield* Fiber.interrupt(fiber)
      return statSync(to, { throwIfNoEntry: false })?.size
    })
    expect(await Effect.runPromise(Effect.provide(program, Disk.layer))).toBe(sizeBytes)
  })
})
