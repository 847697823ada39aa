/** Which look-alikes are kept together; the policies as a whole are tested in split.test.ts. */
import { describe, expect, it } from "vitest"
import { groupPictures, type Scanned } from "../../../stages/lib/Groups.ts"
import type { Pair } from "../../../stages/lib/NearDuplicates.ts"

const fingerprint = { width: 8, height: 8, coarse: new Uint8Array(0), descriptor: new Float32Array(0) }

/** `count` pictures of each of two classes: those of `a` come first. */
const pictures = (count: number): ReadonlyArray<Scanned> =>
  ["a", "b"].flatMap((name, k) =>
    Array.from({ length: count }, (_, i) => {
      const at = k * count + i
      return { at, path: `${name}/${String(at).padStart(3, "0")}.png`, class: name, fingerprint }
    })
  )

const groupsOf = (
  count: number,
  lookAlikes: ReadonlyArray<Pair>,
  options: { readonly copies?: ReadonlyArray<Pair>; readonly duplicates?: "drop" | "group" | "keep" } = {}
): ReadonlyArray<ReadonlyArray<number>> => {
  const { copies = [], duplicates = "group" } = options
  const { kept } = groupPictures(pictures(count), { copies, lookAlikes }, { duplicates, groupBy: "" })
  const groups = new Map<string, Array<number>>()
  for (const { picture, group } of kept) groups.set(group, [...(groups.get(group) ?? []), picture.at])
  return [...groups.values()].filter((group) => group.length > 1)
}

describe("look-alikes", () => {
  it("are kept together, the most alike first, in groups of up to a fifth of their class", () => {
    const chain: ReadonlyArray<Pair> = [
      [4, 5],
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4]
    ]
    expect(groupsOf(15, chain)).toEqual([
      [0, 1, 2],
      [3, 4, 5]
    ])
    expect(groupsOf(15, [...chain].reverse())).toEqual([
      [0, 1],
      [2, 3, 4]
    ])
  })

  it("count what is together for other reasons", () => {
    const copies: ReadonlyArray<Pair> = [
      [0, 1],
      [1, 2]
    ]
    expect(groupsOf(15, [[2, 3]], { copies })).toEqual([[0, 1, 2]])
    expect(groupsOf(20, [[2, 3]], { copies })).toEqual([[0, 1, 2, 3]])
  })

  it("are kept together across classes", () => {
    expect(groupsOf(15, [[0, 16]])).toEqual([[0, 16]])
  })

  it("are left alone under keep, and where classes are small", () => {
    expect(groupsOf(15, [[0, 1]], { duplicates: "keep" })).toEqual([])
    expect(groupsOf(9, [[0, 1]])).toEqual([])
    expect(groupsOf(10, [[0, 1]])).toEqual([[0, 1]])
  })

  it("are told as far as both stay", () => {
    const { lookAlikes } = groupPictures(
      pictures(15),
      {
        copies: [[0, 1]],
        lookAlikes: [
          [0, 2],
          [1, 2]
        ]
      },
      { duplicates: "drop", groupBy: "" }
    )
    expect(lookAlikes).toEqual([["a/000.png", "a/002.png"]])
  })
})
