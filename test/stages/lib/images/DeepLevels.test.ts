/** TIFF and PNG of more than eight bits a level: read by their range, or refused in words. */
import sharp from "sharp"
import { expect, it } from "vitest"
import { whiteOfSet } from "../../../../stages/lib/images/DeepLevels.ts"
import { openImage, reasonOf } from "../../../../stages/lib/images/OpenImage.ts"

const side = 16

type Kind = "uint16" | "uint32" | "float32" | "float64"
const bitsOf: Readonly<Record<Kind, number>> = { uint16: 16, uint32: 32, float32: 32, float64: 64 }

/** A grey TIFF of `side` x `side` values, as microscopes write them. */
const tiff = (kind: Kind, valueAt: (i: number) => number): Buffer => {
  const size = bitsOf[kind] / 8
  const data = Buffer.alloc(side * side * size)
  for (let i = 0; i < side * side; i++) {
    const value = valueAt(i)
    if (kind === "uint16") data.writeUInt16LE(value, i * size)
    else if (kind === "uint32") data.writeUInt32LE(value, i * size)
    else if (kind === "float32") data.writeFloatLE(value, i * size)
    else data.writeDoubleLE(value, i * size)
  }
  const tags: ReadonlyArray<readonly [tag: number, value: number]> = [
    [256, side],
    [257, side],
    [258, bitsOf[kind]],
    [259, 1],
    [262, 1],
    [273, 8],
    [277, 1],
    [278, side],
    [279, data.length],
    [339, kind.startsWith("float") ? 3 : 1]
  ]
  const head = Buffer.alloc(8)
  head.write("II*")
  head.writeUInt32LE(8 + data.length, 4)
  const directory = Buffer.alloc(2 + tags.length * 12 + 4)
  directory.writeUInt16LE(tags.length, 0)
  for (const [k, [tag, value]] of tags.entries()) {
    directory.writeUInt16LE(tag, 2 + k * 12)
    directory.writeUInt16LE(4, 4 + k * 12)
    directory.writeUInt32LE(1, 6 + k * 12)
    directory.writeUInt32LE(value, 10 + k * 12)
  }
  return Buffer.concat([head, data, directory])
}

/** Grey levels as a stage reads them. */
const greysOf = async (file: Buffer, white?: number): Promise<ReadonlyArray<number>> => {
  const { image } = await openImage(file, 1e6, white)
  const data = await image.flatten({ background: "#ffffff" }).toColourspace("srgb").raw({ depth: "uchar" }).toBuffer()
  return Array.from({ length: side * side }, (_, i) => data[i * (data.length / side ** 2)]!)
}

/** A ramp from 0 to 1. */
const ramp = (i: number): number => i / (side * side - 1)
const expected = Array.from({ length: side * side }, (_, i) => Math.round(255 * ramp(i)))

it.each([
  ["uint16", 1023],
  ["uint16", 4095],
  ["uint32", 4095],
  ["uint32", 4_294_967_295],
  ["float32", 1],
  ["float32", 255]
] as const)("%s up to %d is black to white", async (kind, white) => {
  const isFloat = kind === "float32"
  const file = tiff(kind, (i) => (isFloat ? white * ramp(i) : Math.round(white * ramp(i))))
  expect(await greysOf(file)).toEqual(expected)
})

it("white of a set is that of its brightest images, and one of a hundred does not darken the others", () => {
  expect(whiteOfSet([])).toBeUndefined()
  expect(whiteOfSet([700, 1100, 900])).toBe(4095)
  expect(whiteOfSet([9000, 1100])).toBe(16_383)
  const dim = new Array<number>(199).fill(900)
  expect(whiteOfSet([...dim, 65_535])).toBe(1023)
  expect(whiteOfSet([...dim, 65_535, 65_535, 65_535])).toBe(65_535)
})

it.each([4095, 65_535])(
  "an image that is dim beside its set of white %d stays so, and what is above it is white",
  async (white) => {
    const most = white === 4095 ? 900 : 20_000
    const dim = tiff("uint16", (i) => Math.round(most * ramp(i)))
    // libvips leaves out the lower eight of sixteen bits
    const level = (value: number): number => (white === 65_535 ? value >> 8 : Math.round((255 * value) / white))
    expect(await greysOf(dim, white)).toEqual(
      Array.from({ length: side * side }, (_, i) => level(Math.round(most * ramp(i))))
    )
    const hot = await greysOf(
      tiff("uint16", (i) => (i === 7 ? 65_535 : 100)),
      white
    )
    expect(hot[7]).toBe(255)
  }
)

it("sixteen bits are left to libvips, and so is a PNG of eight", async () => {
  const file = tiff("uint16", (i) => Math.round(65_535 * ramp(i)))
  const plain = await sharp(file).toColourspace("srgb").raw().toBuffer()
  expect(await greysOf(file)).toEqual(
    Array.from({ length: side * side }, (_, i) => plain[i * (plain.length / side ** 2)]!)
  )
})

it("a PNG of sixteen bits that holds twelve is read like a TIFF", async () => {
  const raw = { width: side, height: side, channels: 1 } as const
  const twelve = await sharp(tiff("uint16", (i) => Math.round(4095 * ramp(i))))
    .toColourspace("grey16")
    .png()
    .toBuffer()
  expect((await sharp(twelve).metadata()).depth).toBe("ushort")
  expect(await greysOf(twelve)).toEqual(expected)
  const eight = await sharp(Uint8Array.from(expected), { raw }).png().toBuffer()
  expect(await greysOf(eight)).toEqual(expected)
})

it.each([
  [
    "float32",
    (i: number) => ramp(i) - 0.5,
    "floating-point values from -0.5 to 0.5, where 0 to 1 or 0 to 255 is expected"
  ],
  ["float32", (i: number) => (i === 7 ? Number.NaN : ramp(i)), "floating-point values that are not numbers"],
  [
    "float32",
    (i: number) => (i === 7 ? Number.POSITIVE_INFINITY : ramp(i)),
    "floating-point values that are not numbers"
  ],
  ["float64", ramp, "save it with 8, 16 or 32 bits"]
] as const)("%s that says no black and white is refused in words", async (kind, valueAt, reason) => {
  const file = tiff(kind, valueAt)
  const refused = await greysOf(file).then(
    () => "read",
    (cause: unknown) => reasonOf(cause, file)
  )
  expect(refused).toContain(reason)
})
