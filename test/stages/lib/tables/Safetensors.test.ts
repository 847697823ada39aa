/** The safetensors format: round trips, the bytes themselves, and files that are none. */
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import * as Safetensors from "../../../../stages/lib/tables/Safetensors.ts"

const tensor = fc.oneof(
  fc.record({
    dtype: fc.constant("F32" as const),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })
  }),
  fc.record({
    dtype: fc.constant("I64" as const),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })
  })
)

const tensors = fc
  .uniqueArray(
    fc.tuple(
      fc.string({ minLength: 1 }).filter((s) => s !== "__metadata__" && s !== "__proto__"),
      tensor
    ),
    {
      selector: ([name]) => name,
      maxLength: 6
    }
  )
  .map((entries) =>
    entries.map(([name, { dtype, shape }], index): Safetensors.NamedTensor => {
      const size = shape.reduce((n, d) => n * d, 1)
      return dtype === "F32"
        ? { name, shape, dtype, data: Float32Array.from({ length: size }, (_, i) => Math.sin(i + index)) }
        : { name, shape, dtype, data: BigInt64Array.from({ length: size }, (_, i) => BigInt(i - index)) }
    })
  )

const byName = (list: ReadonlyArray<Safetensors.NamedTensor>) => new Map(list.map((t) => [t.name, t]))

describe("Safetensors", () => {
  test("decodes what it encodes, the same bytes each time", () => {
    fc.assert(
      fc.property(tensors, (list) => {
        const bytes = Safetensors.encode(list, { b: "2", a: "1" })
        expect(Safetensors.encode(list, { a: "1", b: "2" })).toEqual(bytes)
        expect(byName(Result.getOrThrow(Safetensors.decode(bytes)))).toEqual(byName(list))
      })
    )
  })

  test("writes the bytes that the format describes", () => {
    const bytes = Safetensors.encode([{ name: "w", shape: [2], dtype: "F32", data: Float32Array.of(1, 2) }])
    const header = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    const padded = Math.ceil(header.length / 8) * 8
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(BigInt(padded))
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + padded))).toBe(header.padEnd(padded))
    expect(bytes.length).toBe(8 + padded + 8)
  })

  test("gives copies, also of a Buffer", () => {
    const bytes = Buffer.from(Safetensors.encode([{ name: "w", shape: [], dtype: "F32", data: Float32Array.of(3) }]))
    const [decoded] = Result.getOrThrow(Safetensors.decode(bytes))
    bytes.fill(0)
    expect(decoded!.data[0]).toBe(3)
  })

  test("any cut or changed byte is an error or another tensor, never an exception", () => {
    const list: ReadonlyArray<Safetensors.NamedTensor> = [
      { name: "w", shape: [3], dtype: "F32", data: Float32Array.of(1, 2, 3) }
    ]
    const bytes = Safetensors.encode(list)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = bytes.slice()
        changed[at] = value
        Safetensors.decode(changed)
        expect(Result.isFailure(Safetensors.decode(bytes.subarray(0, at)))).toBe(true)
      })
    )
  })
})
