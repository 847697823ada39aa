/**
 * Near-duplicates on the demo set: recall on copies that were planted, and false merges among drawings that are none.
 *
 * What counts as a true pair without a plant is decided apart from the code under test: two drawings that are the same
 * pixels at 96 px, up to a flip or quarter turn, once their white margins are cut off.
 */
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import sharp from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import { copyOf, kinds } from "../../../../bench/pictures/Plant.ts"
import { emojiGroupBy, emojiSets } from "../../../../demo/EmojiClasses.ts"
import { loadEmoji } from "../../../../demo/EmojiPackages.ts"
import { planEmoji } from "../../../../demo/EmojiPlan.ts"
import { leakageGroups } from "../../../../stages/lib/dataset/LeakageGroups.ts"
import * as Aligner from "../../../../stages/lib/duplicates/Aligner.ts"
import { agreement } from "../../../../stages/lib/duplicates/Alignment.ts"
import type { Item } from "../../../../stages/lib/duplicates/Comparisons.ts"
import { Components } from "../../../../stages/lib/duplicates/Components.ts"
import * as Fingerprint from "../../../../stages/lib/duplicates/Fingerprint.ts"
import { findAlike } from "../../../../stages/lib/duplicates/NearDuplicates.ts"
import * as Resampler from "../../../../stages/lib/images/Resampler.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { cacheDir } from "../../../engine/support.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

/** `OP_PIPE_HOSTILE=full` takes the whole set. */
const whole = process.env["OP_PIPE_HOSTILE"] === "full"
const everyNth = whole ? 1 : 3
const planted = whole ? 1000 : 500
const pixelLimit = 1 << 24

/** An item with its thumbnail. */
interface Whole extends Item {
  readonly fingerprint: Fingerprint.Fingerprint
}

interface Known {
  readonly path: string
  readonly class: string
  readonly png: Buffer
}

const fingerprintOf = (image: Buffer): Promise<Fingerprint.Fingerprint> =>
  Effect.runPromise(
    Resampler.open(() => "nowhere").pipe(
      Effect.flatMap((resampler) => Fingerprint.ofBytes(image, pixelLimit, resampler))
    )
  )

/** Smallest RMS difference over the eight orientations at 96 px, without white margins, levels of 255. */
const pixelDistance = async (a: Buffer, b: Buffer): Promise<number> => {
  const at = async (encoded: Buffer, turns: number, flop: boolean): Promise<Buffer> => {
    const image = sharp(await sharp(encoded).trim({ background: "#ffffff", threshold: 10 }).png().toBuffer())
      .resize(96, 96, { fit: "fill" })
      .rotate(90 * turns)
    return (flop ? image.flop() : image).raw().toBuffer()
  }
  const first = await at(a, 0, false)
  let best = Number.POSITIVE_INFINITY
  for (const flop of [false, true]) {
    for (let turns = 0; turns < 4; turns++) {
      const second = await at(b, turns, flop)
      let sum = 0
      for (let i = 0; i < first.length; i++) sum += (first[i]! - second[i]!) ** 2
      best = Math.min(best, Math.sqrt(sum / first.length))
    }
  }
  return best
}

let images: ReadonlyArray<Known> = []
let items: ReadonlyArray<Whole> = []

beforeAll(async () => {
  const { sources } = await Effect.runPromise(
    loadEmoji(temporaryFolder(), () => {}).pipe(Effect.provide(NodeServices.layer))
  )
  const drawings = planEmoji(sources, 256, 280)
  // every nth emoji with all its drawings: what one artist may have taken from another stays together
  const chosen = drawings.filter(({ path }) => Random.make(5, path.split("-")[0]!).int(everyNth) === 0)
  images = await Promise.all(
    chosen.map(async ({ path, class: name, svg }) => ({
      path,
      class: name,
      png: await sharp(Buffer.from(svg)).flatten({ background: "#ffffff" }).png({ compressionLevel: 1 }).toBuffer()
    }))
  )
  items = await Promise.all(
    images.map(async (one) => ({ class: one.class, fingerprint: await fingerprintOf(one.png) }))
  )
})

/** Looks at all items; `get` gives thumbnails by place. */
const run = (all: ReadonlyArray<Whole>, get = (i: number) => Effect.succeed(all[i]!.fingerprint.rgb)) =>
  Effect.gen(function* () {
    const aligner = yield* Aligner.open(() => cacheDir, 2)
    return yield* findAlike({ items: all, thumbnails: { get }, aligner }, () => Effect.void)
  }).pipe(Effect.runPromise)

