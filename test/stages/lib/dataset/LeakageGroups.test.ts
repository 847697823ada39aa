/** Which look-alikes are kept together; the policies as a whole are tested in split.test.ts. */
import { describe, expect, it } from "vitest"
import { leakageGroups, type Scanned } from "../../../../stages/lib/dataset/LeakageGroups.ts"
import type { Pair } from "../../../../stages/lib/duplicates/Comparisons.ts"

const about = { width: 8, height: 8, digest: "", isFirst: false }
const fingerprint = { ...about, coarse: new Uint8Array(0), descriptor: new Float32Array(0) }

/** `count` images of each of two classes: those of `a` come first. */
const images = (count: number): ReadonlyArray<Scanned> =>
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
  const { kept } = leakageGroups(images(count), { copies, lookAlikes }, { duplicates, groupBy: "" })
  const groups = new Map<string, Array<number>>()
  for (const { image, group } of kept) groups.set(group, [...(groups.get(group) ?? []), image.at])
  return [...groups.values()].filter((group) => group.length > 1)
}

describe("look-alikes", () => {
  const chain: ReadonlyArray<Pair> = [
    [4, 5],
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4]
  ]

  it("are kept together, the most alike first, until a fifth of their class is added", () => {
    expect(groupsOf(15, chain)).toEqual([
      [0, 1, 2, 3],
      [4, 5]
    ])
    expect(groupsOf(15, [...chain].reverse())).toEqual([[1, 2, 3, 4]])
    expect(groupsOf(30, chain)).toEqual([[0, 1, 2, 3, 4, 5]])
  })

  const copies = Array.from({ length: 8 }, (_, i): Pair => [i, i + 1])

  it("that are alone add up to a fifth of the class to a group, however large it is", () => {
    const alone = [9, 10, 11, 12, 13].map((i): Pair => [0, i])
    expect(groupsOf(20, alone, { copies })).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]])
  })

  it("that are groups do not join a large one", () => {
    const two: ReadonlyArray<Pair> = [...copies, [9, 10]]
    const together = [
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      [9, 10]
    ]
    expect(groupsOf(50, [[0, 9]], { copies: two })).toEqual(together)
    expect(groupsOf(55, [[0, 9]], { copies: two })).toEqual([together.flat()])
  })

  it("are kept together across classes", () => {
    expect(groupsOf(15, [[0, 16]])).toEqual([[0, 16]])
  })

  it("are left alone under keep, and where classes are small", () => {
    expect(groupsOf(15, [[0, 1]], { duplicates: "keep" })).toEqual([])
    expect(groupsOf(5, [[0, 1]])).toEqual([])
    expect(groupsOf(6, [[0, 1]])).toEqual([[0, 1]])
    expect(groupsOf(13, [[0, 9]], { copies })).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8]])
  })

  it("are told as far as both stay", () => {
    const { lookAlikes } = leakageGroups(
      images(15),
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
