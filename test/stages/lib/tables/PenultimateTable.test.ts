/** Values of the last hidden layer as a table. */
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import * as PenultimateTable from "../../../../stages/lib/tables/PenultimateTable.ts"

describe("the table of hidden values", () => {
  const table: PenultimateTable.PenultimateTable = {
    classes: ["a", "b", "c"],
    paths: ["a/1.png", "b/ü.png", "b/3.png"],
    labels: Int32Array.of(0, 1, 1),
    values: {
      bn: { units: 3, data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) },
      nobn: { units: 0, data: new Float32Array(0) }
    }
  }

  it("comes back as it was, also where a network has no values", () => {
    expect(Option.getOrThrow(PenultimateTable.decode(PenultimateTable.encode(table)))).toEqual(table)
  })

  it("gives the same bytes for the same rows", () => {
    expect(Buffer.from(PenultimateTable.encode(table)).equals(Buffer.from(PenultimateTable.encode(table)))).toBe(true)
  })
})
