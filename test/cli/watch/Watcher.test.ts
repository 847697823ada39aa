/** The watcher of folders: each way in which editors and people change files, and what does not count. */
import { mkdirSync, renameSync, rmSync, watch, writeFileSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import type { Places } from "../../../cli/watch/Places.ts"
import * as Watcher from "../../../cli/watch/Watcher.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

const closing: Array<() => void> = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const started = (root: string, places: Partial<Places>) => {
  let changed: Array<string> = []
  const limits: Array<number> = []
  const watcher = Watcher.make(
    (file) => changed.push(path.relative(root, file)),
    (folders) => limits.push(folders)
  )
  closing.push(watcher.close)
  watcher.set({ folders: [], files: [], seenMs: Date.now() + 1e6, ...places })
  /** What changed since the last look; waits for at least one. */
  const look = async (isSome = true): Promise<ReadonlyArray<string>> => {
    for (let rounds = 0; isSome && changed.length === 0 && rounds < 200; rounds++) await setTimeout(20)
    await setTimeout(100)
    const found = Array.from(new Set(changed)).sort()
    changed = []
    return found
  }
  return { watcher, look, limits }
}

const folderWith = (...names: ReadonlyArray<string>): string => {
  const root = temporaryFolder()
  for (const name of names) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), "1")
  }
  return root
}

describe("a file that counts", () => {
  it("is seen when it is written, replaced by a rename, removed and made again, and no other is", async () => {
    const root = folderWith("code.ts", "other.ts")
    const file = path.join(root, "code.ts")
    const { look } = started(root, { files: [file] })
    writeFileSync(path.join(root, "other.ts"), "2")
    expect(await look(false)).toEqual([])
    writeFileSync(file, "2")
    expect(await look()).toEqual(["code.ts"])
    writeFileSync(`${file}.new`, "3")
    renameSync(`${file}.new`, file)
    expect(await look()).toEqual(["code.ts"])
    writeFileSync(file, "4")
    expect(await look()).toEqual(["code.ts"])
    rmSync(file)
    expect(await look()).toEqual(["code.ts"])
    writeFileSync(file, "5")
    expect(await look()).toEqual(["code.ts"])
  })
})

describe("a folder that counts", () => {
  it("tells of new, changed and removed entries, and of what is in a new folder once that is watched", async () => {
    const root = folderWith("data/a.txt")
    const data = path.join(root, "data")
    const { look, watcher } = started(root, { folders: [data] })
    writeFileSync(path.join(data, "b.txt"), "")
    expect(await look()).toEqual(["data/b.txt"])
    const seenMs = Date.now() - 1000
    mkdirSync(path.join(data, "new"))
    expect(await look()).toEqual(["data/new"])
    writeFileSync(path.join(data, "new/c.txt"), "")
    watcher.set({ folders: [data, path.join(data, "new")], files: [], seenMs })
    expect(await look()).toContain("data/new/c.txt")
    writeFileSync(path.join(data, "new/c.txt"), "2")
    expect(await look()).toEqual(["data/new/c.txt"])
  })

  it("is watched when it is another one of the same name", async () => {
    const root = folderWith("data/a.txt")
    const data = path.join(root, "data")
    const places = { folders: [data], files: [data], seenMs: Date.now() + 1e6 }
    const { look, watcher } = started(root, places)
    rmSync(data, { recursive: true })
    expect(await look()).toContain("data")
    mkdirSync(data)
    await look()
    watcher.set(places)
    writeFileSync(path.join(data, "b.txt"), "")
    expect(await look()).toEqual(["data/b.txt"])
  })

  it("is not watched any more when it does not count any more", async () => {
    const root = folderWith("data/a.txt", "code.ts")
    const { look, watcher } = started(root, { folders: [path.join(root, "data")] })
    watcher.set({ folders: [], files: [path.join(root, "code.ts")], seenMs: Date.now() + 1e6 })
    writeFileSync(path.join(root, "data/a.txt"), "2")
    expect(await look(false)).toEqual([])
  })
})

describe("where it is unknown what counts", () => {
  it("everything that people edit does, and nothing that tools write", async () => {
    const root = folderWith("src/in/a.ts", "node_modules/x/a.js", "outputs/s/a.txt", ".git/index")
    const { look, watcher } = started(root, {})
    watcher.widen(root)
    for (const name of ["node_modules/x/a.js", "outputs/s/a.txt", ".git/index"])
      writeFileSync(path.join(root, name), "2")
    expect(await look(false)).toEqual([])
    writeFileSync(path.join(root, "src/in/a.ts"), "2")
    expect(await look()).toEqual(["src/in/a.ts"])
  })
})

describe("where the system allows no more", () => {
  it("says how many folders are left out, and watches the others", () => {
    const root = folderWith("a/x", "b/x", "c/x")
    const folders = ["a", "b", "c"].map((name) => path.join(root, name))
    const left: Array<number> = []
    const watcher = Watcher.make(
      () => undefined,
      (count) => left.push(count),
      (folder, listener) => {
        if (folder !== folders[0]) throw Object.assign(new Error("no space"), { code: "ENOSPC" })
        return watch(folder, listener)
      }
    )
    closing.push(watcher.close)
    watcher.set({ folders, files: [], seenMs: 0 })
    expect(left).toEqual([2])
  })
})
