import { utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Digest from "../../../cache/identity/Digest.ts"
import { Disk, type Stat } from "../../../cache/store/Disk.ts"
import * as Layout from "../../../cache/store/Layout.ts"
import * as StatMemo from "../../../cache/store/StatMemo.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const setUp = () => {
  const root = temporaryFolder()
  writeFiles(root, { a: "one", b: "two" })
  return { file: path.join(root, "a"), layout: Layout.make(path.join(root, ".store")), root }
}

const older = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 80)))

describe("StatMemo", () => {
  it.live("reads an untouched file once, also in another process", () =>
    Effect.gen(function* () {
      const { file, layout } = setUp()
      yield* older
      const first = yield* StatMemo.load(layout, "stat")
      expect(yield* first.digest(file)).toBe(Digest.ofText("one"))
      yield* first.digest(file)
      expect(first.filesRead()).toBe(1)
      yield* first.flush
      const second = yield* StatMemo.load(layout, "stat")
      expect(yield* second.digest(file)).toBe(Digest.ofText("one"))
      expect(second.filesRead()).toBe(0)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("does not trust a file that was hashed in the tick in which it was written", () =>
    Effect.gen(function* () {
      const { file, layout } = setUp()
      // A file system with coarse times: content changes twice within one tick, and the stat stays as it was.
      const real = yield* Disk
      const nowMs = Date.now()
      const stat: Stat = {
        kind: "file",
        sizeBytes: 3,
        mode: 0o644,
        mtimeMs: nowMs,
        ctimeMs: nowMs,
        inode: 7,
        device: 0
      }
      let content = "abc"
      const coarse = Disk.of({
        ...real,
        stat: () => Effect.succeed(stat),
        hash: () => Effect.sync(() => ({ digest: Digest.ofText(content), sizeBytes: 3 }))
      })
      const memo = yield* Effect.provideService(StatMemo.load(layout, "stat"), Disk, coarse)
      const digest = memo.digest(file)
      expect(yield* digest).toBe(Digest.ofText("abc"))
      content = "abd"
      expect(yield* digest).toBe(Digest.ofText("abd"))
      // Once the file is older than the tick, its stat is enough.
      yield* older
      yield* digest
      content = "unseen, since a later write would change the stat"
      expect(yield* digest).toBe(Digest.ofText("abd"))
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("sees a change that keeps size and mtime", () =>
    Effect.gen(function* () {
      const { file, layout } = setUp()
      utimesSync(file, 1000, 1000)
      yield* older
      const memo = yield* StatMemo.load(layout, "stat")
      yield* memo.digest(file)
      writeFileSync(file, "eno")
      utimesSync(file, 1000, 1000)
      expect(yield* memo.digest(file)).toBe(Digest.ofText("eno"))
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("is a hint: damaged or torn, it is an empty one", () =>
    Effect.gen(function* () {
      const { file, layout } = setUp()
      yield* older
      const memo = yield* StatMemo.load(layout, "stat")
      yield* memo.digest(file)
      yield* memo.flush
      for (const damage of ["", "0123456789abcdef\n", "garbage"]) {
        writeFileSync(layout.memo("stat"), damage)
        const again = yield* StatMemo.load(layout, "stat")
        expect(yield* again.digest(file)).toBe(Digest.ofText("one"))
        expect(again.filesRead()).toBe(1)
      }
    }).pipe(Effect.provide(Disk.layer))
  )
})