describe("on the demo set", () => {
  it("finds planted copies: recall of 0.95 or more, and the others are kept with their original all the same", async () => {
    const order = Random.make(3, "which")
      .shuffle(images.map((_, i) => i))
      .slice(0, planted)
    const copies = await Promise.all(
      order.map(async (i, k) => ({
        class: images[i]!.class,
        fingerprint: await fingerprintOf(await copyOf(images[i]!.png, images[i]!.path, k % kinds.length))
      }))
    )
    const all = [...items, ...copies]
    const alike = await run(all)
    const components = new Components(all.length)
    for (const [a, b] of alike.copies) components.join(a, b)
    const found = order.filter((i, k) => components.find(i) === components.find(items.length + k)).length
    expect(found / planted, `${found} of ${planted} found`).toBeGreaterThanOrEqual(0.95)

    // the copies have names of their own, as the files of a downloader do
    const nameOf = (i: number): string => `x/${i < items.length ? images[i]!.path : `copy-${i}.png`}`
    const scanned = all.map((one, at) => ({ ...one, at, path: nameOf(at) }))
    for (const groupBy of ["", emojiGroupBy]) {
      const { kept } = leakageGroups(scanned, alike, { duplicates: "group", groupBy })
      const groupOf = new Map(kept.map(({ image, group }) => [image.at, group]))
      const apart = order.flatMap((i, k) =>
        groupOf.get(i) === groupOf.get(items.length + k) ? [] : [`${images[i]!.path} ${kinds[k % kinds.length]}`]
      )
      // what is brightened until a white cloud is lost on its white ground cannot be told from another cloud
      expect(apart.filter((one) => !one.endsWith("brightened"))).toEqual([])
      expect(apart.length, apart.join(", ")).toBeLessThanOrEqual(whole ? 0 : 1)
    }
  })

  it("finds crops of images that fill their frame, whichever of the two is laid over the other", async () => {
    // drawings of one emoji by two artists would be other images that look alike: one of each is enough here
    const chosen = images.filter(({ path }) => path.endsWith("-noto.png")).slice(0, 150)
    const known = await Promise.all(
      chosen.map(async ({ path, class: name, png }) => {
        const whole = await sharp(png).trim({ background: "#ffffff", threshold: 10 }).png().toBuffer()
        const random = Random.make(12, "crop", path)
        const { width, height } = await sharp(whole).metadata()
        const part = { width: Math.floor(width * 0.94), height: Math.floor(height * 0.94) }
        const cut = sharp(whole).extract({
          left: Math.floor(random.between(0, 0.05) * width),
          top: Math.floor(random.between(0, 0.05) * height),
          ...part
        })
        const copy = await cut.jpeg({ quality: 85 }).toBuffer()
        return [
          { class: name, fingerprint: await fingerprintOf(whole) },
          { class: name, fingerprint: await fingerprintOf(copy) }
        ] as const
      })
    )
    const { copies: pairs } = await run(known.flat())
    const components = new Components(known.length * 2)
    for (const [a, b] of pairs) components.join(a, b)
    const found = known.filter((_, i) => components.find(2 * i) === components.find(2 * i + 1)).length
    expect(found / known.length, `${found} of ${known.length} found`).toBeGreaterThanOrEqual(0.85)
  })

  it("merges few drawings that differ: 0.5 % of the images or less", async () => {
    const parts = new Components(items.length)
    for (const [a, b] of (await run(items)).copies) parts.join(a, b)
    // whatever has come together counts, by whichever pairs it did
    const pairs = parts.many().flatMap((part) => part.flatMap((a, k) => part.slice(k + 1).map((b) => [a, b] as const)))
    const distances = await Promise.all(pairs.map(([a, b]) => pixelDistance(images[a]!.png, images[b]!.png)))
    // 3 % of the range: an outline that falls between other pixels stays below, another drawing does not
    const wrong = pairs.filter((_, k) => distances[k]! > 0.03 * 255)
    const components = new Components(items.length)
    for (const [a, b] of wrong) components.join(a, b)
    const lost = components.many().reduce((sum, part) => sum + part.length - 1, 0)
    const said = wrong.map(([a, b]) => `${images[a]!.path} and ${images[b]!.path}`).join(", ")
    expect(lost / items.length, said).toBeLessThanOrEqual(0.005)
  })

  it("every set has drawings in the sample", () => {
    for (const { name } of emojiSets) expect(images.some(({ path }) => path.endsWith(`-${name}.png`))).toBe(true)
  })
})

