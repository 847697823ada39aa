/**
 * Pull: takes a result out of a shared cache into the store.
 *
 * Nothing is believed: the record must be one that op-pipe would write, for this key, and signed where that is asked for; each blob
 * must have its digest. All blobs are in the store, durably, before the record is. Whatever is missing or damaged is a miss.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Digest from "../identity/Digest.ts"
import * as Commit from "../store/Commit.ts"
import { Disk } from "../store/Disk.ts"
import { OnlySealed, outputsOf, parse, type StepResult } from "../store/ResultStore.ts"
import { Store } from "../store/Store.ts"
import { ownPrefix } from "../store/Sweep.ts"
import { type Engine, RemoteError } from "./engine/Engine.ts"
import { width } from "./engine/Http.ts"
import * as Entry from "./format/Entry.ts"
import * as Pack from "./format/Pack.ts"
import * as Signature from "./format/Signature.ts"
import type { OnBytes } from "./RemoteCache.ts"

/** What came of it. `untrusted`: not signed by a key in `trust`; `damaged`: not all of it is there as it was. */
export type Pulled = "taken" | "absent" | "damaged" | "untrusted" | "unsealed"

/** Something that the entry names is missing or another. */
class Damaged extends Data.TaggedError("Damaged") {}

/** At most `mostBytes` of `body`: what is longer than it says will not have its digest. */
async function* limited(body: AsyncIterable<Uint8Array>, mostBytes: number, onPiece: (bytes: number) => void) {
  let left = mostBytes
  for await (const piece of body) {
    const part = piece.subarray(0, left)
    left -= part.length
    onPiece(part.length)
    yield part
    if (part.length < piece.length) return
  }
}

const gather = (body: AsyncIterable<Uint8Array>): Effect.Effect<Uint8Array, RemoteError> =>
  Effect.tryPromise({
    try: async () => {
      const pieces: Array<Uint8Array> = []
      for await (const piece of body) pieces.push(piece)
      return Buffer.concat(pieces)
    },
    // an engine says better what went wrong
    catch: (cause) => new RemoteError({ reason: String(cause), isPassing: false })
  })

/** The bytes of a file that an entry names. */
const bytesOf = Effect.fnUntraced(function* (engine: Engine, file: Entry.File, onPiece: (bytes: number) => void) {
  const most = Math.min(file.sizeBytes, Entry.mostBytes)
  const found = yield* engine.fetch("cas", file.digest, (body) => gather(limited(body, most, onPiece)))
  if (Option.isNone(found) || Digest.ofBytes(found.value) !== file.digest) return yield* new Damaged()
  return found.value
})

const nothing = (): void => undefined

/** The result and the files that the shared cache has for `key`, if they can be believed. */
const read = Effect.fnUntraced(function* (engine: Engine, trust: ReadonlyArray<string>, key: Digest.Digest) {
  const found = yield* engine.fetch("ac", key, (body) => gather(limited(body, Entry.mostBytes, nothing)))
  if (Option.isNone(found)) return "absent"
  const entry = Entry.decode(found.value)
  if (entry === undefined) return "damaged"
  const record = entry.record instanceof Uint8Array ? entry.record : yield* bytesOf(engine, entry.record, nothing)
  if (trust.length > 0 && !Signature.isTrusted(trust, key, record, entry.signature)) return "untrusted"
  const result = Option.getOrUndefined(parse(Buffer.from(record).toString("utf8")))
  // another key's record would be another step's result
  if (result?.key !== key) return "damaged"
  if ((yield* OnlySealed) && result.provenance.sealed !== true) return "unsealed"
  return { result, files: entry.files }
})

/** Whether the shared cache has an entry for `result` that readers believe, with the same outputs; its blobs may be gone. */
export const isThere = (engine: Engine, trust: ReadonlyArray<string>, result: StepResult) =>
  read(engine, trust, result.key).pipe(
    Effect.map((found) => typeof found !== "string" && outputsOf(found.result) === outputsOf(result)),
    Effect.catchTag("Damaged", () => Effect.succeed(false))
  )

