/** The page of `predict --html`: escaped, self-contained, with every image, and legible in dark, light and on a phone. */
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import sharp from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import * as Page from "../../../../stages/lib/report/PredictionPage.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"
import { browser, onPage, readers, violations } from "../violations.ts"

const folder = temporaryFolder()
const file = path.join(folder, "page.html")
let page = ""

beforeAll(async () => {
  const image = path.join(folder, "wide.png")
  await sharp({ create: { width: 900, height: 300, channels: 4, background: { r: 200, g: 40, b: 40, alpha: 0.5 } } })
    .png()
    .toFile(image)
  const uri = await Effect.runPromise(Page.imageUri(readFileSync(image)))
  const inputUri = await Effect.runPromise(Page.inputUri(new Uint8Array(20 * 20 * 3).fill(90), 20))
  const evidence = { size: 2, values: Float64Array.of(0, 1, 0, 0), from: 4, step: 8 }
  const evidenceUri = await Effect.runPromise(Page.evidenceUri(new Uint8Array(20 * 20 * 3).fill(90), evidence, 20))
  page = Page.renderPredictions({
    images: [
      {
        image: "holiday/<img onerror=x>.png",
        uri,
        inputUri,
        evidence: { class: "<long> name", uri: evidenceUri },
        top: [
          {
            activation: "softmax",
            classes: [
              { class: 'a "quoted" & <long> class name that has no end and goes on', probability: 0.62 },
              { class: "花", probability: 0.3 },
              { class: "c", probability: 0.001 }
            ]
          },
          { activation: "sparsemax", classes: [{ class: "花", probability: 1 }] }
        ]
      },
      { image: "over.png", uri, inputUri, evidence: undefined, top: [{ activation: "softmax-classic", classes: [] }] },
      { image: "letter.txt", error: "letter.txt cannot be read (expected an image, but found <text>)" }
    ],
    network: "tells 3 classes apart",
    from: [["result", "0123456789ab"]]
  })
  writeFileSync(file, page)
})

describe("the page", () => {
  it("escapes what it is given and fetches nothing", () => {
    expect(page).not.toMatch(/<img onerror|<long>|<text>/)
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//)
    expect(page.match(/<img (?![^>]*alt=)/g)).toBeNull()
  })

  it("says all: images, classes, what overflowed, what could not be read, where it comes from", () => {
    for (const said of [
      "2 images, and 1 that could not",
      "62.0",
      "花",
      "Overflow",
      "letter.txt",
      "0123456789ab",
      "what speaks for &#60;long&#62; name"
    ])
      expect(page).toContain(said)
  })

  it("shows an image no larger than it must be, in its own proportions", async () => {
    const uri = /class="image" src="data:image\/jpeg;base64,([^"]+)"/.exec(page)![1]!
    const { width, height } = await sharp(Buffer.from(uri, "base64")).metadata()
    expect([width, height]).toEqual([480, 160])
  })
})

describe.skipIf(browser === undefined)("in a browser", () => {
  it.each([
    { width: 1100, colorScheme: "dark" },
    { width: 1100, colorScheme: "light" },
    { width: 390, colorScheme: "light" }
  ] as const)("$width px, $colorScheme: nothing overflows, every image is there", async ({ width, colorScheme }) => {
    await onPage({ viewport: { width, height: 900 }, colorScheme }, async (opened) => {
      const said: Array<string> = []
      opened.on("console", (message) => said.push(message.text()))
      await opened.goto(`file://${file}`)
      expect(await opened.evaluate("document.documentElement.scrollWidth")).toBe(width)
      const sizes = "Array.from(document.images, (one) => one.naturalWidth)"
      expect(await opened.evaluate(sizes)).toEqual([480, 20, 224, 480, 20])
      const colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
      expect(await opened.evaluate(colours)).toEqual(
        colorScheme === "dark" ? ["rgb(230, 234, 239)", "rgb(20, 24, 29)"] : ["rgb(29, 36, 44)", "rgb(255, 255, 255)"]
      )
      expect(said).toEqual([])
    })
  })

  it.each(readers)("axe finds no violation at $width px, $colorScheme", async ({ width, colorScheme }) => {
    await onPage({ viewport: { width, height: 900 }, colorScheme }, async (opened) => {
      await opened.goto(`file://${file}`)
      expect(await violations(opened)).toEqual([])
    })
  })
})
