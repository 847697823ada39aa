/** Stats are believed only where they tell of every change: by file system, and of files that others may have mapped. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterEach, describe, expect } from "vitest"
import { keepsTimes } from "../../../cache/identity/FileStat.cjs"
import { Disk } from "../../../cache/store/Disk.ts"
import * as Layout from "../../../cache/store/Layout.ts"
import * as StatMemo from "../../../cache/store/StatMemo.ts"
import * as Tree from "../../../cache/store/Tree.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const older = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 80)))
const tmpfs = 0x01021994
const inMemory = "/dev/shm"
const typeOf = (folder: string): number | undefined => {
  try {
    return statfsSync(folder).type
  } catch {
    return undefined
  }
}
const deviceOf = (file: string): number => statSync(file).dev
const ordinary = [0xef53, 0x58465342, 0x9123683e, 0x794c7630]

/** Two looks at a folder of one file, by two processes; how many files the second one reads. */
const readAgain = (folder: string, rehash = false) =>
  Effect.gen(function* () {
    const layout = Layout.make(path.join(temporaryFolder(), "store"))
    writeFiles(folder, { "data/a.txt": "one" })
    yield* older
    const look = Effect.gen(function* () {
      const memo = yield* StatMemo.load(layout, "stat")
      const { digest } = yield* Tree.source(path.join(folder, "data"), memo, { ignore: () => false })
      yield* memo.flush
      return [memo.filesRead(), digest]
    })
    const [, first] = yield* look
    const [read, second] = yield* Effect.provideService(look, StatMemo.Rehash, rehash)
    expect(second).toBe(first)
    return read
  }).pipe(Effect.provide(Disk.layer))

describe("a stat", () => {
  afterEach(() => void delete process.env["OP_PIPE_TRUST_STAT"])

  it.live.skipIf(!ordinary.includes(typeOf(temporaryFolder()) ?? 0))("is believed on ordinary file systems", () =>
    Effect.gen(function* () {
      expect(yield* readAgain(temporaryFolder())).toBe(0)
      expect(yield* readAgain(temporaryFolder(), true)).toBe(1)
    })
  )

  it.live.skipIf(typeOf(inMemory) !== tmpfs)("is not believed of data in memory, unless asked otherwise", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(`${inMemory}/op-pipe-test-`)
      try {
        expect(yield* readAgain(folder)).toBe(1)
        // code is written by editors, which write
        expect(keepsTimes(folder, deviceOf(folder), false)).toBe(true)
        process.env["OP_PIPE_TRUST_STAT"] = "1"
        expect(yield* readAgain(folder)).toBe(0)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  )

  it.skipIf(process.platform !== "linux")("is not believed where a program makes it up", () => {
    expect(keepsTimes("/proc", deviceOf("/proc"), false)).toBe(false)
  })
})

/** Has a file mapped, as numpy.memmap does, and writes to it once at the start and once for each line that comes. */
const writer = `
import mmap, sys
f = open(sys.argv[1], "r+b")
m = mmap.mmap(f.fileno(), 0)
m[0:5] = b"AAAAA"
print("written", flush=True)
sys.stdin.readline()
m[0:5] = b"BBBBB"
print("written", flush=True)
sys.stdin.readline()
`

const canMap =
  process.platform === "linux" &&
  ["/usr/bin/python3", "/usr/local/bin/python3"].some((file) => typeOf(file) !== undefined)

describe.skipIf(!canMap)("a file that is written to through a mapping", () => {
  it.live.each([[1], [40]] as const)(
    "is seen to change, though its times did not at first (hermetic/08; %i files)",
    ([count]) =>
      Effect.gen(function* () {
        const root = temporaryFolder()
        const file = path.join(root, "0.bin")
        for (let at = 0; at < count; at++) writeFileSync(path.join(root, `${at}.bin`), "0".repeat(4096))
        yield* older
        const child = spawn("python3", ["-c", writer, file], { stdio: ["pipe", "pipe", "inherit"] })
        yield* Effect.promise(() => once(child.stdout, "data"))
        yield* older
        const memo = yield* StatMemo.load(Layout.make(path.join(temporaryFolder(), "store")), "stat")
        const look = Tree.source(root, memo, { ignore: () => false })
        const before = yield* look
        child.stdin.write("\n")
        yield* Effect.promise(() => once(child.stdout, "data"))
        expect((yield* look).digest).not.toBe(before.digest)
        child.stdin.end("\n")
        yield* Effect.promise(() => once(child, "exit"))
      }).pipe(Effect.provide(Disk.layer))
  )
})
