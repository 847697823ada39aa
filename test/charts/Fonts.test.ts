/** Names in other scripts than Inter has: drawn with a font from a package, measured, or said to be missing; never with the machine's. */
import { NodeServices } from "@effect/platform-node"
import { Resvg } from "@resvg/resvg-js"
import * as Effect from "effect/Effect"
import sharp from "sharp"
import { describe, expect, it } from "vitest"
import { explain, family, fontsFor, resvgFont, textWidth } from "../../charts/Fonts.ts"
import { makeRenderer } from "../../charts/Render.ts"
import * as ContactSheet from "../../stages/lib/report/drawings/ContactSheet.ts"

const fonts = (...texts: ReadonlyArray<string>) =>
  Effect.runPromise(fontsFor(texts).pipe(Effect.provide(NodeServices.layer)))

const isInstalled = (file: string): boolean => {
  try {
    import.meta.resolve(file)
    return true
  } catch {
    return false
  }
}
const japanese = isInstalled("@expo-google-fonts/biz-udpgothic/package.json")

/** Dark pixels of a text that is drawn with the fonts for it, and how far to the right they reach. */
const ink = async (text: string): Promise<{ readonly pixels: number; readonly right: number }> => {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="40" font-family="${family}"><rect width="300" height="40" fill="#fff"/><text x="0" y="30" font-size="20">${text}</text></svg>`
  const png = new Resvg(svg, { font: resvgFont(await fonts(text)) }).render().asPng()
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true })
  const dark = Array.from(data.keys()).filter((i) => data[i * info.channels]! < 128)
  return { pixels: dark.length, right: Math.max(0, ...dark.map((i) => i % info.width)) }
}

describe("Latin, Greek and Cyrillic", () => {
  it("need Inter alone", async () => {
    const { files, missing } = await fonts("Plain äé œ", "ελληνικά", "кириллица", "1 %…")
    expect(files.map((file) => file.split("/").at(-1))).toEqual(["Inter_400Regular.ttf", "Inter_600SemiBold.ttf"])
    expect(missing).toBeUndefined()
  })
})

describe.skipIf(!japanese)("Japanese (needs the optional package @expo-google-fonts/biz-udpgothic)", () => {
  it("is drawn, as wide as it is measured", async () => {
    const text = "海賊王ルフィ"
    const found = await fonts(text)
    expect(found.missing).toBeUndefined()
    expect(found.files).toHaveLength(3)
    const { pixels, right } = await ink(text)
    expect(pixels).toBeGreaterThan(300)
    const width = textWidth(found, text, 20)
    // the last letter ends a little before its advance does
    expect(right).toBeLessThanOrEqual(width)
    expect(right).toBeGreaterThan(width - 6)
  })

  it("stands in charts and on contact sheets", async () => {
    const program = Effect.gen(function* () {
      const renderer = yield* makeRenderer(["花"])
      const spec = (name: string) => ({
        data: { values: [{ name, n: 1 }] },
        mark: "bar" as const,
        encoding: { y: { field: "name", type: "nominal" as const }, x: { field: "n", type: "quantitative" as const } }
      })
      const chart = (name: string) => Effect.flatMap(renderer.svg(spec(name)), (svg) => renderer.png(svg, 1, "light"))
      expect(yield* chart("花")).not.toEqual(yield* chart("\u2003"))
      const tiles = [{ rgb: new Uint8Array(4 * 4 * 3), marked: true }]
      const sheet = (name: string) => ContactSheet.render([{ name, tiles }], 4)
      expect(yield* sheet("海賊")).not.toEqual(yield* sheet(" "))
      // what is too long is cut between letters, and is the same as what it is cut to
      const long = yield* sheet("海賊王に俺はなる海賊王に俺はなる")
      expect(long).toEqual(yield* sheet("海賊王に俺はなる海賊王に俺はなる"))
      expect(long).not.toEqual(yield* sheet("海賊"))
    })
    await Effect.runPromise(program.pipe(Effect.provide(NodeServices.layer)))
  })
})

describe("letters that no package has", () => {
  it("are named, with what to install where that is known", async () => {
    const { missing } = await fonts("ok", "ሰላም")
    expect(missing).toEqual({ letters: "ሰላም", install: null })
    expect(explain(missing!)).toBe("No font that is installed has ሰላም; PNG images show boxes instead.")
    const thai = (await fonts("ไทย")).missing
    if (!isInstalled("@expo-google-fonts/noto-sans-thai/package.json"))
      expect(explain(thai!)).toContain("npm install @expo-google-fonts/noto-sans-thai")
  })

  it("are not drawn with the machine's fonts, which would make the image depend on it", async () => {
    // a box is a box, whatever it stands for
    expect(await ink("ሰላም")).toEqual(await ink("ጀጃጄ"))
  })

  it("are listed once, and not all when they are many", async () => {
    const { missing } = await fonts("ሀሁሂሃሄህሆለሉሊላሌልሎሀሀ")
    expect(missing?.letters).toBe("ሀሁሂሃሄህሆለሉሊላሌ…")
  })

  it("do not count what has no shape: spaces, marks, joiners", async () => {
    expect((await fonts("a\u200d\u0301 \u00a0b\ufe0f")).missing).toBeUndefined()
  })
})