describe("many copies of one image", () => {
  it("are found in each class and across, by few comparisons", async () => {
    const { path, png } = images.find((one) => one.path.endsWith("-noto.png"))!
    const copies = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => ({
        class: i % 2 === 0 ? "even" : "odd",
        fingerprint: await fingerprintOf(await copyOf(png, `${path} ${i}`, 4))
      }))
    )
    let gets = 0
    const get = (i: number) =>
      Effect.sync(() => {
        gets += 1
        return copies[i]!.fingerprint.rgb
      })
    const alike = await run(copies, get)
    const partsOf = (pairs: typeof alike.copies): ReadonlyArray<ReadonlyArray<number>> => {
      const components = new Components(copies.length)
      for (const [a, b] of pairs) components.join(a, b)
      return components.many()
    }
    const numbers = copies.map((_, i) => i)
    expect(partsOf(alike.copies)).toEqual([numbers])
    const withinClass = alike.copies.filter(([a, b]) => a % 2 === b % 2)
    expect(partsOf(withinClass)).toEqual([numbers.filter((i) => i % 2 === 0), numbers.filter((i) => i % 2 === 1)])
    expect(alike.lookAlikes).toEqual([])
    // each of the 780 pairs compared would be 819 thumbnails; each image is also compared with its representative
    expect(gets).toBeLessThan(5 * copies.length)
  })
})

/** One outline with a pattern of its own, as garments of one kind have, `count` of each of two classes. */
const nearlyAlike = (count: number): Promise<ReadonlyArray<Whole>> =>
  Promise.all(
    Array.from({ length: 2 * count }, async (_, i) => {
      const random = Random.make(21, "alike", i)
      const patches = Array.from({ length: 6 }, () => {
        const grey = Math.round(random.between(110, 190))
        return `<rect x="${random.between(70, 150)}" y="${random.between(40, 180)}" width="36" height="36" fill="rgb(${grey},${grey},${grey})"/>`
      })
      const drawn = `<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"><rect width="256" height="256"/>
        <rect x="64" y="32" width="128" height="192" fill="rgb(150,150,150)"/>${patches.join("")}</svg>`
      return {
        class: i < count ? "a" : "b",
        fingerprint: await fingerprintOf(await sharp(Buffer.from(drawn)).png().toBuffer())
      }
    })
  )

describe("a set of images that are all alike", () => {
  // images/02-near-duplicates-quadratic: four times the time for twice as many
  // images/03-different-things-dropped-as-copies: 8.6 % of 800 garments were dropped, in a chain of 23
  it("takes few comparisons, and few are called copies", { timeout: 120_000 }, async () => {
    const large = await nearlyAlike(300)
    let gets = 0
    const get = (i: number) =>
      Effect.sync(() => {
        gets += 1
        return large[i]!.fingerprint.rgb
      })
    const { copies } = await run(large, get)
    // within the classes alone there are 89,700 pairs: 179,400 thumbnails
    expect(gets).toBeLessThan(60_000)
    expect(copies.length / large.length).toBeLessThanOrEqual(0.005)
  })
})

describe("a large set", () => {
  it("has no more pairs aligned than it affords", async () => {
    const [{ fingerprint }] = items as readonly [Whole]
    const large = Array.from({ length: 3000 }, (_, i) => ({
      class: "a",
      fingerprint: { ...fingerprint, digest: String(i) as typeof fingerprint.digest }
    }))
    let aligned = 0
    const aligner: Aligner.Aligner = {
      agreements: (jobs) => {
        aligned += jobs.length
        return Effect.succeed(jobs.map(() => undefined))
      }
    }
    const get = () => Effect.succeed(fingerprint.rgb)
    await Effect.runPromise(findAlike({ items: large, thumbnails: { get }, aligner }, () => Effect.void))
    // each pair both ways, since neither covers the other; with 64 neighbours of each image it would be 334,080
    expect(aligned).toBeGreaterThan(10_000)
    expect(aligned).toBeLessThan(110_000)
  })
})

describe("an image of one colour", () => {
  it("has no descriptor and is no copy of anything drawn", async () => {
    const plain = await sharp({ create: { width: 64, height: 64, channels: 3, background: "#88aacc" } })
      .png()
      .toBuffer()
    const fingerprint = await fingerprintOf(plain)
    expect(fingerprint.descriptor.every((value) => value === 0)).toBe(true)
    expect(agreement(fingerprint, items[0]!.fingerprint)).toBeUndefined()
  })
})
