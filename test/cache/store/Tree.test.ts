import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
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
  yield* Tree.source(root, first, { ignore })
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
      const found = yield* Tree.source(root, memo, { ignore })
      expect(found.digest).toBe(Tree.digest(oracle))
      expect(yield* found.tree).toEqual(oracle)
      // and once more, when the edit is old enough to be remembered
      yield* older
      yield* Tree.source(root, memo, { ignore })
      yield* memo.flush
      const later = yield* StatMemo.load(layout, "stat")
      const again = yield* Tree.source(root, later, { ignore })
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
      // as young as can be, however long the look takes
      utimesSync(`${root}/0.txt`, new Date(Date.now() + 60_000), new Date(Date.now() + 60_000))
      yield* Tree.source(root, memo, { ignore })
      expect(memo.tree(root)).toBeUndefined()
      utimesSync(`${root}/0.txt`, new Date(), new Date())
      yield* older
      const { digest } = yield* Tree.source(root, memo, { ignore })
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

  it("has one stat digest as long as it is untouched, and no longer", () => {
    const figures = ["sizeBytes", "mtimeMs", "ctimeMs", "inode"] as const
    const figure = fc.constantFrom(0, 1, 0.5, 1e12)
    const stat = (kind: "file" | "folder") =>
      fc.record({
        kind: fc.constant(kind),
        sizeBytes: figure,
        mode: fc.constant(0o644),
        mtimeMs: figure,
        ctimeMs: figure,
        inode: figure,
        device: fc.constant(0)
      })
    // Names of which some, put together, are as others put together.
    const name = fc.constantFrom("a", "b", "afile", "afolder", "file")
    const child = fc.oneof(
      fc.record({ name, kind: fc.constant("file" as const), stat: stat("file") }),
      fc.record({ name, kind: fc.constant("folder" as const), stat: stat("folder") }),
      fc.record({ name, kind: fc.constant("link" as const), stat: fc.constant(undefined) })
    )
    const below = fc.record({
      folder: fc.constantFrom("a", "b", "a/b", "file/a"),
      stat: stat("folder"),
      children: fc.array(child, { maxLength: 3 })
    })
    const top = fc.record({
      folder: fc.constant(""),
      stat: stat("folder"),
      children: fc.array(child, { maxLength: 3 })
    })
    const seen = fc.tuple(top, fc.array(below, { maxLength: 3 })).map(([first, rest]) => [first, ...rest])
    const looks = fc.oneof(
      fc.tuple(seen, seen),
      seen.map((each) => [each, structuredClone(each)] as const),
      // The same but for one thing, or for where one thing stands.
      fc.tuple(seen, fc.nat(3), fc.nat(3), child).map(([before, at, position, other]) => {
        const now = structuredClone(before)
        now[at % now.length]!.children.splice(position, 1, other)
        return [before, now] as const
      }),
      fc.tuple(seen, fc.nat(3), below).map(([before, at, other]) => {
        const now = structuredClone(before)
        Object.assign(now[at % now.length]!, at === 0 ? { stat: other.stat } : { folder: other.folder })
        return [before, now] as const
      }),
      fc
        .tuple(seen, fc.nat(3), fc.nat(3), fc.constantFrom(...figures), figure)
        .map(([before, at, position, of, to]) => {
          const now = structuredClone(before)
          const { stat, children } = now[at % now.length]!
          Object.assign(children[position]?.stat ?? stat, { [of]: to })
          return [before, now] as const
        }),
      fc.tuple(seen, fc.nat(3), fc.nat(3)).map(([before, at, to]) => {
        const now = structuredClone(before)
        const [moved] = now[at % now.length]!.children.splice(0, 1)
        if (moved !== undefined) now[to % now.length]!.children.push(moved)
        return [before, now] as const
      })
    )
    const tree = (listings: Tree.SourceTree["seen"]): Tree.SourceTree => ({
      digest: Digest.ofText("x"),
      tree: Effect.succeed([]),
      seen: listings,
      ignored: [],
      links: [],
      real: "/"
    })
    let untouched = 0
    fc.assert(
      fc.property(looks, ([before, now]) => {
        const isSame = Tree.isUntouched(tree(before), tree(now))
        if (isSame) untouched++
        expect(Tree.statDigest(tree(before)) === Tree.statDigest(tree(now))).toBe(isSame)
      }),
      { numRuns: 2000 }
    )
    expect(untouched).toBeGreaterThan(200)
  })
})