const missingOf = Effect.fnUntraced(function* (blobs: ReadonlyArray<Pack.Blob>) {
  const store = yield* Store
  const missing = new Set<Digest.Digest>()
  for (const { digest } of blobs) {
    if (Option.isNone(yield* store.blobs.verified(digest))) missing.add(digest)
  }
  return missing
})

/** Fetches all that is needed into the folder `scratch`; gives the files by the digests of their blobs. */
const download = Effect.fnUntraced(function* (
  engine: Engine,
  { single, packs }: Entry.Needed,
  scratch: string,
  missing: ReadonlySet<Digest.Digest>,
  onBytes: OnBytes
) {
  const disk = yield* Disk
  const totalBytes = Pack.bytesOf([...single, ...packs.map(({ file }) => file)])
  let doneBytes = 0
  const onPiece = (bytes: number): void => {
    doneBytes += bytes
    onBytes(doneBytes, totalBytes)
  }
  const fetched = new Map<Digest.Digest, string>()
  const aside = (): string => path.join(scratch, randomUUID())
  const one = Effect.fnUntraced(function* ({ digest, sizeBytes }: Entry.File) {
    const found = yield* engine.fetch("cas", digest, (body) => {
      const to = aside()
      return Effect.map(disk.receive(to, limited(body, sizeBytes, onPiece)), (hashed) => ({ to, hashed }))
    })
    if (Option.isNone(found) || found.value.hashed.digest !== digest) return yield* new Damaged()
    fetched.set(digest, found.value.to)
  })
  const several = Effect.fnUntraced(function* ({ file, blobs }: Entry.Needed["packs"][number]) {
    const pack = yield* bytesOf(engine, file, onPiece)
    const opened = yield* Effect.promise(() => Pack.open(pack, blobs))
    if (opened === undefined) return yield* new Damaged()
    for (const [{ digest }, bytes] of opened) {
      if (!missing.has(digest)) continue
      if (Digest.ofBytes(bytes) !== digest) return yield* new Damaged()
      const to = aside()
      yield* disk.create(to, bytes)
      fetched.set(digest, to)
    }
  }, Semaphore.withPermit(Pack.atOnce))
  const atOnce = [
    Effect.forEach(packs, several, { concurrency: width, discard: true }),
    Effect.forEach(single, one, { concurrency: width, discard: true })
  ]
  yield* Effect.all(atOnce, { concurrency: 2, discard: true })
  return fetched
})

/** Takes the result under `key`. Fails if the shared cache, or the disk, does not work. */
export const pull = Effect.fn("Pull.pull")(
  function* (engine: Engine, trust: ReadonlyArray<string>, key: Digest.Digest, onBytes: OnBytes) {
    const disk = yield* Disk
    const { layout, results } = yield* Store
    const found = yield* read(engine, trust, key)
    if (typeof found === "string") return found
    const { result, files } = found
    const blobs = Entry.blobsOf(result)
    const missing = yield* missingOf(blobs)
    const needed = Entry.needed(files, blobs, missing)
    if (needed === undefined) return "damaged"
    const scratch = path.join(layout.temporary, `${ownPrefix}${randomUUID()}`)
    yield* disk.makeFolder(scratch)
    const fetching = download(engine, needed, scratch, missing, onBytes)
    const placing = Effect.flatMap(fetching, (fetched) =>
      Commit.placeAll(
        Array.from(fetched, ([digest, file]) => [file, layout.blob(digest)] as const),
        0o444
      )
    )
    yield* Effect.ensuring(placing, Effect.ignore(disk.remove(scratch)))
    yield* results.write(result)
    return "taken"
  },
  Effect.catchTag("Damaged", () => Effect.succeed<Pulled>("damaged"))
)
