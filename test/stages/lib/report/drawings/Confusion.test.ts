/** Confusion matrices that can be read: cells with numbers of few classes, one small picture of many. */
import { describe, expect, it } from "vitest"
import { drawConfusion } from "../../../../../stages/lib/report/drawings/Confusion.ts"

const namesOf = (classes: number): ReadonlyArray<string> => Array.from({ length: classes }, (_, k) => `<class> ${k}`)
/** Each class is taken for itself twice, and once for the next. */
const cellsOf = (classes: number) =>
  namesOf(classes).flatMap((_, label) => [
    { label, predicted: label, images: 2 },
    { label, predicted: (label + 1) % classes, images: 1 }
  ])
const drawn = (classes: number) =>
  drawConfusion({ bn: cellsOf(classes), nobn: cellsOf(classes) }, namesOf(classes), (name) => name)

describe("a confusion matrix", () => {
  it("has a cell for each pair that occurs, which says what it is, and mistakes can be chosen by it", async () => {
    const { bn, both } = await drawn(18)
    expect(bn.match(/<rect [^>]*fill="#2158b5"/gu)).toHaveLength(36)
    expect(bn.match(/data-cell="/gu)).toHaveLength(18)
    expect(bn).toContain('data-cell="3 4"><title>&#60;class&#62; 3 → &#60;class&#62; 4: 1 image</title>')
    expect(both).toContain("with BN")
    expect(both).toContain("without BN")
  })

  // images/20-thousand-classes-report: a matrix of 24,119 x 12,177 points
  it("of a thousand classes is one small picture without names", async () => {
    const { bn, both } = await drawn(1000)
    expect(bn).toContain("1,000 classes: true ones down")
    expect(bn).not.toContain("&#60;class&#62;")
    expect(both.length).toBeLessThan(200_000)
    expect(Number(/width="(\d+)"/u.exec(both)![1])).toBeLessThan(1000)
  })
})
