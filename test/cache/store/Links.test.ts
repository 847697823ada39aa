/** Links in a source: each counts as what it leads to. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import * as Layout from "../../../cache/store/Layout.ts"
import * as StatMemo from "../../../cache/store/StatMemo.ts"
import * as Tree from "../../../cache/store/Tree.ts"
import * as SourceLink from "../../../cache/store/tree/SourceLink.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const none = () => false

/** A source in `data`, and what lies beside it. */
const made = () => {
  const top = temporaryFolder()
  const root = path.join(top, "data")
  mkdirSync(root)
  writeFiles(top, { "lake/a.txt": "one", "lake/deep/b.txt": "two" })
  return { top, root }
}

const look = (root: string, links: "follow" | "keep" = "follow") =>
  Effect.gen(function* () {
    const memo = yield* StatMemo.load(Layout.make(path.join(root, "../store")), "stat")
    const found = yield* Tree.source(root, memo, { ignore: none, links })
    yield* memo.flush
    const outward = SourceLink.outward(found.real, found.links)
    return { ...found, outward, entries: (yield* found.tree).map(({ kind, path }) => `${kind} ${path}`) }
  }).pipe(Effect.provide(Disk.layer))

const older = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 80)))

describe("a link in a source", () => {
  it.live.each([
    ["a file", "lake/a.txt", "a.txt"],
    ["a folder", "lake", "lake"]
  ] as const)("to %s counts as what it leads to, and is remembered so (treeverse/dvc#1648, #10237)", ([, to, name]) =>
    Effect.gen(function* () {
      const { top, root } = made()
      const copy = path.join(top, "copy")
      const target = path.join(top, to)
      symlinkSync(target, path.join(root, name))
      yield* older
      const linked = yield* look(root)
      writeFiles(copy, to === "lake" ? { "lake/a.txt": "one", "lake/deep/b.txt": "two" } : { "a.txt": "one" })
      expect((yield* look(copy)).digest).toBe(linked.digest)
      expect(linked.outward.map(({ real }) => real)).toEqual([target])
      // the second look is the memo's
      expect((yield* look(root)).digest).toBe(linked.digest)
      writeFileSync(path.join(top, "lake/a.txt"), "ONE")
      const edited = yield* look(root)
      expect(edited.digest).not.toBe(linked.digest)
      expect(Tree.touched(linked, edited)).toEqual([to === "lake" ? "lake/a.txt" : "a.txt"])
    })
  )

  it.live("to a folder that it lies in, at any height, counts as itself", () =>
    Effect.gen(function* () {
      const { top, root } = made()
      writeFiles(root, { "a/x.txt": "x", "b/y.txt": "y" })
      symlinkSync("../b", path.join(root, "a/b"))
      symlinkSync("../a", path.join(root, "b/a"))
      symlinkSync("..", path.join(root, "a/root"))
      symlinkSync("../..", path.join(root, "a/top"))
      symlinkSync("/", path.join(root, "a/all"))
      symlinkSync(path.join(root, "a"), path.join(top, "lake/back"))
      symlinkSync("../lake", path.join(root, "lake"))
      const found = yield* Effect.exit(look(root))
      expect(found._tag).toBe("Success")
      const { entries } = yield* found
      expect(entries.filter((each) => each.startsWith("link"))).toEqual([
        "link a/all",
        "link a/b/a",
        "link a/root",
        "link a/top",
        "link b/a/all",
        "link b/a/b",
        "link b/a/root",
        "link b/a/top",
        "link lake/back/all",
        "link lake/back/b/a",
        "link lake/back/root",
        "link lake/back/top"
      ])
      expect(entries).toContain("file a/b/y.txt")
      expect(entries).toContain("file lake/back/b/y.txt")
    })
  )

  it.live("that leads nowhere counts as itself, and as a file once there is one", () =>
    Effect.gen(function* () {
      const { top, root } = made()
      symlinkSync("../later.txt", path.join(root, "l.txt"))
      symlinkSync("l2", path.join(root, "l2"))
      const before = yield* look(root)
      expect(before.entries).toEqual(["link l.txt", "link l2"])
      writeFileSync(path.join(top, "later.txt"), "now")
      rmSync(path.join(root, "l2"))
      const after = yield* look(root)
      expect(after.entries).toEqual(["file l.txt"])
      expect(Tree.isUntouched(before, after)).toBe(false)
    })
  )

  it.live("counts by its text where links are kept", () =>
    Effect.gen(function* () {
      const { top, root } = made()
      symlinkSync("../lake", path.join(root, "lake"))
      const before = yield* look(root, "keep")
      expect(before.entries).toEqual(["link lake"])
      expect(before.outward).toEqual([])
      writeFileSync(path.join(top, "lake/a.txt"), "ONE")
      expect((yield* look(root, "keep")).digest).toBe(before.digest)
    })
  )
})
