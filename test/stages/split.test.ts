/** split on folders that go wrong in every way that folders do, and on its policies. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import sharp, { type Sharp } from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import type { StageFailure } from "../../core/pipeline/Stage.ts"
import { Manifest } from "../../schemas/Split.ts"
import * as Random from "../../stages/lib/Random.ts"
import { split } from "../../stages/split.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { runStage } from "./lib/runStage.ts"

const folder = temporaryFolder()

/** An image like no other: soft blobs of random colours. */
const image = (name: string, size = 64): Sharp => {
  const random = Random.make(1, name)
  const small = Uint8Array.from({ length: 8 * 8 * 3 }, () => random.int(256))
  return sharp(small, { raw: { width: 8, height: 8, channels: 3 } }).resize(size, size, { kernel: "cubic" })
}

const png = (name: string, size?: number): Promise<Buffer> => image(name, size).png().toBuffer()

const manifestOf = (images: string, params: unknown, to: string) =>
  Effect.runPromise(
    runStage(split, { params, inputs: { images }, to: path.join(folder, to) }).pipe(
      Effect.map(({ manifest }) => readFileSync(manifest!, "utf8")),
      Effect.flatMap(Schema.decodeUnknownEffect(Schema.fromJsonString(Manifest))),
      Effect.provide(NodeServices.layer)
    )
  )

const failureOf = (images: string, params: unknown = {}) =>
  Effect.runPromise(
    runStage(split, { params, inputs: { images }, to: path.join(folder, "failed") }).pipe(
      Effect.flip,
      Effect.map((error) => error as StageFailure),
      Effect.provide(NodeServices.layer)
    )
  )

const fill = async (root: string, className: string, count: number): Promise<void> => {
  for (let i = 0; i < count; i++) writeFiles(root, { [`${className}/${i}.png`]: await png(`${className}${i}`) })
}

describe("a folder with everything that can be wrong", () => {
  const root = path.join(folder, "hostile")
  let manifest: typeof Manifest.Type

  beforeAll(async () => {
    await fill(root, "good", 10)
    await fill(root, "Ромашки 花", 8)
    const jpeg = await image("long", 180).jpeg().toBuffer()
    writeFiles(root, {
      "README.md": "not an image, not in a class",
      "stray.png": await png("stray"),
      "good/truncated.jpg": jpeg.subarray(0, Math.floor(jpeg.length / 2)),
      "good/empty.png": new Uint8Array(0),
      "good/text.jpg": "this is no image",
      "good/huge.png": await png("huge", 300),
      "good/.hidden": "x",
      // no part of the source, so no part of what is told of it (hermetic/12)
      "good/.DS_Store": "x",
      "good/deep/er/nested.webp": await image("nested").webp().toBuffer(),
      ".git/config": "x"
    })
    const outside = path.join(folder, "outside")
    mkdirSync(outside, { recursive: true })
    writeFileSync(path.join(outside, "secret.png"), await png("secret"))
    symlinkSync(path.join(outside, "secret.png"), path.join(root, "good", "out.png"))
    symlinkSync(outside, path.join(root, "good", "outfolder"))
    symlinkSync("nowhere", path.join(root, "good", "broken.png"))
    symlinkSync("..", path.join(root, "good", "deep", "cycle"))
    manifest = await manifestOf(root, { pixelLimit: 200 * 200 }, "hostile-out")
  })

  it("keeps what can be read, nested and in Unicode", () => {
    expect(manifest.classes).toEqual(["good", "Ромашки 花"])
    expect(manifest.images.map((one) => one.path)).toContain("good/deep/er/nested.webp")
    expect(manifest.images.filter((one) => one.class === "Ромашки 花")).toHaveLength(8)
    // images/05-linked-class-lost: links are followed wherever they lead; two lead to one image here
    const good = manifest.images.filter((one) => one.class === "good")
    expect(good).toHaveLength(12)
    expect(good.filter(({ path }) => path.startsWith("good/out"))).toHaveLength(1)
  })

  it("sets aside the rest with path and reason", () => {
    const reasons = Object.fromEntries(manifest.setAside.map((one) => [one.path, one.reason]))
    expect(Object.keys(reasons).sort()).toEqual([
      "good/.hidden",
      "good/broken.png",
      "good/deep/cycle",
      "good/empty.png",
      "good/huge.png",
      "good/text.jpg",
      "good/truncated.jpg",
      "stray.png"
    ])
    expect(reasons["good/truncated.jpg"]).toMatch(/truncated or damaged/)
    expect(reasons["good/empty.png"]).toBe("empty file")
    expect(reasons["good/text.jpg"]).toMatch(/not an image/)
    expect(reasons["good/huge.png"]).toMatch(/pixelLimit/)
    expect(reasons["good/broken.png"]).toMatch(/broken symbolic link/)
    expect(reasons["stray.png"]).toMatch(/outside any class/)
  })

  it("accounts for every file", () => {
    for (const one of manifest.counts) {
      expect(one.found).toBe(one.setAside + one.beyondLimit + one.dropped + one.train + one.validation + one.test)
    }
  })
})

