/** Curves out of documents, and the page that they are drawn on. */
import { describe, expect, it } from "vitest"
import * as Curves from "../../../cli/compare/Curves.ts"
import * as Page from "../../../cli/compare/Page.ts"

describe("series", () => {
  it("are lists of numbers, and fields of lists of records by the field that says where", () => {
    expect(Curves.seriesIn([3, 4])).toEqual([
      {
        name: "",
        x: "index",
        points: [
          [1, 3],
          [2, 4]
        ]
      }
    ])
    const epochs = [
      { epoch: 2, loss: 1, norm: { a: 5 } },
      { epoch: 3, loss: null, norm: { a: 6 }, note: "x" }
    ]
    expect(Curves.seriesIn({ name: "x", best: 2, epochs, classes: ["a"], none: [] })).toEqual([
      { name: "epochs.loss", x: "epoch", points: [[2, 1]] },
      {
        name: "epochs.norm.a",
        x: "epoch",
        points: [
          [2, 5],
          [3, 6]
        ]
      }
    ])
    expect(Curves.seriesIn([{ a: 1 }, { a: 2 }])).toEqual([
      {
        name: "a",
        x: "index",
        points: [
          [1, 1],
          [2, 2]
        ]
      }
    ])
  })
})

describe("ticks", () => {
  it.each([
    [0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [-3, 17, 5, [0, 5, 10, 15]],
    [1, 20, 8, [5, 10, 15, 20]],
    [0.00012, 0.00018, 4, [0.00012, 0.00014, 0.00016, 0.00018]]
  ])("from %f to %f, at most %i", (from, to, most, ticks) => {
    expect(Page.ticksOf(from, to, most)).toEqual(ticks)
  })
})

describe("ticks of whole numbers", () => {
  it("are whole", () => {
    expect(Page.ticksOf(1, 2, 8, 1)).toEqual([1, 2])
    expect(Page.ticksOf(1, 20, 8, 1)).toEqual([5, 10, 15, 20])
  })
})

describe("many points", () => {
  it("lose no peak", () => {
    const points = Array.from({ length: 10_000 }, (_, at) => [at, at === 5001 ? 9 : at === 7003 ? -9 : at % 2] as const)
    const few = Page.thinned(points, 200)
    expect(few.length).toBeLessThanOrEqual(200)
    expect(few).toContainEqual([5001, 9])
    expect(few).toContainEqual([7003, -9])
    expect(few.every(([x], at) => at === 0 || x >= few[at - 1]![0])).toBe(true)
  })
})

describe("a page", () => {
  const page = (points: ReadonlyArray<Curves.Point>, name = "train.history.loss"): string =>
    Page.of({
      pipeline: "<i>p</i>",
      names: [{ runId: "r", variant: "a&b", label: '<script>"' }],
      charts: [{ name, label: name, x: "epoch", curves: [{ runId: "r", variant: "a&b", points }] }]
    })

  it("takes no name for markup, and nothing from elsewhere", () => {
    const text = page([[1, 2]], "<b>loss</b>")
    expect(text).not.toMatch(/<script|<b>|<i>p/u)
    expect(text).not.toMatch(/https?:|src=|url\(/u)
    expect(text.startsWith(Page.mark)).toBe(true)
  })

  it.each([
    ["one point", [[1, 2]]],
    [
      "a constant of zero",
      [
        [1, 0],
        [2, 0]
      ]
    ],
    ["no point", []],
    [
      "tiny and huge values",
      [
        [1, 1e-12],
        [2, 1e12]
      ]
    ]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<Curves.Point>]>)(
    "draws %s at places that are numbers",
    (_, points) => {
      expect(page(points)).not.toMatch(/NaN|Infinity/u)
    }
  )
})
