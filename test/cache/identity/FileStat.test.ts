/** A file is the same while all four of its figures are, however they are kept; and a young one is not believed. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as FileStat from "../../../cache/identity/FileStat.cjs"

const stat = fc.record({
  sizeBytes: fc.nat(3),
  mtimeMs: fc.constantFrom(5_000, 5_000.25, 5_001),
  ctimeMs: fc.constantFrom(5_000, 5_000.25, 5_001),
  inode: fc.nat(3)
})

describe("a file", () => {
  it("is the same by every way of comparing, or by none", () => {
    fc.assert(
      fc.property(fc.option(stat, { nil: undefined }), fc.option(stat, { nil: undefined }), (before, now) => {
        const same = JSON.stringify(FileStat.figuresOf(before)) === JSON.stringify(FileStat.figuresOf(now))
        expect(FileStat.isSame(before, now)).toBe(same)
        expect(FileStat.isAsBefore(FileStat.figuresOf(before), now)).toBe(same)
        if (before === undefined || now === undefined) return
        const figures = new Float64Array(3 * FileStat.figureCount)
        FileStat.writeFigures(figures, FileStat.figureCount, before)
        expect(FileStat.hasFigures(figures, FileStat.figureCount, now)).toBe(same)
        expect(Array.from(figures.subarray(FileStat.figureCount, 2 * FileStat.figureCount))).toEqual(
          FileStat.figuresOf(before)
        )
      }),
      { numRuns: 500 }
    )
  })

  it("is not believed within the clock's tick, and for two seconds where times are whole seconds", () => {
    const at = (ms: number): FileStat.FileStat => ({ sizeBytes: 3, mtimeMs: ms, ctimeMs: ms, inode: 7 })
    expect(FileStat.isRacy(at(5_000), 6_900)).toBe(true)
    expect(FileStat.isRacy(at(5_000), 7_200)).toBe(false)
    expect(FileStat.isRacy(at(5_000.25), 5_040)).toBe(true)
    expect(FileStat.isRacy(at(5_000.25), 5_100)).toBe(false)
  })
})
