/** The demo set: what is written, what is recognised, what is left alone. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import sharp from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import { writeEmoji } from "../../demo/Emoji.ts"
import { emojiClasses, emojiGroupBy } from "../../demo/EmojiClasses.ts"
import { loadEmoji } from "../../demo/EmojiPackages.ts"
import { type Drawing, planEmoji } from "../../demo/EmojiPlan.ts"
import { SplitParams } from "../../schemas/Split.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const folder = temporaryFolder()

const write = (dir: string, perClass = 7) =>
  Effect.runPromise(
    writeEmoji({ dir: path.join(folder, dir), perClass, cacheDir: path.join(folder, "cache"), notify: () => {} }).pipe(
      Effect.provide(NodeServices.layer)
    )
  )

const filesBelow = (dir: string): ReadonlyArray<string> =>
  readdirSync(path.join(folder, dir), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".png"))
    .sort()

describe("the plan of the whole set", () => {
  let drawings: ReadonlyArray<Drawing> = []
  beforeAll(async () => {
    const { sources } = await Effect.runPromise(
      loadEmoji(path.join(folder, "cache"), () => {}).pipe(Effect.provide(NodeServices.layer))
    )
    drawings = planEmoji(sources, 256, 280)
  })

  it("has 18 classes and about 3,700 images, none of a skin tone", () => {
    expect(new Set(drawings.map((one) => one.class)).size).toBe(18)
    expect(drawings.length).toBeGreaterThan(3600)
    expect(drawings.length).toBeLessThan(3800)
    expect(drawings.filter((one) => /1f3f[b-f]/.test(one.path))).toEqual([])
    expect(new Set(drawings.map((one) => one.path)).size).toBe(drawings.length)
    for (const name of Object.keys(emojiClasses)) {
      expect(drawings.filter((one) => one.class === name).length).toBeGreaterThan(90)
    }
  })

  it("names files so that groupBy finds the emoji", () => {
    const pattern = new RegExp(emojiGroupBy, "u")
    for (const { path: name } of drawings) {
      const code = pattern.exec(name)?.[1]
      expect(name).toMatch(new RegExp(`/${code}-`))
    }
    expect(pattern.exec("people/face-1.jpg")).toBeNull()
    expect(Schema.decodeUnknownSync(SplitParams)({ groupBy: emojiGroupBy }).groupBy).toBe(emojiGroupBy)
  })
})

describe("writing", () => {
  beforeAll(() => write("set"))

  it("writes images on white in folders by class, and who drew them", async () => {
    const files = filesBelow("set")
    expect(files.length).toBeGreaterThan(18 * 4)
    const image = path.join(folder, "set", files[0]!)
    const { width, height, channels } = await sharp(image).metadata()
    expect([width, height, channels]).toEqual([256, 256, 3])
    const readme = readFileSync(path.join(folder, "set", "README.md"), "utf8")
    for (const licence of ["Apache 2.0", "CC BY 4.0", "CC BY-SA 4.0", "MIT"]) expect(readme).toContain(licence)
    expect(readme).toContain("OpenMoji")
  })

  it("gives the same bytes every time", async () => {
    await write("again")
    expect(filesBelow("again")).toEqual(filesBelow("set"))
    for (const file of filesBelow("set")) {
      expect(readFileSync(path.join(folder, "again", file)).equals(readFileSync(path.join(folder, "set", file)))).toBe(
        true
      )
    }
  })

  it("recognises a whole set, and makes a broken one anew", async () => {
    expect((await write("set")).written).toBe(false)
    const [first] = filesBelow("set")
    rmSync(path.join(folder, "set", first!))
    expect((await write("set")).written).toBe(true)
    expect(existsSync(path.join(folder, "set", first!))).toBe(true)
    expect(readdirSync(folder).filter((name) => name.startsWith(".op-pipe-emoji"))).toEqual([])
  })

  it("leaves a folder of another kind alone", async () => {
    writeFiles(path.join(folder, "mine"), { "cats/1.png": "mine" })
    await expect(write("mine")).rejects.toThrow(/other files than the demo set/)
    expect(readFileSync(path.join(folder, "mine", "cats", "1.png"), "utf8")).toBe("mine")
  })
})
