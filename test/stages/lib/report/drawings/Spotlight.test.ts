/** What speaks for a class, drawn into an image: where it lies, and what is left of the rest. */
import { describe, expect, it } from "vitest"
import { atPixels, spotlight } from "../../../../../stages/lib/report/drawings/Spotlight.ts"

/** One value of nine. */
const middle = { size: 3, values: Float64Array.of(0, 0, 0, 0, 5, 0, 0, 0, 0), from: 2, step: 4 }

describe("evidence at pixels", () => {
  it("is most at the middle of what a value sees, and falls in a straight line to the next", () => {
    const share = atPixels(middle, 13)
    const at = (row: number, column: number): number => share[row * 13 + column]!
    expect(at(6, 6)).toBe(1)
    expect(at(6, 8)).toBe(0.5)
    expect(at(4, 6)).toBe(0.5)
    expect(at(4, 4)).toBe(0.25)
    expect(at(6, 10)).toBe(0)
    expect(at(2, 6)).toBe(0)
  })

  it("goes on beyond the outermost middles, and is none where nothing speaks for a class", () => {
    const corner = { ...middle, values: Float64Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0) }
    expect(atPixels(corner, 13)[0]).toBe(1)
    expect(Math.max(...atPixels({ ...middle, values: new Float64Array(9) }, 13))).toBe(0)
  })
})

it("leaves an image as it is where the evidence is, and makes it grey and flat elsewhere", () => {
  const levels = new Uint8Array(13 * 13 * 3)
  for (let i = 0; i < levels.length; i += 3) levels.set([250, 10, 10], i)
  const drawn = spotlight(levels, middle, 13)
  const at = (row: number, column: number) =>
    Array.from(drawn.subarray((row * 13 + column) * 3, (row * 13 + column) * 3 + 3))
  expect(at(6, 6)).toEqual([250, 10, 10])
  // a quarter of the way from 128 to the light of the colour, which is 90
  expect(at(0, 0)).toEqual([119, 119, 119])
})
