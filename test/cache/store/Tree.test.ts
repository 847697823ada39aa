import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Digest from "../../../cache/identity/Digest.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import * as Layout from "../../../cache/store/Layout.ts"
import * as StatMemo from "../../../cache/store/StatMemo.ts"
import * as Tree from "../../../cache/store/Tree.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const ignore = (at: string): boolean => at === "ignored"
const older = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 80)))

/** A folder with a memo that knows it: written, read back, and trusted. */
const known = Effect.gen(function* () {
  const top = temporaryFolder()
  const root = path.join(top, "data")
  writeFiles(root, {
    "a.txt": "one",
    "b/c.txt": "two",
    "b/d.txt": "six",
    "b.txt": "ten",
    "e/f/g.txt": "sun",
    ignored: "?"
  })
  mkdirSync(path.join(root, "empty"))
  yield* older
  const layout = Layout.make(path.join(top, "store"))
  const first = yield* StatMemo.load(layout, "stat")
  yield* Tree.source(root, first, ignore)
  yield* first.flush
  const memo = yield* StatMemo.load(layout, "stat")
  return { top, root, layout, memo }
})

/** What there is, found out with nothing known. */
const afresh = (top: string, root: string) =>
  Effect.gen(function* () {
    const memo = yield* StatMemo.load(Layout.make(path.join(top, "none")), "stat")
    return yield* Tree.snapshot(root, memo, { ignore, of: "source" })
  })

const edits: ReadonlyArray<readonly [what: string, edit: (root: string) => void]> = [
  ["nothing", () => undefined],
  ["a file edited, size kept", (root) => writeFileSync(`${root}/b/c.txt`, "owt")],
  [
    "a file edited, size and mtime kept",
    (root) => {
      utimesSync(`${root}/a.txt`, 1000, 1000)
      writeFileSync(`${root}/a.txt`, "eno")
      utimesSync(`${root}/a.txt`, 1000, 1000)
    }
  ],
  ["a file touched", (root) => utimesSync(`${root}/a.txt`, 1000, 1000)],
  ["a file added", (root) => writeFileSync(`${root}/b/cc.txt`, "new")],
  ["a file removed", (root) => rmSync(`${root}/b/d.txt`)],
  ["the only file of a folder removed", (root) => rmSync(`${root}/e/f/g.txt`)],
  ["a folder added", (root) => mkdirSync(`${root}/b/z`)],
  ["an empty folder removed", (root) => rmSync(`${root}/empty`, { recursive: true })],
  ["a folder removed with what is in it", (root) => rmSync(`${root}/e`, { recursive: true })],
  ["a folder renamed", (root) => renameSync(`${root}/e`, `${root}/h`)],
  ["a file renamed", (root) => renameSync(`${root}/b/c.txt`, `${root}/b/e.txt`)],
  [
    "two files exchanged",
    (root) => {
      renameSync(`${root}/b/c.txt`, `${root}/x`)
      renameSync(`${root}/b/d.txt`, `${root}/b/c.txt`)
      renameSync(`${root}/x`, `${root}/b/d.txt`)
    }
  ],
  ["a link added", (root) => symlinkSync("../a.txt", `${root}/b/link`)],
  [
    "a file made a folder",
    (root) => {
      rmSync(`${root}/a.txt`)
      mkdirSync(`${root}/a.txt`)
    }
  ],
  ["what is ignored edited", (root) => writeFileSync(`${root}/ignored`, "!")]
]

describe("a source's tree", () => {
  it.live.each(edits)("is what a look at every file gives: %s", ([, edit]) =>
    Effect.gen(function* () {
      const { top, root, memo, layout } = yield* known
      expect(memo.tree(root)).toBeDefined()
      edit(root)
      const oracle = yield* afresh(top, root)
      const found = yield* Tree.source(root, memo, ignore)
      expect(found.digest).toBe(Tree.digest(oracle))
      expect(yield* found.tree).toEqual(oracle)
      // and once more, when the edit is old enough to be remembered
      yield* older
      yield* Tree.source(root, memo, ignore)
      yield* memo.flush
      const later = yield* StatMemo.load(layout, "stat")
      const again = yield* Tree.source(root, later, ignore)
      expect(again.digest).toBe(Tree.digest(oracle))
      expect(yield* again.tree).toEqual(oracle)
      expect(later.filesRead()).toBe(0)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("is remembered as a whole, also after files came and went", () =>
    Effect.gen(function* () {
      const { root, memo } = yield* known
      rmSync(`${root}/b/d.txt`)
      writeFileSync(`${root}/0.txt`, "new")
      yield* Tree.source(root, memo, ignore)
      expect(memo.tree(root)).toBeUndefined()
      yield* older
      const { digest } = yield* Tree.source(root, memo, ignore)
      expect(memo.tree(root)?.digest).toBe(digest)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.effect("has the digest of its canonical JSON", () =>
    Effect.sync(() => {
      const digest = Digest.ofText("x")
      const tree: Tree.Tree = [
        { kind: "file", path: 'a "quoted" \u2028 猫', digest, sizeBytes: 3, mode: 0o644 },
        { kind: "folder", path: "b" },
        { kind: "link", path: "c", target: "../\\", digest: null },
        { kind: "link", path: "d", target: "a", digest }
      ]
      expect(Tree.digest(tree)).toBe(Digest.ofJson("Tree/v1", tree))
    })
  )
})
