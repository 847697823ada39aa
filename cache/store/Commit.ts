/**
 * Commit: how a file comes to stand in the store whole or not at all.
 *
 * Private temporary name, content, fsync, rename, fsync of the folder. Who is killed in between leaves a file in `tmp`
 * that nobody reads. Records carry a checksum, so that a torn or flipped one is an absent one.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import xxhash from "xxhash-wasm"
import { Disk, type DiskError, orAbsent } from "./Disk.ts"
import type { Layout } from "./Layout.ts"
import { ownPrefix } from "./Sweep.ts"

let checksum: ((text: string) => string) | undefined

/** XXH64 as 16 hexadecimal digits; the module that computes it is made ready on first use. */
const checksums = Effect.suspend(() =>
  checksum !== undefined
    ? Effect.succeed(checksum)
    : Effect.map(Effect.promise(xxhash), ({ h64ToString }) => {
        checksum = h64ToString
        return checksum
      })
)

/** A name in the store's `tmp` that no other process uses; the folder exists afterwards. */
export const temporaryPath = Effect.fnUntraced(function* (layout: Layout) {
  const disk = yield* Disk
  yield* disk.makeFolder(layout.temporary)
  return path.join(layout.temporary, `${ownPrefix}${randomUUID()}`)
})

/** Moves a finished file to its place and makes both durable. */
export const place = Effect.fnUntraced(function* (from: string, to: string, mode: number) {
  const disk = yield* Disk
  yield* disk.setMode(from, mode)
  yield* disk.syncFile(from)
  yield* disk.makeFolder(path.dirname(to))
  yield* disk.rename(from, to)
  yield* disk.syncFolder(path.dirname(to))
})

/** Writes `content` to `to`, whole or not at all. */
export const writeWhole = Effect.fnUntraced(function* (layout: Layout, to: string, content: string | Uint8Array) {
  const disk = yield* Disk
  const temporary = yield* temporaryPath(layout)
  yield* disk.create(temporary, content).pipe(
    Effect.andThen(place(temporary, to, 0o444)),
    Effect.onError(() => disk.remove(temporary).pipe(Effect.ignore))
  )
})

const withChecksum = (body: string): Effect.Effect<string> => Effect.map(checksums, (of) => `${of(body)}\n${body}`)

/** Writes `body` behind a first line with its XXH64, durably. */
export const writeRecord = (layout: Layout, to: string, body: string): Effect.Effect<void, DiskError, Disk> =>
  Effect.flatMap(withChecksum(body), (text) => writeWhole(layout, to, text))

/** The same without waiting for the disk: for what may be lost, since it only saves time. A torn one is an absent one. */
export const writeHint = Effect.fnUntraced(function* (layout: Layout, to: string, body: string) {
  const disk = yield* Disk
  const temporary = yield* temporaryPath(layout)
  yield* disk.create(temporary, yield* withChecksum(body))
  yield* disk.makeFolder(path.dirname(to))
  yield* disk.rename(temporary, to)
})

/** The body of a record, if it is there and its checksum holds. */
export const readRecord = Effect.fnUntraced(function* (from: string) {
  const disk = yield* Disk
  const text = yield* orAbsent(disk.readText(from))
  if (Option.isNone(text)) return Option.none<string>()
  const end = text.value.indexOf("\n")
  const body = text.value.slice(end + 1)
  const of = yield* checksums
  return end === 16 && text.value.slice(0, end) === of(body) ? Option.some(body) : Option.none<string>()
})
