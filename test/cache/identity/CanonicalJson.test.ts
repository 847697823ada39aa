import * as Result from "effect/Result"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as CanonicalJson from "../../../cache/identity/CanonicalJson.ts"
import * as Digest from "../../../cache/identity/Digest.ts"

const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled)
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, shuffled(item)])
  )
}

describe("canonical JSON", () => {
  it("is JSON with the same meaning, whatever the order of keys", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = Result.getOrThrow(CanonicalJson.encode(value))
        expect(Result.getOrThrow(CanonicalJson.encode(shuffled(value)))).toBe(text)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      })
    )
  })

  it("tells different values apart", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
        fc.pre(!Object.is(JSON.stringify(plain(a)), JSON.stringify(plain(b))))
        const same = CanonicalJson.encode(a)
        const other = CanonicalJson.encode(b)
        if (JSON.stringify(same) === JSON.stringify(other)) expect(plain(a)).toEqual(plain(b))
      })
    )
  })

  it.each([
    ["undefined", { a: undefined }],
    ["NaN", { a: [Number.NaN] }],
    ["an infinity", { a: Number.POSITIVE_INFINITY }],
    ["a function", { a: () => 1 }],
    ["a bigint", { a: 1n }],
    ["a symbol", { a: Symbol("a") }],
    ["a Date", { a: new Date(0) }],
    ["a Map", { a: new Map() }],
    ["a lone surrogate", { a: "\ud800" }],
    ["a hole", { a: new Array(2) }]
  ])("refuses %s and says where", (_name, value) => {
    const result = CanonicalJson.encode(value)
    expect(Result.isFailure(result)).toBe(true)
    if (Result.isFailure(result)) expect(result.failure.message).toContain("[a")
  })
})

describe("digests", () => {
  it("of bytes are what sha256sum prints", () => {
    expect(Digest.ofBytes(new TextEncoder().encode("abc"))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
  })

  it("of values are frozen: a change of the encoding needs a new tag", () => {
    expect(Digest.ofJson("Test/v1", { b: [1, 2.5, "ü"], a: null })).toBe(
      "9aec4671abf266a24f0252dfc8592a36143a0ea6a3e44dd49a684f5477e20422"
    )
  })

  it("depend on the tag and on the framing", () => {
    expect(Digest.ofJson("A/v1", "x")).not.toBe(Digest.ofJson("B/v1", "x"))
    expect(Digest.ofJson("A/v1", ["ab", "c"])).not.toBe(Digest.ofJson("A/v1", ["a", "bc"]))
  })
})
