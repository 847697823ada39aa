/** Texts of charts keep their place for a reader who lacks the charts' font: they are as wide as they were measured to be. */
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, it } from "vitest"
import { classBalance } from "../../charts/Classes.ts"
import { type Fonts, fontsFor, textWidth } from "../../charts/Fonts.ts"
import { fitted, makeRenderer, type Renderer } from "../../charts/Render.ts"
import { plainXml } from "../../charts/Xml.ts"

const names = ["Magnificent frigatebird", "WWWWWWWWWW & Söhne", "Жёлтая трясогузка", "ሰላም"]

let fonts: Fonts
let renderer: Renderer
beforeAll(async () => {
  const all = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>) =>
    Effect.runPromise(Effect.provide(effect, NodeServices.layer))
  fonts = await all(fontsFor(names))
  renderer = await all(makeRenderer(names))
})

/** Content, size, and the width that it is drawn with. */
const textsOf = (svg: string) =>
  Array.from(svg.matchAll(/<text([^>]*)>([^<]*)<\/text>/gu), ([, attributes = "", content = ""]) => ({
    content: plainXml(content),
    size: Number(/font-size="([\d.]+)/u.exec(attributes)?.[1]),
    anchor: /text-anchor="(\w+)"/u.exec(attributes)?.[1],
    length: Number(/textLength="([\d.]+)"/u.exec(attributes)?.[1] ?? Number.NaN)
  }))

describe("the balance of classes with wide names", () => {
  it("has each name in the room that is left for it, whatever the reader's font", async () => {
    const counts = names.map((name, k) => ({
      ...{ class: name, found: 9, setAside: 0, beyondLimit: 0, dropped: 0 },
      ...{ train: 5 + k, validation: 2, test: 2 }
    }))
    const svg = renderer.fitted(await Effect.runPromise(renderer.svg(classBalance(counts))))
    // the plot begins where the longest name ends
    const room = Number(/translate\(([\d.]+),/u.exec(svg)![1])
    const found = textsOf(svg).filter(({ anchor, content }) => anchor === "end" && names.includes(content))
    expect(found.map(({ content }) => content)).toEqual(names)
    for (const { content, size, length } of found.slice(0, 3)) {
      expect(length).toBeCloseTo(textWidth(fonts, content, size), 0)
      expect(length).toBeLessThan(room)
    }
    // no font that is installed has these letters, so their width is a guess, and the browser knows better
    expect(found[3]!.length).toBeNaN()
  })
})

describe("a text", () => {
  it("is measured by its weight, without markup, and not where it is one letter", () => {
    const of = (attributes: string, content: string): number =>
      textsOf(fitted(fonts, `<text font-size="20"${attributes}>${content}</text>`))[0]!.length
    expect(of("", "Brier &#38; ECE")).toBeCloseTo(textWidth(fonts, "Brier & ECE", 20), 0)
    expect(of(' font-weight="600"', "Brier")).toBeCloseTo(textWidth(fonts, "Brier", 20, "semiBold"), 0)
    expect(of(' font-weight="600"', "Brier")).toBeGreaterThan(of("", "Brier"))
    expect(of("", "0")).toBeNaN()
  })

  it("from right to left has no room for what keeps it apart", () => {
    expect(textWidth(fonts, "\u2068cat\u2069", 12)).toBe(textWidth(fonts, "cat", 12))
  })
})
