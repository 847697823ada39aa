/** Which names are those of sequences. */
import { describe, expect, it } from "vitest"
import { splitNames } from "../../../../schemas/Names.ts"
import { sequencesOf } from "../../../../stages/lib/dataset/Sequences.ts"

/** Images of two classes in turn through the splits; `name` of the image's number. */
const found = (name: (i: number) => string) =>
  sequencesOf(
    ["a", "b"].flatMap((of) =>
      Array.from({ length: 30 }, (_, i) => {
        const path = `${of}/${name(i)}`
        return { path, class: of, split: splitNames[i % 3]!, group: path, width: 1, height: 1 }
      })
    )
  )

describe("sequences", () => {
  it("are files whose names differ in the last of several numbers, or lie in a folder of their own", () => {
    expect(found((i) => `video${i % 5}_frame${i}.jpg`)).toEqual({ count: 10, apart: 10, example: "a/video0_frame" })
    expect(found((i) => `patient${i % 5}/${i}.png`)).toEqual({ count: 10, apart: 10, example: "a/patient0/" })
  })

  it("are not one series for each class, single shots, or names of code points", () => {
    expect(found((i) => `cat.${i}.jpg`)).toBeUndefined()
    expect(found((i) => `n02085620_${i}.jpg`)).toBeUndefined()
    expect(found((i) => `${i}_c1_001.jpg`)).toBeUndefined()
    expect(found((i) => `${(0x1f600 + i).toString(16)}-noto-v1.png`)).toBeUndefined()
    expect(found((i) => `${(0x1f426 + (i >> 1)).toString(16)}-${["noto", "openmoji"][i % 2]}.png`)).toBeUndefined()
    expect(found((i) => `${(0x1f426 + i).toString(16).toUpperCase()}.png`)).toBeUndefined()
    expect(found((i) => `${i}.png`)).toBeUndefined()
  })

  it("are left alone where each is in one split", () => {
    expect(found((i) => `video${i % 3}_frame${i}.jpg`)).toBeUndefined()
  })
})
