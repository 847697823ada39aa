/** augment and the packed images: layout, determinism at any concurrency, what copies look like. */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import sharp from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import { AugmentParams, PackIndex } from "../../schemas/Augment.ts"
import { augment } from "../../stages/augment.ts"
import { copiesOf, draw } from "../../stages/lib/images/Augmentation.ts"
import * as Pack from "../../stages/lib/images/Pack.ts"
import * as Random from "../../stages/lib/Random.ts"
import { split } from "../../stages/split.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { runStage } from "./lib/runStage.ts"

const folder = temporaryFolder()
const images = path.join(folder, "images")
let manifest = ""

const run = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, NodeServices.layer))

beforeAll(async () => {
  for (const name of ["a", "b"]) {
    for (let i = 0; i < 8; i++) {
      const random = Random.make(2, name, i)
      const small = Uint8Array.from({ length: 6 * 6 * 3 }, () => random.int(256))
      const image = sharp(small, { raw: { width: 6, height: 6, channels: 3 } }).resize(70 + 10 * i, 60)
      writeFiles(images, { [`${name}/${i}.png`]: await image.png().toBuffer() })
    }
  }
  manifest = (await run(runStage(split, { inputs: { images }, to: path.join(folder, "split") })))["manifest"]!
})

const size = 24
const recordBytes = size * size * 3

const packed = async (to: string, params: object, cores = 2, inputs: Record<string, string> = { images, manifest }) => {
  const out = await run(
    runStage(augment, {
      params: { size, trainSize: 0, copies: 2, shardBytes: 5 * recordBytes, ...params },
      inputs,
      to: path.join(folder, to),
      cores
    })
  )
  const index = Schema.decodeUnknownSync(Schema.fromJsonString(PackIndex))(readFileSync(out["index"]!, "utf8"))
  return { index, shards: out["shards"]! }
}

const bytesOf = (shards: string): string =>
  readdirSync(shards)
    .sort()
    .map((file) => `${file} ${readFileSync(path.join(shards, file)).toString("base64")}`)
    .join("\n")

const readAll = (shards: string, index: typeof PackIndex.Type, indices: ReadonlyArray<number>) =>
  run(
    Effect.gen(function* () {
      const pack = yield* Pack.open(shards, index)
      const into = new Uint8Array(indices.length * pack.recordBytes)
      yield* pack.read("train", indices, into)
      return into
    }).pipe(Effect.scoped)
  )

describe("layout", () => {
  it("train has the originals first, then the copies; the others have originals only", async () => {
    const { index, shards } = await packed("layout", {})
    const { train, validation, test } = index.splits
    const originals = train.records.filter((one) => one.copy === 0).length
    expect(train.records.slice(0, originals).every((one) => one.copy === 0)).toBe(true)
    expect(train.records).toHaveLength(3 * originals)
    expect([...validation.records, ...test.records].every((one) => one.copy === 0)).toBe(true)
    for (const one of [...train.records, ...validation.records, ...test.records]) {
      expect(index.classes[one.label]).toBe(one.path.split("/")[0])
    }
    for (const { shards: files, records } of [train, validation, test]) {
      expect(files.reduce((sum, file) => sum + file.records, 0)).toBe(records.length)
      for (const { file, records: count } of files) {
        expect(readFileSync(path.join(shards, file)).length).toBe(count * recordBytes)
        expect(count).toBeLessThanOrEqual(5)
      }
    }
  })

  it("of more than eight bits has the range of the set, in which a dim image is dim", async () => {
    const cells = path.join(folder, "cells")
    for (const [name, most] of [
      ["dim", 600],
      ["bright", 2400]
    ] as const) {
      for (let i = 0; i < 4; i++) {
        const random = Random.make(3, name, i)
        const levels = Uint16Array.from({ length: 36 }, (_, k) => (k === 0 ? most : random.int(most)))
        const image = sharp(levels, { raw: { width: 6, height: 6, channels: 1 } }).resize(24, 24, { kernel: "nearest" })
        writeFiles(cells, { [`${name}/${i}.png`]: await image.toColourspace("grey16").png().toBuffer() })
      }
    }
    const { manifest } = await run(runStage(split, { inputs: { images: cells }, to: path.join(folder, "cells-split") }))
    const { index, shards } = await packed("cells-packed", { copies: 0 }, 2, { images: cells, manifest: manifest! })
    expect(index.preparation.white).toBe(4095)
    const { records } = index.splits.train
    const pixels = await readAll(shards, index, [...records.keys()])
    for (const [k, { path: file }] of records.entries()) {
      const brightest = Math.max(...pixels.subarray(k * recordBytes, (k + 1) * recordBytes))
      expect(brightest).toBe(Math.round((255 * (file.startsWith("dim") ? 600 : 2400)) / 4095))
    }
  })

  it("an original is the image at the wanted size", async () => {
    const { index, shards } = await packed("original", { copies: 0 })
    const record = await readAll(shards, index, [0])
    const whole = await sharp(path.join(images, index.splits.train.records[0]!.path))
      .resize(size, size, { fit: "fill" })
      .raw()
      .toBuffer()
    // it goes through the working size first: a resampling more, a few levels at most
    const apart = record.reduce((sum, value, i) => sum + Math.abs(value - whole[i]!), 0) / record.length
    expect(apart).toBeLessThan(4)
  })
})

