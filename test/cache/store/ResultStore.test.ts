/** What is taken for the record of a result, and what is not. */
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import type * as Digest from "../../../cache/identity/Digest.ts"
import { parse, type StepResult } from "../../../cache/store/ResultStore.ts"

const digest = (character: string): Digest.Digest => character.repeat(64) as Digest.Digest

const result: StepResult = {
  format: "Result/v1",
  key: digest("a"),
  step: "train@bn",
  ingredients: {
    stage: "train",
    code: { modules: { "stages/train.ts": { train: digest("b") } }, packages: { effect: "4.1.0 sha512-x" } },
    params: { epochs: 3 },
    inputs: { images: digest("c") },
    toolchain: { engine: { name: "native" } },
    runtime: { node: "22", platform: "linux-x64" }
  },
  outputs: {
    weights: {
      kind: "folder",
      tag: "Weights/v1",
      path: "weights",
      layOut: true,
      digest: digest("d"),
      entries: [
        { kind: "folder", path: "weights", mode: 0o755 },
        { kind: "file", path: "weights/a", digest: digest("e"), sizeBytes: 3, mode: 0o644 },
        { kind: "link", path: "weights/b", target: "a", digest: null }
      ]
    }
  },
  provenance: {
    runId: "20260101-000000-abcd",
    startedAt: "2026-01-01T00:00:00.000Z",
    durationMs: 12,
    host: "here",
    opPipe: "0.1.0",
    node: "22.23.3",
    commit: null,
    dirty: null
  }
}

type Way = ReadonlyArray<string>

/** The ways to every part of a value. */
const ways = (value: unknown, to: Way = []): ReadonlyArray<Way> =>
  typeof value !== "object" || value === null
    ? [to]
    : [to, ...Object.entries(value).flatMap(([key, part]) => ways(part, [...to, key]))]

/** A copy with the part that `way` leads to replaced, or left out. */
const without = (way: Way, instead?: { readonly value: unknown }): unknown => {
  const copy = structuredClone(result) as unknown as Record<string, unknown>
  const owner = way.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, copy)
  const last = way.at(-1)!
  if (instead === undefined) delete owner[last]
  else owner[last] = instead.value
  return copy
}

const isTaken = (value: unknown): boolean => Option.isSome(parse(JSON.stringify(value)))

/** What a stage and a toolchain say of themselves is theirs. */
const isFree = (way: Way): boolean =>
  way[0] === "ingredients" && ["params", "toolchain"].includes(way[1]!) && way.length > 2
/** Of these there may be any number, and a folder need not tell its mode. */
const mayBeMissing = (way: Way): boolean => {
  const at = way.join(".")
  return (
    /^ingredients\.(inputs|code\.packages|code\.modules)\./.test(at) ||
    at === "outputs.weights" ||
    at === "outputs.weights.entries.0.mode" ||
    // a hole becomes null in JSON, and is tried as such below
    /entries\.\d$/.test(at)
  )
}

const mayHoldAny = new Set(["ingredients.params", "ingredients.toolchain"])
const mayBeNull = new Set(["provenance.commit", "provenance.dirty", "outputs.weights.entries.2.digest"])

const parts = ways(result).filter((way) => way.length > 0 && !isFree(way))

describe("the record of a result", () => {
  it("is taken as it was written", () => {
    expect(parse(JSON.stringify(result))).toEqual(Option.some(result))
    expect(parts.length).toBeGreaterThan(40)
  })

  it.each(parts.filter((way) => !mayBeMissing(way)).map((way) => [way.join("."), way] as const))(
    "is none without %s",
    (_, way) => expect(isTaken(without(way))).toBe(false)
  )

  it.each(parts.map((way) => [way.join("."), way] as const))("is none with another thing as %s", (at, way) => {
    const others = [[[]], ...(mayHoldAny.has(at) ? [] : [{ other: [true] }]), ...(mayBeNull.has(at) ? [] : [null])]
    for (const value of others) expect(isTaken(without(way, { value })), JSON.stringify(value)).toBe(false)
  })

  it.each(["", "{", "null", "[]", '"text"'])("is none that is %j", (body) => {
    expect(parse(body)).toEqual(Option.none())
  })
})

const file = (path: string, mode = 0o644) => ({ kind: "file", path, digest: digest("e"), sizeBytes: 3, mode })
const link = (path: string, target: string) => ({ kind: "link", path, target, digest: null })
const folder = (path: string, mode = 0o755) => ({ kind: "folder", path, mode })

/** The record with these entries in its folder. */
const withEntries = (...entries: ReadonlyArray<object>): unknown =>
  without(["outputs", "weights", "entries"], { value: [folder("weights"), ...entries] })

/** What somebody who can write to a store might write. */
const forged: ReadonlyArray<readonly [how: string, record: unknown]> = [
  ["leads out of its folder", withEntries(file("weights/../../a"))],
  ["is the folder above", withEntries(folder("weights/.."), file("weights/../a"))],
  ["is absolute", withEntries(file("/etc/passwd"))],
  ["lies beside its output", withEntries(file("other/a"))],
  ["lies below a link", withEntries(link("weights/a", "/etc"), file("weights/a/b"))],
  ["lies below a file", withEntries(file("weights/a"), file("weights/a/b"))],
  ["lies in no folder", withEntries(file("weights/a/b"))],
  ["is there twice", withEntries(file("weights/a"), file("weights/a"))],
  ["is not in order", withEntries(file("weights/b"), file("weights/a"))],
  ["has no name", withEntries(file("weights/"))],
  ["holds a NUL", withEntries(file("weights/a\0b"))],
  ["is a link out of its folder", withEntries(link("weights/a", "../../b"))],
  ["runs as its owner", withEntries(file("weights/a", 0o4755))],
  ["can be written to by all", withEntries(file("weights/a", 0o666))],
  ["is a folder that all can write to", withEntries(folder("weights/a", 0o777))],
  ["has fewer than no bytes", withEntries({ ...file("weights/a"), sizeBytes: -1 })],
  ["is of no known kind", withEntries({ ...file("weights/a"), kind: "socket" })],
  ["is an output that leads out of its folder", without(["outputs", "weights", "path"], { value: "../weights" })],
  ["is an output of another kind", without(["outputs", "weights", "kind"], { value: "file" })],
  [
    "lies below a link of another output",
    without(["outputs", "more"], {
      value: { ...result.outputs["weights"], path: "weights/b", entries: [folder("weights/b"), file("weights/b/c")] }
    })
  ],
  ["is of a run that is a path", without(["provenance", "runId"], { value: "../../a" })]
]

describe("the record of a result that somebody else wrote", () => {
  it.each(forged)("is none if an entry %s", (_, record) => expect(isTaken(record)).toBe(false))

  it("is one if it is as op-pipe writes it", () => {
    const record = withEntries(link("weights/a", "b/../c"), folder("weights/b"), file("weights/b/a"), file("weights/c"))
    expect(isTaken(record)).toBe(true)
  })
})
