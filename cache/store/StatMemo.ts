/**
 * StatMemo: the digest of a file without reading it, while its stat says that it is the same.
 *
 * An entry is trusted when size, mtime, ctime and inode are unchanged *and* the file was already older than the clock's
 * tick when it was hashed (the racy rule: a change within the tick of the snapshot leaves the same stat). The memo is a
 * hint: lost or torn, everything is hashed again and nothing else happens.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Digest from "../identity/Digest.ts"
import { readRecord, writeHint } from "./Commit.ts"
import { Disk, type DiskError, type Stat } from "./Disk.ts"
import type { Layout } from "./Layout.ts"

/** Coarser than any kernel's clock tick (10 ms) and than the slack between two clocks of one machine. */
const tickNs = 50_000_000n

interface MemoEntry {
  readonly stamp: string
  readonly digest: Digest.Digest
}

export interface StatMemo {
  /** The digest of the file at `path` that had `stat` a moment ago, if that is enough to know it. */
  readonly known: (path: string, stat: Stat) => Digest.Digest | undefined
  /** The content digest of the regular file at `path`, which must be absolute. */
  readonly digest: (path: string, stat?: Stat) => Effect.Effect<Digest.Digest, DiskError, Disk>
  /** Drops what is known of `path`, so that it is read next time. */
  readonly forget: (path: string) => void
  /** How many files were read since the start. */
  readonly filesRead: () => number
  /** Writes the memo, if anything is new. */
  readonly flush: Effect.Effect<void, DiskError, Disk>
}

const stampOf = (stat: Stat): string => `${stat.sizeBytes} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.inode}`

const isRacy = (stat: Stat, nowNs: bigint): boolean =>
  (stat.mtimeNs > stat.ctimeNs ? stat.mtimeNs : stat.ctimeNs) + tickNs >= nowNs

const parseMemo = (body: string): Map<string, MemoEntry> => {
  const entries = new Map<string, MemoEntry>()
  for (const line of body.split("\n")) {
    if (line.length === 0) continue
    // digest SPACE size SPACE mtime SPACE ctime SPACE inode TAB path-as-JSON
    const tab = line.indexOf("\t")
    const digest = line.slice(0, 64) as Digest.Digest
    entries.set(JSON.parse(line.slice(tab + 1)) as string, { digest, stamp: line.slice(65, tab) })
  }
  return entries
}

/** Loads the memo called `name`. */
export const load = Effect.fnUntraced(function* (layout: Layout, name: string) {
  const disk = yield* Disk
  const body = yield* readRecord(layout.memo(name))
  const entries = Option.match(body, { onNone: () => new Map<string, MemoEntry>(), onSome: parseMemo })
  let dirty = false
  let filesRead = 0

  const known: StatMemo["known"] = (path, stat) => {
    const entry = entries.get(path)
    return entry !== undefined && entry.stamp === stampOf(stat) ? entry.digest : undefined
  }

  const digest: StatMemo["digest"] = Effect.fnUntraced(function* (path: string, found?: Stat) {
    const stat = found ?? (yield* disk.lstat(path))
    const remembered = known(path, stat)
    if (remembered !== undefined) return remembered
    const startedNs = BigInt(Date.now()) * 1_000_000n
    filesRead++
    const hashed = yield* disk.hash(path)
    if (!isRacy(stat, startedNs)) {
      entries.set(path, { stamp: stampOf(stat), digest: hashed.digest })
      dirty = true
    } else if (entries.delete(path)) dirty = true
    return hashed.digest
  })

  const flush = Effect.suspend(() => {
    if (!dirty) return Effect.void
    dirty = false
    const lines = Array.from(entries, ([path, entry]) => `${entry.digest} ${entry.stamp}\t${JSON.stringify(path)}\n`)
    return writeHint(layout, layout.memo(name), lines.join(""))
  })

  const memo: StatMemo = {
    known,
    digest,
    forget: (path) => {
      if (entries.delete(path)) dirty = true
    },
    filesRead: () => filesRead,
    flush
  }
  return memo
})
