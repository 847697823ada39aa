/** First-layer filters as colours: which weights they are of, and what colour a weight has. */
import { describe, expect, it } from "vitest"
import { drawFirstFilters, filtersOf } from "../../../../../stages/lib/report/drawings/Filters.ts"
import * as Safetensors from "../../../../../stages/lib/tables/Safetensors.ts"

const encoded = (shape: ReadonlyArray<number>, values: ReadonlyArray<number>): Uint8Array =>
  Safetensors.encode([{ name: "conv1.weight", shape, dtype: "F32", data: Float32Array.from(values) }])

describe("first filters", () => {
  it("are grey at 0, and a full colour at the largest weight", () => {
    // one filter of one pixel: red 1, green 0, blue -1
    const filters = filtersOf(encoded([1, 3, 1, 1], [2, 0, -2]))
    const drawn = drawFirstFilters({ bn: filters, nobn: undefined })!
    expect(drawn).toContain("rgb(255,128,0)")
    expect(drawn).toContain("with BN")
    expect(drawn).not.toContain("without BN")
  })

  it("are none of a dense layer, of images without colour, and of what is no file of weights", () => {
    expect(filtersOf(encoded([1, 3], [1, 2, 3]))).toBeUndefined()
    expect(filtersOf(encoded([1, 1, 1, 1], [1]))).toBeUndefined()
    expect(filtersOf(Uint8Array.of(1, 2, 3))).toBeUndefined()
    expect(drawFirstFilters({ bn: undefined, nobn: undefined })).toBeUndefined()
  })
})
