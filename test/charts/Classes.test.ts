/** Charts of many classes: by their ends. */
import { expect, it } from "vitest"
import { barsAtEnds, classBalance, mostBars } from "../../charts/Classes.ts"
import { imageMap } from "../../charts/ImageMap.ts"

const countsOf = (classes: number) =>
  Array.from({ length: classes }, (_, k) => ({
    class: `class ${k}`,
    found: k,
    setAside: 0,
    beyondLimit: 0,
    dropped: 0,
    train: k,
    validation: 0,
    test: 0
  }))

const barsOf = (classes: number): ReadonlyArray<string> => {
  const { data } = classBalance(countsOf(classes)) as { data: { values: ReadonlyArray<{ class: string }> } }
  return [...new Set(data.values.map((row) => row.class))]
}

// images/20-thousand-classes-report
it("the balance of few classes has all, of many the largest and the smallest", () => {
  expect(barsOf(mostBars)).toHaveLength(mostBars)
  const bars = barsOf(1000)
  expect(bars).toHaveLength(2 * barsAtEnds)
  expect(bars[0]).toBe("class 999")
  expect(bars.at(-1)).toBe("class 0")
})

it("the map tells right from wrong by colour and shape, and names few classes only", () => {
  const of = (classes: number) => {
    const names = countsOf(classes).map((one) => one.class)
    const points = names.map((label, k) => ({ x: k, y: k % 7, label, right: k % 2 === 0 }))
    const { layer } = imageMap(points, names, ["x", "y"]) as unknown as {
      layer: ReadonlyArray<{ data: { values: ReadonlyArray<unknown> }; encoding: { color?: { field: string } } }>
    }
    return { names: layer[1]!.data.values.length, colour: layer[0]!.encoding.color!.field }
  }
  expect(of(18)).toEqual({ names: 18, colour: "prediction" })
  expect(of(100)).toEqual({ names: 0, colour: "prediction" })
})
