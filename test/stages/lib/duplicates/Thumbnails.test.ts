/** Thumbnails in memory and in the file alike: what was put is what one gets. */
import { statSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { make } from "../../../../stages/lib/duplicates/Thumbnails.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

const folder = temporaryFolder()
const thumbnail = (at: number): Uint8Array => Uint8Array.from({ length: 7 }, (_, i) => (at * 31 + i) % 256)

const roundTrip = (name: string, inMemory: number, total: number) =>
  Effect.gen(function* () {
    const store = yield* make(path.join(folder, name), { bytes: 7, inMemory, total })
    // in no order, many at once
    const order = Array.from({ length: total }, (_, i) => (i * 17) % total)
    yield* Effect.forEach(order, (at) => store.put(at, thumbnail(at)), { concurrency: 8, discard: true })
    return yield* Effect.forEach(order, (at) => Effect.map(store.get(at), (rgb) => ({ at, rgb })), { concurrency: 8 })
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer), Effect.runPromise)

it.each([
  ["all in memory", 100, 50],
  ["some in the file", 10, 50],
  ["all in the file", 0, 50]
])("%s", async (name, inMemory, total) => {
  for (const { at, rgb } of await roundTrip(name, inMemory, total))
    expect(Array.from(rgb)).toEqual(Array.from(thumbnail(at)))
})

it("memory is no larger than it was told: the rest is in the file", async () => {
  await roundTrip("sizes", 10, 50)
  expect(statSync(path.join(folder, "sizes")).size).toBe(40 * 7)
})

it("a thumbnail that was never put is an error", async () => {
  const get = Effect.gen(function* () {
    const store = yield* make(path.join(folder, "none"), { bytes: 7, inMemory: 1, total: 3 })
    yield* store.put(1, thumbnail(1))
    return yield* store.get(2)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer), Effect.runPromise)
  await expect(get).rejects.toThrow(/image 2 has no thumbnail/)
})

it("a scratch folder that cannot be written to is a failure of the stage", async () => {
  const open = make(path.join(folder, "missing", "thumbnails"), { bytes: 7, inMemory: 1, total: 3 })
  const failure = await Effect.runPromise(Effect.flip(Effect.scoped(open)).pipe(Effect.provide(NodeServices.layer)))
  expect(failure).toMatchObject({
    _tag: "StageFailure",
    reason: "The thumbnails cannot be kept in the scratch folder"
  })
})