describe("folders that cannot be split", () => {
  it("names the class that is too small, and what was set aside in it", async () => {
    const root = path.join(folder, "small")
    await fill(root, "enough", 6)
    await fill(root, "two", 2)
    writeFiles(root, { "two/empty.png": new Uint8Array(0) })
    const failure = await failureOf(root)
    expect(failure._tag).toBe("StageFailure")
    expect(failure.badInput).toBe(true)
    expect(failure.message).toMatch(/"two" has 2 \(1 set aside/)
    expect(failure.message).not.toMatch(/"enough"/)
  })

  it("names the first of many classes that are too small", async () => {
    const root = path.join(folder, "many small")
    const names = Array.from({ length: 30 }, (_, k) => `c${10 + k}`)
    for (const name of names) await fill(root, name, 1)
    const { message } = await failureOf(root)
    expect(message).toContain("30 classes have too few images")
    expect(message).toContain('"c19" has 1 and 20 more')
    expect(message).not.toContain("c20")
  })

  it.each([
    ["no class", {}, /has no class/],
    ["one class", { "one/a.txt": "x" }, /only one class/]
  ])("%s", async (name, files, message) => {
    const root = path.join(folder, name)
    mkdirSync(root)
    writeFiles(root, files)
    const failure = await failureOf(root)
    expect(failure.badInput).toBe(true)
    expect(failure.message).toMatch(message)
  })

  it("a class that is one image many times over", async () => {
    const root = path.join(folder, "copies")
    await fill(root, "enough", 6)
    for (let i = 0; i < 5; i++) writeFiles(root, { [`same/${i}.png`]: await png("same") })
    const { message } = await failureOf(root)
    expect(message).toMatch(/"same" has 1/)
    // groupBy is not set, or names nothing here: to relax it would change nothing
    expect(message).not.toContain("groupBy")
    expect((await failureOf(root, { groupBy: "^([0-9a-f]+)-[^/]*$" })).message).not.toContain("groupBy")
    expect((await failureOf(root, { groupBy: "^(same)/" })).message).toContain("or relax split.groupBy")
    expect((await manifestOf(root, { duplicates: "keep" }, "kept")).classes).toEqual(["enough", "same"])
  })
})

describe("near-duplicates", () => {
  const root = path.join(folder, "duplicates")

  beforeAll(async () => {
    await fill(root, "a", 12)
    await fill(root, "b", 12)
    writeFiles(root, {
      "a/0-flipped.jpg": await image("a0").flop().jpeg({ quality: 60 }).toBuffer(),
      "a/0-larger.png": await image("a0").resize(96, 96).png().toBuffer(),
      "a/1-turned.png": await image("a1").rotate(90).png().toBuffer(),
      "b/also-a2.png": await png("a2")
    })
  })

  it("drop keeps the largest of a group and reports a label conflict", async () => {
    const manifest = await manifestOf(root, {}, "drop")
    expect(manifest.duplicates.map(({ paths, kept }) => [paths, kept])).toEqual([
      [["a/0-flipped.jpg", "a/0-larger.png", "a/0.png"], ["a/0-larger.png"]],
      [["a/1-turned.png", "a/1.png"], ["a/1-turned.png"]]
    ])
    expect(manifest.conflicts).toEqual([{ classes: ["a", "b"], paths: ["a/2.png", "b/also-a2.png"] }])
    const splitOf = new Map(manifest.images.map((one) => [one.path, one.split]))
    expect(splitOf.has("a/0.png")).toBe(false)
    expect(splitOf.get("a/2.png")).toBe(splitOf.get("b/also-a2.png"))
    expect(manifest.leaks).toBe(0)
  })

  it("group keeps all, each group in one split, whatever the seed", async () => {
    for (let seed = 0; seed < 4; seed++) {
      const manifest = await manifestOf(root, { duplicates: "group", seed }, `group${seed}`)
      expect(manifest.images).toHaveLength(28)
      const splits = new Map<string, Set<string>>()
      for (const { group, split: name } of manifest.images) {
        splits.set(group, (splits.get(group) ?? new Set()).add(name))
      }
      for (const names of splits.values()) expect(names.size).toBe(1)
      for (const { paths } of manifest.duplicates) {
        expect(new Set(manifest.images.filter((one) => paths.includes(one.path)).map((one) => one.split)).size).toBe(1)
      }
    }
  })

  it("keep reports the leaks that it allows", async () => {
    const leaks = await Promise.all(
      [1, 2, 3, 4].map(async (seed) => (await manifestOf(root, { duplicates: "keep", seed }, `keep${seed}`)).leaks)
    )
    expect(Math.max(...leaks)).toBeGreaterThan(0)
  })

  it("assign=images draws the same images as if none were related, and tells the groups that it divides", async () => {
    const of = (assign: string) =>
      manifestOf(root, { assign, groupBy: "([0-9])[^/]*$", duplicates: "group", seed: 2 }, `assign-${assign}`)
    const [whole, divided] = [await of("groups"), await of("images")]
    const named = ({ images }: Manifest) => images.map(({ path: name, group }) => [name, group])
    expect(named(divided)).toEqual(named(whole))
    expect(whole).not.toHaveProperty("assign")
    expect({ leaks: whole.leaks, assign: divided.assign }).toEqual({ leaks: 0, assign: "images" })
    const groups = Map.groupBy(divided.images, ({ group }) => group)
    const spanning = [...groups.values()].filter((of) => new Set(of.map((one) => one.split)).size > 1)
    expect(spanning.length).toBeGreaterThan(0)
    expect(divided.leaks).toBe(spanning.length)
  })

  // images/04-blank-copies-leak: byte-identical white images were in train and test, under both labels
  it("files with the same bytes are copies, whatever is on them", async () => {
    const blank = path.join(folder, "blank")
    await fill(blank, "a", 12)
    await fill(blank, "b", 12)
    const plain = (grey: number): Promise<Buffer> =>
      sharp({ create: { width: 64, height: 64, channels: 3, background: { r: grey, g: grey, b: grey } } })
        .png()
        .toBuffer()
    const white = await plain(255)
    for (const name of ["a", "b"]) {
      for (let i = 0; i < 8; i++) writeFiles(blank, { [`${name}/white${i}.png`]: white })
    }
    // plain images that are not the same stay apart
    writeFiles(blank, { "a/grey.png": await plain(128), "a/darker.png": await plain(100) })
    const manifest = await manifestOf(blank, {}, "blank-out")
    expect(manifest.counts.map((one) => one.dropped)).toEqual([7, 7])
    expect(manifest.conflicts.map(({ classes, paths }) => [classes, paths.length])).toEqual([[["a", "b"], 16]])
    expect(new Set(manifest.images.filter((one) => one.path.includes("white")).map((one) => one.split)).size).toBe(1)
    expect(manifest.leaks).toBe(0)
  })

  it("drop stops where it would leave out a large share that are no exact copies, and says how to go on", async () => {
    const many = path.join(folder, "augmented")
    for (const name of ["a", "b"]) {
      await fill(many, name, 12)
      for (let i = 0; i < 12; i++) {
        const brighter = image(`${name}${i}`).linear(1.05, 0)
        writeFiles(many, { [`${name}/brighter${i}.png`]: await brighter.png().toBuffer() })
      }
    }
    const failure = await failureOf(many)
    expect(failure).toMatchObject({ badInput: true, actual: "24 of 48 (50 %)" })
    expect(failure.toDo).toContain("split.dropAtMost")
    expect((await manifestOf(many, { dropAtMost: 0.5 }, "many-dropped")).images).toHaveLength(24)
    expect((await manifestOf(many, { duplicates: "group" }, "many-grouped")).images).toHaveLength(48)
  })

  it("groupBy keeps together what its capture names", async () => {
    const manifest = await manifestOf(root, { groupBy: "/([0-9])[^/]*$" }, "groupby")
    for (const digit of "0123456789") {
      const of = manifest.images.filter(({ path: name }) => name.split("/")[1]!.startsWith(digit))
      expect(new Set(of.map((one) => one.split)).size).toBeLessThanOrEqual(1)
    }
  })

  it("limits take some images of some classes, and say how many were left", async () => {
    const manifest = await manifestOf(root, { perClass: 5 }, "limited")
    expect(manifest.counts.map((one) => one.beyondLimit)).toEqual([10, 8])
    expect(manifest.images.length + manifest.counts.reduce((sum, one) => sum + one.dropped, 0)).toBe(10)
  })
})

describe("layouts", () => {
  const noticesOf = async (images: string, params: unknown = {}): Promise<ReadonlyArray<string>> => {
    const notices: Array<string> = []
    await Effect.runPromise(
      runStage(split, {
        params,
        inputs: { images },
        to: path.join(folder, "notices"),
        notice: (text) => Effect.sync(() => void notices.push(text))
      }).pipe(Effect.provide(NodeServices.layer))
    )
    return notices
  }
  const place = async (root: string, at: string, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) writeFiles(root, { [`${at}/${i}.png`]: await png(`${at}${i}`) })
  }
  const splitOf = (manifest: Manifest, start: string) =>
    new Set(manifest.images.filter(({ path: file }) => file.startsWith(start)).map((one) => one.split))

  it("train, val and test with the classes below are the split (images/01)", async () => {
    const root = path.join(folder, "given")
    for (const name of ["cat", "dog"]) {
      await place(root, `train/${name}`, 6)
      await place(root, `Valid/${name}`, 2)
      await place(root, `test/${name}`, 2)
    }
    // the same image in train and test
    writeFiles(root, { "test/cat/leak.png": await png("train/cat0") })
    const manifest = await manifestOf(root, {}, "given-out")
    expect(manifest.classes).toEqual(["cat", "dog"])
    expect(manifest.given).toEqual(["train", "validation", "test"])
    expect([...splitOf(manifest, "train/")]).toEqual(["train"])
    expect([...splitOf(manifest, "Valid/")]).toEqual(["validation"])
    expect([...splitOf(manifest, "test/")]).toEqual(["test"])
    expect(manifest.images).toHaveLength(21)
    expect(manifest.leaks).toBe(1)
    const [said] = await noticesOf(root)
    expect(said).toBe(
      "the split is that of the folders (train, validation, test); 1 group of near-duplicates in more than one split; 21 images of 2 classes used"
    )
  })

  it("classes with the same images are told in the terminal too", async () => {
    const root = path.join(folder, "twice")
    for (let i = 0; i < 6; i++) {
      writeFiles(root, { [`left/${i}.png`]: await png(`same${i}`), [`right/r${i}.png`]: await png(`same${i}`) })
    }
    expect(await noticesOf(root)).toEqual([
      "6 groups of near-duplicates have different labels; 12 images of 2 classes used"
    ])
  })

  it("what it lacks is drawn from train", async () => {
    const root = path.join(folder, "given-two")
    for (const name of ["cat", "dog"]) {
      await place(root, `train/${name}`, 20)
      await place(root, `test/${name}`, 3)
    }
    const manifest = await manifestOf(root, {}, "given-two-out")
    expect(manifest.given).toEqual(["train", "test"])
    expect([...splitOf(manifest, "train/")].sort()).toEqual(["train", "validation"])
    expect([...splitOf(manifest, "test/")]).toEqual(["test"])
    for (const { validation, train } of manifest.counts) {
      expect(validation).toBeGreaterThanOrEqual(2)
      expect(validation).toBeLessThanOrEqual(4)
      expect(train + validation).toBe(20)
    }
  })

  it("a given split that lacks a class is bad input", async () => {
    const root = path.join(folder, "given-lacks")
    for (const name of ["train/cat", "train/dog", "test/cat"]) await place(root, name, 6)
    const failure = await failureOf(root)
    expect(failure.badInput).toBe(true)
    expect(failure.message).toContain('test has no "dog"')
  })

  it("train among other vehicles is a class", async () => {
    const vehicles = path.join(folder, "vehicles")
    for (const name of ["bus", "car", "train"]) await place(vehicles, name, 4)
    expect((await manifestOf(vehicles, {}, "vehicles-out")).classes).toEqual(["bus", "car", "train"])
  })

  it("train and test are no classes, with images right in them or under longer names", async () => {
    const flat = path.join(folder, "train-test")
    for (const name of ["train", "test"]) await place(flat, name, 4)
    const failure = await failureOf(flat)
    expect(failure.message).toContain("found no folder of a class, but 8 images")
    expect(failure.message).toContain("Make a folder for each class")
    const named = path.join(folder, "named")
    for (const at of ["seg_train/cat", "seg_train/dog", "seg_test/cat", "seg_test/dog"]) await place(named, at, 6)
    await place(named, "seg_train", 1)
    const manifest = await manifestOf(named, {}, "named-out")
    expect(manifest).toMatchObject({ classes: ["cat", "dog"], given: ["train", "test"] })
    expect(manifest.setAside).toEqual([{ path: "seg_train/0.png", class: "", reason: "outside any class folder" }])
  })

  it("a test set without labels, as Kaggle's are, gives no split: train is split", async () => {
    const root = path.join(folder, "unlabelled")
    for (const name of ["cat", "dog"]) await place(root, `train/${name}`, 8)
    await place(root, "test", 5)
    const manifest = await manifestOf(root, {}, "unlabelled-out")
    expect(manifest.given).toBeUndefined()
    expect(manifest.counts.map(({ class: name, test }) => [name, test > 0])).toEqual([
      ["cat", true],
      ["dog", true]
    ])
    expect(await noticesOf(root)).toEqual(["5 files set aside: outside any class folder; 16 images of 2 classes used"])
  })

  it("a name is that of one class in either Unicode form", async () => {
    const root = path.join(folder, "forms")
    for (const at of ["train/caf\u00e9", "train/tea", "test/cafe\u0301", "test/tea"]) await place(root, at, 6)
    const manifest = await manifestOf(root, {}, "forms-out")
    expect(manifest).toMatchObject({ classes: ["caf\u00e9", "tea"], given: ["train", "test"] })
    expect([...splitOf(manifest, "test/cafe\u0301/")]).toEqual(["test"])
  })

  it("a class whose name begins with a dot is told", async () => {
    const root = path.join(folder, "dotted")
    for (const name of [".net", "java", "python"]) await place(root, name, 4)
    const manifest = await manifestOf(root, {}, "dotted-out")
    expect(manifest.classes).toEqual(["java", "python"])
    expect(manifest.setAside).toEqual([
      { path: ".net", class: "", reason: "hidden folder: its name begins with a dot" }
    ])
  })

  it("frames of videos that are in several splits are told, with the pattern that keeps them together", async () => {
    const root = path.join(folder, "videos")
    for (const name of ["run", "walk"])
      for (let video = 0; video < 6; video++)
        for (let i = 0; i < 6; i++)
          writeFiles(root, { [`${name}/v${video}_frame${i}.png`]: await png(`${name}${video}${i}`) })
    const [said] = await noticesOf(root)
    const [, groupBy = ""] =
      /file names look like 12 sequences, such as run\/v0_frame, .*groupBy=(.*)'/u.exec(said!) ?? []
    expect(groupBy).not.toBe("")
    const manifest = await manifestOf(root, { groupBy }, "videos-out")
    expect(new Set(manifest.images.map(({ group }) => group)).size).toBe(12)
    expect(await noticesOf(root, { groupBy })).toEqual([])
  })

  it("an archive and a table are named, with the next step", async () => {
    const zipped = path.join(folder, "zipped")
    writeFiles(zipped, { "images.zip": "PK" })
    expect((await failureOf(zipped)).message).toMatch(/no folder of a class, but images\.zip\)\. Unpack images\.zip/u)
    const table = path.join(folder, "table")
    await place(table, "images", 4)
    writeFiles(table, { "labels.csv": "0.png,cat" })
    expect((await failureOf(table)).message).toContain(
      'found only the class "images", and labels.csv). Arrange the images as <folder>/<class>/<image>, as the table says'
    )
  })

  // images/19-nested-or-flat-folder-hint
  it("nested and flat folders are told with the next step", async () => {
    const nested = path.join(folder, "nested")
    for (const name of ["cat", "dog", "fox"]) await place(nested, `dataset/dataset/${name}`, 3)
    const one = await failureOf(nested)
    expect(one.message).toContain(
      "Give the folder that holds the class folders: dataset/dataset below it has cat, dog, fox"
    )
    const flat = path.join(folder, "flat")
    writeFiles(flat, { "a.png": await png("a"), "b.png": await png("b"), "labels.csv": "a.png,cat" })
    const other = await failureOf(flat)
    expect(other.message).toContain("found no folder of a class, but 2 images, labels.csv")
    expect(other.message).toContain("Make a folder for each class")
  })

  // images/10-terminal-says-nothing-of-losses
  it("files of several images, and the range of more than eight bits, are told", async () => {
    const root = path.join(folder, "cells")
    const cell = (name: string, white: number): Promise<Buffer> => {
      const random = Random.make(1, name)
      const levels = Uint16Array.from({ length: 64 }, () => random.int(white))
      const deep = sharp(levels, { raw: { width: 8, height: 8, channels: 1 } }).resize(32, 32, { kernel: "nearest" })
      return deep.toColourspace("grey16").png().toBuffer()
    }
    const frames = (name: string): Promise<Buffer> =>
      image(name, 16)
        .raw()
        .toBuffer()
        .then((raw) =>
          sharp(raw, { raw: { width: 16, height: 8, channels: 3, pageHeight: 4 } })
            .gif()
            .toBuffer()
        )
    for (const name of ["dim", "bright"]) {
      for (let i = 0; i < 5; i++)
        writeFiles(root, { [`${name}/${i}.png`]: await cell(`${name}${i}`, name === "dim" ? 800 : 3000) })
      writeFiles(root, { [`${name}/film.gif`]: await frames(`${name} film`) })
    }
    const manifest = await manifestOf(root, {}, "cells-out")
    expect(manifest.white).toBe(4095)
    expect(manifest.firstOfSeveral).toBe(2)
    expect(await noticesOf(root)).toEqual([
      "2 files hold several images (stacks, animations), of which the first is used; 12 images of 2 classes used"
    ])
  })

  it("what was left out is said, with the most frequent reason", async () => {
    const root = path.join(folder, "losses")
    for (const name of ["cat", "dog"]) {
      await place(root, name, 5)
      for (let i = 0; i < 9; i++) writeFiles(root, { [`${name}/bad${i}.jpg`]: "<html>404</html>" })
    }
    writeFiles(root, { "cat/copy.png": await png("cat0") })
    expect(await noticesOf(root)).toEqual([
      "18 files set aside: a web page, not an image: the download failed; 1 near-duplicate dropped; 10 images of 2 classes used"
    ])
    const whole = path.join(folder, "whole")
    for (const name of ["cat", "dog"]) await place(whole, name, 4)
    expect(await noticesOf(whole)).toEqual([])
  })
})
