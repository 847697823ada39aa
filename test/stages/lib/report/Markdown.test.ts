/** The short form of the report: tables that stay short, names that stay names. */
import { expect, it } from "vitest"
import type { ClassCounts, Manifest } from "../../../../schemas/Split.ts"
import { dataPart } from "../../../../stages/lib/report/Markdown.ts"
import { files } from "../../../../stages/lib/report/sections/SummarySection.ts"

const countsOf = (name: string): ClassCounts => ({
  class: name,
  found: 3,
  setAside: 0,
  beyondLimit: 0,
  dropped: 0,
  train: 1,
  validation: 1,
  test: 1
})

it("has a row of each class, and of a thousand classes their sum and where they are", () => {
  const of = (count: number) =>
    dataPart({ manifest: { counts: Array.from({ length: count }, (_, k) => countsOf(`c${k}`)) } })
  expect(of(60).split("\n")).toHaveLength(63)
  expect(of(60)).toContain("| c59 | 3 | 0 | 0 | 1 | 1 | 1 |")
  expect(of(1000)).toContain("| **all** | 3000 | 0 | 0 | 1000 | 1000 | 1000 |")
  expect(of(1000)).toContain("(tables/images.csv)")
  expect(of(1000)).not.toContain("c59")
})

it("leaves names as they are written", () => {
  const part = dataPart({ manifest: { counts: ["<b>a|b</b>", "&lt;c&gt; *d*"].map(countsOf) } })
  expect(part).toContain("| \\<b\\>a\\|b\\</b\\> |")
  expect(part).toContain("| \\&lt;c\\&gt; \\*d\\* |")
})

// images/10-terminal-says-nothing-of-losses
it("the first lines say what was left out, and why", () => {
  const setAside = ["HEIC", "HEIC", "an empty file"].map((reason, k) => ({ path: `c/${k}`, class: "c", reason }))
  const of = (more: Partial<Manifest>): string =>
    files({
      manifest: { counts: [countsOf("c")], setAside: [], conflicts: [], leaks: 0, ...more } as unknown as Manifest
    })
  expect(of({ setAside })).toContain("most often, 2: HEIC")
  expect(of({ setAside: setAside.slice(2) })).toMatch(/^1 of 3 files was <a[^>]*>set aside<\/a> \(an empty file\)\./)
  expect(of({ firstOfSeveral: 1 })).toContain("1 file holds several images")
  expect(of({})).toMatch(/^All 3 files could be read\./)
})
