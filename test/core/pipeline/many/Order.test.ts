/** The order of names: numbers by their value, and always the same whatever they come in. */
import fc from "fast-check"
import { expect, it } from "vitest"
import { compare } from "../../../../core/pipeline/many/Order.ts"

it("has numbers by their value, and the rest by its characters", () => {
  const sorted = [
    "09",
    "9",
    "10",
    "99999999999999999999",
    "100000000000000000000",
    "a",
    "a,9",
    "a,10",
    "b",
    "s",
    "s9",
    "s10"
  ]
  expect(sorted.toReversed().toSorted(compare)).toEqual(sorted)
})

it("is one order of all names", () => {
  const name = fc
    .array(fc.constantFrom("0", "1", "9", "10", "a", "B", ",", "ü", "/"), { maxLength: 5 })
    .map((all) => all.join(""))
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 8 }), (names) => {
      const sorted = names.toSorted(compare)
      expect(names.toReversed().toSorted(compare)).toEqual(sorted)
      for (const [at, a] of sorted.entries())
        for (const b of sorted.slice(at + 1)) expect(compare(a, b)).toBeLessThan(0)
    })
  )
})
