/**
 * BlobStore: bytes by their SHA-256, read-only, written whole or not at all.
 *
 * A blob's name is never proof of its content: `verified` returns the path of a blob only if its content still has its
 * digest (by the stat memo, so that an untouched blob is not read again). A damaged blob is removed and counts as
 * absent.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../identity/Digest.ts"
import * as Commit from "./Commit.ts"
import { Disk, type DiskError, orAbsent, type SyncDisk } from "./Disk.ts"
import type { Layout } from "./Layout.ts"
import type { StatMemo } from "./StatMemo.ts"

export interface BlobStore {
  /**
   * The path of a blob whose content was checked; none if it is absent or was damaged (then it is removed).
   */
  readonly verified: (digest: Digest.Digest) => Effect.Effect<Option.Option<string>, DiskError, Disk>
  /** Whether a blob is known to exist undamaged without reading it. If this is false, `verified` finds out. */
  readonly isKnown: (digest: Digest.Digest, sync: SyncDisk) => boolean
  /** Moves a finished file into the store. `known` is its digest, if the caller has it. */
  readonly take: (path: string, known?: Digest.Digest) => Effect.Effect<Digest.Digest, DiskError, Disk>
  /** Stores a small text. */
  readonly put: (text: string) => Effect.Effect<Digest.Digest, DiskError, Disk>
}

export const make = Effect.fnUntraced(function* (layout: Layout, memo: StatMemo) {
  const disk = yield* Disk

  const verified: BlobStore["verified"] = Effect.fnUntraced(function* (digest: Digest.Digest) {
    const path = layout.blob(digest)
    const stat = yield* orAbsent(disk.lstat(path))
    if (Option.isNone(stat)) return Option.none<string>()
    // a link leads to what others write to, and a pipe is never read to its end
    const actual = stat.value.kind === "file" ? yield* orAbsent(memo.digest(path, stat.value)) : Option.none()
    if (Option.isSome(actual) && actual.value === digest) return Option.some(path)
    memo.forget(path)
    // in a store that is another's it stays
    yield* Effect.ignore(disk.remove(path))
    return Option.none<string>()
  })

  const isKnown: BlobStore["isKnown"] = (digest, sync) => {
    const path = layout.blob(digest)
    const stat = sync.stat(path)
    return stat !== undefined && memo.known(path, stat) === digest
  }

  const take: BlobStore["take"] = Effect.fnUntraced(function* (path: string, known?: Digest.Digest) {
    const digest = known ?? (yield* disk.hash(path)).digest
    if (Option.isSome(yield* verified(digest))) yield* disk.remove(path)
    else yield* Commit.place(path, layout.blob(digest), 0o444)
    return digest
  })

  const put: BlobStore["put"] = Effect.fnUntraced(function* (text: string) {
    const digest = Digest.ofText(text)
    if (Option.isNone(yield* verified(digest))) yield* Commit.writeWhole(layout, layout.blob(digest), text)
    return digest
  })

  const store: BlobStore = { verified, isKnown, take, put }
  return store
})
