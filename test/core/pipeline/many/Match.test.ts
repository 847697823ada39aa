/** Patterns with one star: the names that they give, and what they leave alone. */
import fc from "fast-check"
import { expect, it } from "vitest"
import { matcher } from "../../../../core/pipeline/many/Match.ts"

it("a star stands for a name or a part of one, two for names with slashes between", () => {
  const named = (pattern: string, ...paths: ReadonlyArray<string>) => paths.map(matcher(pattern))
  expect(named("*", "a.txt", "b", "a/b", ".a")).toEqual(["a.txt", "b", undefined, undefined])
  expect(named("*.txt", "a.txt", "a.b.txt", ".txt", "a.md", "x/a.txt")).toEqual([
    "a",
    "a.b",
    undefined,
    undefined,
    undefined
  ])
  expect(named("*/reads.fq", "s1/reads.fq", "s1/x/reads.fq", "reads.fq")).toEqual(["s1", undefined, undefined])
  expect(named("raw/s*.csv", "raw/s1.csv", "raw/.csv", "s1.csv")).toEqual(["1", undefined, undefined])
  expect(named("**.png", "a.png", "b/c/d.png", "b/.c/d.png", ".x/d.png")).toEqual(["a", "b/c/d", undefined, undefined])
  expect(named("a+b/(*)", "a+b/(x)", "aab/(x)")).toEqual(["x", undefined])
  expect(named("*", "with\nnewline", "ünïcode")).toEqual(["with\nnewline", "ünïcode"])
})

it("the name in place of the star is the path again: no two entries have one name", () => {
  const part = fc.string({ minLength: 1, maxLength: 5 }).filter((text) => !/[/*]/.test(text) && !text.startsWith("."))
  fc.assert(
    fc.property(
      part,
      part,
      fc.constantFrom("*", "**"),
      fc.array(part, { minLength: 1, maxLength: 3 }),
      (a, b, star, names) => {
        const name = star === "*" ? names[0]! : names.join("/")
        if ([a, b].some((each) => each === "." || each === "..")) return
        expect(matcher(`${a}/${star}${b}`)(`${a}/${name}${b}`)).toBe(name)
      }
    )
  )
})
