/** Names of classes in drawings: of forty letters they stay in their place, and from right to left they keep theirs. */
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, it } from "vitest"
import { type Fonts, fontsFor, shortened, textWidth } from "../../../../../charts/Fonts.ts"
import type { Example } from "../../../../../schemas/Compare.ts"
import type { LookedAt } from "../../../../../stages/lib/report/Data.ts"
import { drawPredictions } from "../../../../../stages/lib/report/drawings/Drawings.ts"
import { drawLookedAt } from "../../../../../stages/lib/report/drawings/LookedAt.ts"
import { isolated, labelSize } from "../../../../../stages/lib/report/drawings/Svg.ts"

const classes = ["Magnificent frigatebird in full breeding plumage", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", "قطة"]

let fonts: Fonts
beforeAll(async () => {
  fonts = await Effect.runPromise(Effect.provide(fontsFor([...classes, "…"]), NodeServices.layer))
})
const shorten = (name: string, room: number): string => shortened(fonts, name, room, labelSize)

/** Each text of a drawing: where it begins and ends, and its line. */
const textsOf = (svg: string) =>
  Array.from(svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</g), ([, x, y, content]) => ({
    content: content!,
    line: Number(y),
    left: Number(x),
    right: Number(x) + textWidth(fonts, content!.replace(/[\u2068\u2069]/gu, ""), labelSize)
  }))

/** Texts that reach into the next one of their line, or out of the drawing. */
const colliding = (svg: string): ReadonlyArray<string> => {
  const width = Number(/width="(\d+)"/.exec(svg)![1])
  const texts = textsOf(svg)
  return texts
    .filter(
      ({ left, right, line }) =>
        right > width || texts.some((next) => next.line === line && next.left > left && next.left < right + 4)
    )
    .map(({ content }) => content)
}

describe("what they looked at", () => {
  it("has names and shares that touch no others", () => {
    const of = (label: number, predicted: number): LookedAt => {
      const answer = { predicted, confidence: 1, right: label === predicted }
      const evidence = { bn: "data:,", nobn: "data:," }
      return { label, path: "a.png", uri: "data:,", bn: answer, nobn: answer, evidence }
    }
    const svg = drawLookedAt(classes, [of(0, 1), of(1, 0), of(1, 1), of(0, 2)], shorten)
    expect(textsOf(svg)).toHaveLength(4 * 7)
    expect(colliding(svg)).toEqual([])
    expect(svg).toContain(">100\u00a0% ✓<")
  })
})

describe("the predictions", () => {
  it("have names that end before the next image", () => {
    const top = classes.map((name) => ({ class: name, probability: 1 }))
    const of = (label: string): Example => ({ path: "a.png", label, softmax: top, sparsemax: top })
    const svg = drawPredictions(classes.map(of), ["data:,", "data:,", "data:,"], shorten)
    expect(textsOf(svg)).toHaveLength(3 * 9)
    expect(colliding(svg)).toEqual([])
  })
})

describe("names from right to left", () => {
  it("stand apart from what follows them; others are as they are", () => {
    expect([isolated("قطة"), isolated("חתול"), isolated("花 cat")]).toEqual([
      "\u2068قطة\u2069",
      "\u2068חתול\u2069",
      "花 cat"
    ])
  })
})
