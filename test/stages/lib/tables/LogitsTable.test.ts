import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import * as Digest from "../../../../cache/identity/Digest.ts"
import * as LogitsTable from "../../../../stages/lib/tables/LogitsTable.ts"

const table: LogitsTable.LogitsTable = {
  classes: ["ünï", "b"],
  paths: ["ünï/1.png", "b/2.png", "b/3.png"],
  labels: Int32Array.of(0, 1, 1),
  splits: ["train", "validation", "test"],
  bn: Float32Array.of(1, -2.5, 3, 4, 5, 6),
  nobn: Float32Array.of(-1, 2.5, -3, 4e20, 5e-20, 0)
}

describe("LogitsTable", () => {
  it("comes back as it was", () => {
    expect(Option.getOrThrow(LogitsTable.decode(LogitsTable.encode(table)))).toEqual(table)
  })

  it("has no more values than rows, whatever Arrow pads its buffers to", () => {
    for (const rows of [1, 2, 3, 5]) {
      const odd = {
        classes: ["a", "b", "c"],
        paths: new Array(rows).fill("p"),
        labels: new Int32Array(rows),
        splits: new Array(rows).fill("test"),
        bn: new Float32Array(rows * 3).fill(1),
        nobn: new Float32Array(rows * 3)
      }
      expect(Option.getOrThrow(LogitsTable.decode(LogitsTable.encode(odd)))).toEqual(odd)
    }
  })

  it("gives the same bytes for the same rows", () => {
    const digest = (): string => Digest.ofBytes(LogitsTable.encode(table))
    expect(digest()).toBe(digest())
  })

  it("is none for a table of another kind", () => {
    const bytes = LogitsTable.encode(table)
    const text = Buffer.from(bytes).toString("latin1").replaceAll("op-pipe/logits/v1", "op-pipe/logits/v9")
    expect(Option.isNone(LogitsTable.decode(Buffer.from(text, "latin1")))).toBe(true)
  })
})
