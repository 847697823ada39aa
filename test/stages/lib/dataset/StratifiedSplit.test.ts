/** Which split images go to: exact totals, whole groups, stratification, and independence of the order of files. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type SplitName, splitNames } from "../../../../schemas/Names.ts"
import { largestRemainder, quotas, stratifiedSplit, type Unit } from "../../../../stages/lib/dataset/StratifiedSplit.ts"

const fractions = { train: 0.7, validation: 0.15, test: 0.15 }

const singles = (counts: ReadonlyArray<number>): ReadonlyArray<Unit> =>
  counts.flatMap((count, c) =>
    Array.from({ length: count }, (_, i) => ({ name: `${c}/${i}`, counts: new Map([[c, 1]]) }))
  )

const totals = (units: ReadonlyArray<Unit>, splits: ReadonlyMap<string, SplitName>): ReadonlyArray<number> =>
  splitNames.map((name) =>
    units
      .filter((unit) => splits.get(unit.name) === name)
      .reduce((sum, unit) => sum + [...unit.counts.values()].reduce((a, b) => a + b, 0), 0)
  )

const inSplit = (units: ReadonlyArray<Unit>, splits: ReadonlyMap<string, SplitName>, c: number, name: SplitName) =>
  units.filter((unit) => splits.get(unit.name) === name).reduce((sum, unit) => sum + (unit.counts.get(c) ?? 0), 0)

describe("rounding", () => {
  it("3,705 images are 2,593, 556 and 556", () => {
    expect(largestRemainder(3705, [0.7, 0.15, 0.15])).toEqual([2593, 556, 556])
  })

  it("adds up, each within one of its share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60000 }), fc.double({ min: 0.05, max: 0.9, noNaN: true }), (n, train) => {
        const shares = [train, (1 - train) / 2, (1 - train) / 2]
        const rounded = largestRemainder(n, shares)
        expect(rounded.reduce((a, b) => a + b, 0)).toBe(n)
        for (const [i, share] of shares.entries()) expect(Math.abs(rounded[i]! - share * n)).toBeLessThan(1 + 1e-6)
      })
    )
  })
})

// 18 classes that add up to 3,705
const seedCounts = [150, 263, 180, 221, 205, 198, 240, 175, 231, 190, 212, 208, 199, 217, 186, 230, 194, 206]

describe("without groups", () => {
  it("the seed's totals are met exactly, stratified", () => {
    expect(seedCounts.reduce((a, b) => a + b, 0)).toBe(3705)
    const units = singles(seedCounts)
    const splits = stratifiedSplit(units, 18, fractions, 1)
    expect(totals(units, splits)).toEqual([2593, 556, 556])
    for (const [c, count] of seedCounts.entries()) {
      for (const name of splitNames) {
        // within one image of the class's own share, plus one to make the totals
        expect(Math.abs(inSplit(units, splits, c, name) - fractions[name] * count)).toBeLessThan(2)
      }
    }
  })

  it("quotas are met whatever the counts, and no class is missing from a split", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 3, max: 60 }), { minLength: 2, maxLength: 12 }),
        fc.nat(),
        (counts, seed) => {
          const units = singles(counts)
          const splits = stratifiedSplit(units, counts.length, fractions, seed)
          const wanted = quotas(counts, fractions)
          for (const [c, row] of wanted.entries()) {
            expect(row.reduce((a, b) => a + b, 0)).toBe(counts[c])
            expect(splitNames.map((name) => inSplit(units, splits, c, name))).toEqual(row)
            expect(Math.min(...row)).toBeGreaterThanOrEqual(1)
          }
        }
      ),
      { numRuns: 40 }
    )
  })

  it("does not depend on the order of files; another seed deals otherwise", () => {
    const units = singles([40, 50])
    const splits = stratifiedSplit(units, 2, fractions, 3)
    expect(new Map([...stratifiedSplit([...units].reverse(), 2, fractions, 3)].sort())).toEqual(
      new Map([...splits].sort())
    )
    expect(new Map([...stratifiedSplit(units, 2, fractions, 4)].sort())).not.toEqual(new Map([...splits].sort()))
  })
})

describe("with groups", () => {
  const grouped = fc
    .array(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 8, maxLength: 40 }), { minLength: 2, maxLength: 6 })
    .map((classes) =>
      classes.flatMap((sizes, c) => sizes.map((size, i): Unit => ({ name: `${c}/${i}`, counts: new Map([[c, size]]) })))
    )

  it("no group is in two splits, every class is in each, and shares are near", () => {
    fc.assert(
      fc.property(grouped, fc.nat(), (units, seed) => {
        const classCount = new Set(units.flatMap((unit) => [...unit.counts.keys()])).size
        const splits = stratifiedSplit(units, classCount, fractions, seed)
        // one answer a unit: a unit cannot be in two splits
        expect(splits.size).toBe(units.length)
        for (let c = 0; c < classCount; c++) {
          const count = units.reduce((sum, unit) => sum + (unit.counts.get(c) ?? 0), 0)
          for (const name of splitNames) {
            const have = inSplit(units, splits, c, name)
            expect(have).toBeGreaterThanOrEqual(1)
            // a group of seven cannot be divided
            expect(Math.abs(have - fractions[name] * count)).toBeLessThanOrEqual(7)
          }
        }
      }),
      { numRuns: 40 }
    )
  })

  it("a unit of two classes stays whole", () => {
    const units = [
      ...singles([20, 20]),
      {
        name: "both",
        counts: new Map([
          [0, 2],
          [1, 3]
        ])
      }
    ]
    const splits = stratifiedSplit(units, 2, fractions, 1)
    expect(splitNames).toContain(splits.get("both"))
    expect(totals(units, splits).reduce((a, b) => a + b, 0)).toBe(45)
  })
})
