/**
 * Push: puts a result of the store into a shared cache: its blobs first, and then the entry that names them. So a reader finds all
 * of a result, or nothing.
 */

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Digest from "../identity/Digest.ts"
import { Disk } from "../store/Disk.ts"
import type { StepResult } from "../store/ResultStore.ts"
import { Store } from "../store/Store.ts"
import { type Body, type Engine, sizeOf } from "./engine/Engine.ts"
import { width } from "./engine/Http.ts"
import * as Entry from "./format/Entry.ts"
import * as Pack from "./format/Pack.ts"
import * as Signature from "./format/Signature.ts"

/** A blob was removed from the store, by a collection or since it is damaged. */
export class Gone extends Data.TaggedError("Gone") {}

/** Puts what a result is made of, unless it is there. `known` is what this process has seen to be there. */
const putContent = Effect.fnUntraced(function* (
  engine: Engine,
  known: Set<Digest.Digest>,
  digest: Digest.Digest,
  body: Body
) {
  if (known.has(digest)) return
  // to ask takes as long as to send a little
  const isThere = sizeOf(body) >= Pack.smallBytes && (yield* engine.has("cas", digest))
  if (!isThere) yield* engine.put("cas", digest, body)
  known.add(digest)
})

const pathOf = Effect.fnUntraced(function* (digest: Digest.Digest) {
  const { blobs } = yield* Store
  const path = yield* blobs.verified(digest)
  return Option.isSome(path) ? path.value : yield* new Gone()
})

/** Uploads `result`, signed if there is a signer. Fails if it cannot be uploaded whole. */
export const push = Effect.fn("Push.push")(function* (
  engine: Engine,
  signer: Signature.Signer | undefined,
  known: Set<Digest.Digest>,
  result: StepResult
) {
  const disk = yield* Disk
  const { single, packs } = Entry.plan(result)
  const one = Effect.fnUntraced(function* (blob: Pack.Blob) {
    const path = yield* pathOf(blob.digest)
    const isSmall = blob.sizeBytes < Pack.smallBytes
    const body = isSmall ? yield* disk.read(path) : { sizeBytes: blob.sizeBytes, read: () => disk.pieces(path) }
    yield* putContent(engine, known, blob.digest, body)
    return Entry.fileOf(blob)
  })
  const several = Effect.fnUntraced(function* ({ path, blobs }: (typeof packs)[number]) {
    const contents: Array<Uint8Array> = []
    for (const { digest } of blobs) contents.push(yield* disk.read(yield* pathOf(digest)))
    const pack = yield* Effect.promise(() => Pack.close(contents))
    const digest = Digest.ofBytes(pack)
    yield* putContent(engine, known, digest, pack)
    return { path, digest, sizeBytes: pack.length }
  }, Semaphore.withPermit(Pack.atOnce))
  const packed = yield* Effect.forEach(packs, several, { concurrency: width })
  const files = [...packed, ...(yield* Effect.forEach(single, one, { concurrency: width }))]
  const record = Buffer.from(JSON.stringify(result))
  const signature = signer === undefined ? "" : Signature.make(signer, result.key, record)
  const { bytes, recordFile } = Entry.encode({ record, files, signature })
  if (recordFile !== undefined) yield* putContent(engine, known, recordFile.digest, record)
  yield* engine.put("ac", result.key, bytes)
})
