/** The words for two values that differ. */
import { expect, it } from "vitest"
import { diffJson } from "../../../cache/identity/CacheKey.ts"

it("are cut around the first difference", () => {
  const long = "echo ".repeat(30)
  expect(diffJson(`${long}one two`, `${long}two`, "command")).toEqual([
    'command: ...echo echo echo echo one two" -> ...echo echo echo echo two"'
  ])
  expect(diffJson("short", `longer ${long}`, "command")).toEqual([
    `command: "short" -> "longer ${long.slice(0, 49)}...`
  ])
  const [line] = diffJson(long, `${long}${long}`, "command")
  const [before, after] = line!.slice("command: ".length).split(" -> ")
  expect(before).not.toBe(after)
})
