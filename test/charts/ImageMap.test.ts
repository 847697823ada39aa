/** Names on the map of images stand near their class and never on top of each other. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { spreadNames } from "../../charts/ImageMap.ts"

const ends = [0, 1] as const
const height = 500

describe("names on the map", () => {
  it("stay where they are when they are apart", () => {
    const names = [
      { label: "birds", x: 0.1, y: 0.2 },
      { label: "clocks", x: 0.1, y: 0.8 },
      { label: "faces", x: 0.9, y: 0.2 }
    ]
    const moved = spreadNames(names, ends, ends)
    for (const [i, { label, x, y }] of moved.entries()) {
      expect(label).toBe(names[i]!.label)
      expect(x).toBeCloseTo(names[i]!.x, 12)
      expect(y).toBeCloseTo(names[i]!.y, 12)
    }
  })

  it("move inwards where they would reach beyond the map, however long they are", () => {
    const names = [
      { label: "pneumonoultramicroscopicsilicovolcanoconiosis", x: 1, y: 0.2 },
      { label: "Magnificent frigatebird in full breeding plumage", x: 0, y: 0.8 }
    ]
    const [right, left] = spreadNames(names, ends, ends)
    // half of what is left of a name, and a gap
    expect([left!.x, 1 - right!.x].map((each) => each * 660)).toEqual([expect.closeTo(88, 9), expect.closeTo(88, 9)])
  })

  it("are parted when they lie in one heap, also on the very same place", () => {
    const place = fc.record({
      label: fc.string({ minLength: 3, maxLength: 16 }),
      x: fc.double({ min: 0.495, max: 0.505, noNaN: true }),
      y: fc.double({ min: 0.45, max: 0.5, noNaN: true })
    })
    fc.assert(
      fc.property(fc.array(place, { minLength: 2, maxLength: 18 }), (names) => {
        const moved = spreadNames([...names, names[0]!], ends, ends)
        const lines = moved.map(({ y }) => y * height).sort((a, b) => a - b)
        // all of them overlap sideways, so no two may be nearer than a line
        for (const [i, line] of lines.slice(1).entries()) expect(line - lines[i]!).toBeGreaterThan(11)
      })
    )
  })
})
