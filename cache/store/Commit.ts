/**
 * Commit: writes a file into the store whole or not at all.
 *
 * The steps: private temporary name, content, fsync, rename, fsync of the folder. A process that is killed in between
 * leaves a file in `tmp` that nothing reads. Records carry a checksum: a torn or corrupted record counts as absent.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import xxhash from "xxhash-wasm"
import { Disk, type DiskError, orAbsent } from "./Disk.ts"
import type { Layout } from "./Layout.ts"
import { ownPrefix } from "./Sweep.ts"

interface Checksums {
  readonly ofText: (text: string) => string
  readonly ofBytes: (bytes: Uint8Array) => string
  readonly ofPieces: (pieces: ReadonlyArray<Uint8Array>) => string
}
let ready: Checksums | undefined

/** XXH64 as 16 hexadecimal digits; the module that computes it is loaded on first use. */
const checksums = Effect.suspend(() =>
  ready !== undefined
    ? Effect.succeed(ready)
    : Effect.map(Effect.promise(xxhash), ({ h64ToString, h64Raw, create64 }) => {
        ready = {
          ofText: (text) => h64ToString(text),
          ofBytes: (bytes) => digits(h64Raw(bytes)),
          ofPieces: (pieces) => {
            const state = create64()
            // The module copies what it hashes into its own memory, which must not hold a whole network at once.
            for (const piece of pieces) {
              for (let at = 0; at < piece.length; at += partBytes) state.update(piece.subarray(at, at + partBytes))
            }
            return digits(state.digest())
          }
        }
        return ready
      })
)
const partBytes = 2 ** 20
export const checksumDigits = 16
const digits = (checksum: bigint): string => checksum.toString(16).padStart(checksumDigits, "0")

/** XXH64 of the pieces one after the other, as 16 hexadecimal digits. */
export const checksumOf = (pieces: ReadonlyArray<Uint8Array>): Effect.Effect<string> =>
  Effect.map(checksums, ({ ofPieces }) => ofPieces(pieces))

/** A name in the store's `tmp` that no other process uses. */
const temporaryPath = (layout: Layout): string => path.join(layout.temporary, `${ownPrefix}${randomUUID()}`)

/** Runs `put`, which puts `file` into a folder, and makes the folder first if it does not exist. */
const intoFolder = <A>(file: string, put: Effect.Effect<A, DiskError, Disk>): Effect.Effect<A, DiskError, Disk> =>
  Effect.catchIf(
    put,
    (error) => error.code === "ENOENT",
    () => Effect.flatMap(Disk, (disk) => Effect.andThen(disk.makeFolder(path.dirname(file)), put))
  )

/** Moves a file to its place in the store. What lies there and is no file is nobody's, and goes. */
const rename = Effect.fnUntraced(function* (from: string, to: string) {
  const disk = yield* Disk
  yield* Effect.catchIf(
    disk.rename(from, to),
    ({ code }) => code === "EISDIR",
    () => Effect.andThen(disk.remove(to), disk.rename(from, to))
  )
})

/** What is read from the store: none if it is absent, or no file. */
const orUnreadable = <A>(read: Effect.Effect<A, DiskError>): Effect.Effect<Option.Option<A>, DiskError> =>
  Effect.catchIf(
    orAbsent(read),
    ({ code }) => code === "EINVAL",
    () => Effect.succeed(Option.none<A>())
  )

/** Moves a finished file to its place and makes the file and its entry durable. */
export const place = Effect.fnUntraced(function* (from: string, to: string, mode: number) {
  const disk = yield* Disk
  yield* disk.setMode(from, mode)
  yield* disk.syncFile(from)
  yield* intoFolder(to, rename(from, to))
  yield* disk.syncFolder(path.dirname(to))
})