describe("determinism", () => {
  it("gives the same bytes whatever the concurrency", async () => {
    const params = { transforms: { brightness: 0.3, saturation: 0.3 } }
    const one = await packed("one", params, 1)
    const many = await packed("many", params, 8)
    expect(bytesOf(many.shards)).toBe(bytesOf(one.shards))
  })

  it("another seed gives other copies and the same originals", async () => {
    const a = await packed("seed1", { seed: 1 })
    const b = await packed("seed2", { seed: 2 })
    const originals = a.index.splits.train.records.filter((one) => one.copy === 0).length
    const first = Array.from({ length: originals }, (_, i) => i)
    expect(await readAll(a.shards, a.index, first)).toEqual(await readAll(b.shards, b.index, first))
    expect(await readAll(a.shards, a.index, [originals])).not.toEqual(await readAll(b.shards, b.index, [originals]))
  })
})

describe("reading", () => {
  it("any records in any order are those that one reads one by one", async () => {
    const { index, shards } = await packed("reading", {})
    const count = index.splits.train.records.length
    const all = await readAll(
      shards,
      index,
      Array.from({ length: count }, (_, i) => i)
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: count - 1 }), { maxLength: 12 }), async (indices) => {
        const got = await readAll(shards, index, indices)
        for (const [i, at] of indices.entries()) {
          expect(got.subarray(i * recordBytes, (i + 1) * recordBytes)).toEqual(
            all.subarray(at * recordBytes, (at + 1) * recordBytes)
          )
        }
      }),
      { numRuns: 25 }
    )
  })

  it("refuses positions that are not there and shards that are cut short", async () => {
    const { index, shards } = await packed("refusing", {})
    await expect(readAll(shards, index, [9999])).rejects.toThrow(/position 9999/)
    const file = index.splits.train.shards[0]!.file
    writeFiles(shards, { [file]: readFileSync(path.join(shards, file)).subarray(1) })
    await expect(readAll(shards, index, [0])).rejects.toThrow(/has the wrong size/)
  })
})

describe("how many copies", () => {
  const paths = Array.from({ length: 2593 }, (_, i) => `class/${i}.png`)

  it("the seed's figures: 2,593 originals become 6,298", () => {
    const copies = copiesOf(paths, { trainSize: 6298, copies: 0, seed: 1 })
    expect(2593 + copies.reduce((a, b) => a + b, 0)).toBe(6298)
    expect(new Set(copies)).toEqual(new Set([1, 2]))
  })

  it("never fewer than the originals", () => {
    expect(copiesOf(paths, { trainSize: 10, copies: 0, seed: 1 }).every((n) => n === 0)).toBe(true)
  })
})

describe("what is drawn", () => {
  const { transforms } = Schema.decodeUnknownSync(AugmentParams)({})

  it("a crop lies within the image and keeps the wanted share of it", () => {
    fc.assert(
      fc.property(fc.nat(), fc.string(), fc.integer({ min: 8, max: 400 }), (seed, name, side) => {
        const { left, top, width, height, angle } = draw(transforms, seed, name, 1, side)
        expect(left).toBeGreaterThanOrEqual(0)
        expect(top).toBeGreaterThanOrEqual(0)
        expect(left + width).toBeLessThanOrEqual(side)
        expect(top + height).toBeLessThanOrEqual(side)
        expect(width * height).toBeGreaterThan(0.4 * side * side)
        expect(Math.abs(angle)).toBeLessThanOrEqual(25)
      })
    )
  })

  it("nothing is done to a copy when every transform is off", async () => {
    const off = { flip: 0, rotation: 0, cropScale: [1, 1], cropRatio: [1, 1] }
    const { index, shards } = await packed("off", { copies: 1, transforms: off })
    const originals = index.splits.train.records.filter((one) => one.copy === 0).length
    expect(await readAll(shards, index, [originals])).toEqual(await readAll(shards, index, [0]))
  })
})
