/** The terminal of recordings: what op-pipe and npx write to one is drawn as a terminal shows it. */
import { describe, expect, it } from "vitest"
import { draw, makeScreen } from "../../scripts/recording.ts"

const shown = (text: string, columns = 80): ReadonlyArray<string> => {
  const screen = makeScreen(columns)
  screen.write(text)
  return screen.rows().map((runs) => runs.map((run) => run.text).join(""))
}

describe("the screen of a recording", () => {
  it("replaces live lines", () => {
    expect(shown("begin\r\n  half\r\n\u001b[1A\u001b[0Jdone\r\n")).toEqual(["begin", "done", ""])
  })

  it("wraps long lines", () => {
    expect(shown("abcdef\r\ng", 4)).toEqual(["abcd", "ef", "g"])
  })

  it("forgets a spinner that was erased", () => {
    expect(shown("⠙\u001b[1G\u001b[0Kready")).toEqual(["ready"])
  })

  it("keeps styles", () => {
    const screen = makeScreen(80)
    screen.write("\u001b[32m✓\u001b[0m split")
    expect(screen.rows()).toEqual([
      [
        { text: "✓", style: "green" },
        { text: " split", style: "" }
      ]
    ])
  })
})

describe("the picture of a recording", () => {
  const chunks = [
    { atMs: 0, text: "a < b\r\nwaiting" },
    { atMs: 1_000, text: "\u001b[1G\u001b[0Kdone" }
  ]

  it("shows the last screen where nothing moves, and what was before only in its time", () => {
    const svg = draw(chunks, 20, "light")
    expect(svg).toContain(">a &lt; b</text>")
    const hidden = /\.(k\d+)\{animation-name:\1;opacity:0\}/u.exec(svg)?.[1]
    expect(svg).toContain(`<text class="${hidden}" x="16" y="50">waiting</text>`)
    expect(svg).toMatch(/<text class="k\d+" x="16" y="50">done<\/text>/u)
  })
})
