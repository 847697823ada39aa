/** What unknown text may do to a terminal: nothing. */
import { describe, expect, it } from "vitest"
import { shown, shownName } from "../../../cache/identity/Shown.ts"

describe("a text that is shown", () => {
  it("gives a terminal no orders, and keeps its lines and colours", () => {
    expect(shown("a\u001b]0;title\u0007b\n\u001b[31mred\u001b[0m\t\u001b[2J")).toBe(
      "a\\u001b]0;title\\u0007b\n\u001b[31mred\u001b[0m\t\\u001b[2J"
    )
    expect(shown("one\rtwo \u009b2J \u202e")).toBe("one\\u000dtwo \\u009b2J \\u202e")
    expect(shown("naïve 猫 👍")).toBe("naïve 猫 👍")
  })

  it("is the same JSON as before", () => {
    const value = { text: "\u001b[2J \u009b \u007f \u202e \u2028 é" }
    expect(JSON.parse(shown(JSON.stringify(value)))).toEqual(value)
  })
})

describe("a name that is shown", () => {
  it("stays within its line", () => {
    expect(shownName("a\nb\tc\u001b[31m")).toBe("a\\nb\\tc\\u001b[31m")
    expect(shownName("plain name.txt")).toBe("plain name.txt")
  })
})
