/** Help in the columns that there are: words stay whole, and none is lost. */
import { stripVTControlCharacters } from "node:util"
import fc from "fast-check"
import { expect, it } from "vitest"
import { fold } from "../../../cli/reporter/Fold.ts"

it("goes on below where a flag's text begins, or on the next line if the flag is long", () => {
  expect(fold("  --only STEP    Only this step and what it needs", 34)).toBe(
    "  --only STEP    Only this step\n                 and what it needs"
  )
  expect(fold("  --completions <bash|zsh>    Print a script of it", 30)).toBe(
    "  --completions <bash|zsh>\n      Print a script of it"
  )
  expect(fold("  a paragraph of its own", 14)).toBe("  a paragraph\n  of its own")
})

const word = fc.stringMatching(/^[a-z|-]{1,12}$/u)
const words = fc.array(word, { minLength: 1, maxLength: 20 }).map((all) => all.join(" "))
const entry = fc
  .tuple(word, words, fc.integer({ min: 2, max: 30 }))
  .map(([name, text, gap]) => `  \u001b[32m--${name}\u001b[0m${" ".repeat(gap)}${text}`)

it("fits, whatever it is of", () => {
  fc.assert(
    fc.property(fc.oneof(entry, words), fc.integer({ min: 45, max: 120 }), (line, columns) => {
      const lines = fold(line, columns).split("\n")
      for (const each of lines) expect(stripVTControlCharacters(each).length).toBeLessThanOrEqual(columns)
      const plain = (text: string): string => text.split(/\s+/u).join(" ").trim()
      expect(plain(lines.join(" "))).toBe(plain(line))
    })
  )
})