/** `place` for many files, which may be thousands: they are made durable together, and then their entries. */
export const placeAll = Effect.fnUntraced(function* (
  files: ReadonlyArray<readonly [from: string, to: string]>,
  mode: number
) {
  const disk = yield* Disk
  const [first] = files
  if (first === undefined) return
  const { device } = yield* disk.lstat(first[0])
  for (const [from] of files) yield* disk.setMode(from, mode)
  yield* disk.settle(files.map(([from]) => [from, device]))
  for (const [from, to] of files) yield* intoFolder(to, rename(from, to))
  const folders = new Set(files.map(([, to]) => path.dirname(to)))
  yield* disk.settle(Array.from(folders, (folder) => [folder, device]))
})

/** Writes `content` to `to`, whole or not at all. */
export const writeWhole = Effect.fnUntraced(function* (layout: Layout, to: string, content: string | Uint8Array) {
  const disk = yield* Disk
  const temporary = temporaryPath(layout)
  yield* intoFolder(temporary, disk.create(temporary, content)).pipe(
    Effect.andThen(place(temporary, to, 0o444)),
    Effect.onError(() => disk.remove(temporary).pipe(Effect.ignore))
  )
})

const withChecksum = <Body extends string | Uint8Array>(body: Body): Effect.Effect<string | Uint8Array> =>
  Effect.map(checksums, ({ ofText, ofBytes }) =>
    typeof body === "string"
      ? `${ofText(body)}\n${body}`
      : Buffer.concat([Buffer.from(`${ofBytes(body)}\n`, "latin1"), body])
  )

/** Writes `body` durably, after a first line with its XXH64. */
export const writeRecord = (layout: Layout, to: string, body: string): Effect.Effect<void, DiskError, Disk> =>
  Effect.flatMap(withChecksum(body), (text) => writeWhole(layout, to, text))

/** The same without waiting for the disk: for hints, which may be lost since they only save time. */
export const writeHint = Effect.fnUntraced(function* (layout: Layout, to: string, body: string | Uint8Array) {
  const disk = yield* Disk
  if (!layout.mayMake && !(yield* disk.exists(layout.root))) return
  const temporary = temporaryPath(layout)
  yield* intoFolder(temporary, disk.create(temporary, yield* withChecksum(body)))
  yield* intoFolder(to, rename(temporary, to))
})

/** A function that takes the body out of a record's text; it returns undefined if the checksum does not match. */
export const bodies: Effect.Effect<(text: string) => string | undefined> = Effect.map(
  checksums,
  ({ ofText }) =>
    (text) => {
      const end = text.indexOf("\n")
      const body = text.slice(end + 1)
      return end === checksumDigits && text.slice(0, end) === ofText(body) ? body : undefined
    }
)

/** The body of a record, if the record exists and its checksum matches. */
export const readRecord = Effect.fnUntraced(function* (from: string) {
  const text = yield* textOf(from)
  return text === undefined ? Option.none<string>() : Option.fromUndefinedOr((yield* bodies)(text))
})

/** The same of a hint. A damaged one goes: it is written anew when it is missed. */
export const readHint = Effect.fnUntraced(function* (from: string) {
  const text = yield* textOf(from)
  if (text === undefined) return Option.none<string>()
  const body = (yield* bodies)(text)
  if (body === undefined) yield* Effect.flatMap(Disk, (disk) => Effect.ignore(disk.remove(from)))
  return Option.fromUndefinedOr(body)
})

const textOf = (from: string) =>
  Effect.flatMap(Disk, (disk) =>
    Effect.map(orUnreadable(disk.synchronously(from, (sync) => sync.record(from))), Option.getOrUndefined)
  )

/** `readRecord` for a binary body. */
export const readRecordBytes = Effect.fnUntraced(function* (from: string) {
  const disk = yield* Disk
  const bytes = yield* orUnreadable(disk.read(from))
  if (Option.isNone(bytes)) return Option.none<Uint8Array>()
  const body = bytes.value.subarray(checksumDigits + 1)
  const { ofBytes } = yield* checksums
  const written = Buffer.from(bytes.value.subarray(0, checksumDigits + 1)).toString("latin1")
  return written === `${ofBytes(body)}\n` ? Option.some(body) : Option.none<Uint8Array>()
})
