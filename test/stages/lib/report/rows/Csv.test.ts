/** CSV that other programs read as it was meant. */
import { expect, it } from "vitest"
import { toCsv } from "../../../../../stages/lib/report/rows/Csv.ts"

it("quotes what needs it, and leaves absent values empty", () => {
  const rows = [
    { name: 'a "b", c', value: 0.1 },
    { name: "two\nlines", value: null, more: true }
  ]
  expect(toCsv(rows)).toBe('name,value,more\r\n"a ""b"", c",0.1,\r\n"two\nlines",,true\r\n')
})

it("does not let a name become a formula, nor a number a text", () => {
  expect(toCsv([{ name: "=1+1", value: -2 }])).toBe("name,value\r\n'=1+1,-2\r\n")
})
