/** BMP and Netpbm against what other programs write, and the words for what cannot be read. */
import { spawnSync } from "node:child_process"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import sharp from "sharp"
import { describe, expect, it } from "vitest"
import * as Bitmaps from "../../../../stages/lib/images/Bitmaps.ts"
import { openImage, reasonOf } from "../../../../stages/lib/images/OpenImage.ts"

const limit = 1e6
const bytes = (...parts: ReadonlyArray<string | ReadonlyArray<number>>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part)))))

const little = (value: number, length: number): ReadonlyArray<number> =>
  Array.from({ length }, (_, i) => (value >> (8 * i)) & 255)

/** A BMP of 3 x 2 pixels: rows from the bottom unless `height` is negative. */
const bmp = (
  bits: number,
  body: ReadonlyArray<number>,
  {
    palette = [],
    masks = [],
    height = 2,
    compression = 0
  }: {
    readonly palette?: ReadonlyArray<number>
    readonly masks?: ReadonlyArray<number>
    readonly height?: number
    readonly compression?: number
  } = {}
): Uint8Array => {
  const extra = [...masks.flatMap((mask) => little(mask, 4)), ...palette]
  const start = 14 + 40 + extra.length
  return bytes(
    "BM",
    [...little(start + body.length, 4), 0, 0, 0, 0, ...little(start, 4)],
    [...little(40, 4), ...little(3, 4), ...little(height, 4), 1, 0, ...little(bits, 2), ...little(compression, 4)],
    [...little(0, 4), ...little(0, 8), ...little(palette.length / 4, 4), ...little(0, 4), ...extra, ...body]
  )
}

const rgbOf = (file: Uint8Array): ReadonlyArray<number> => Array.from(Bitmaps.read(file, limit)!.rgb)

const red = [255, 0, 0]
const green = [0, 255, 0]
const blue = [0, 0, 255]
const white = [255, 255, 255]
const black = [0, 0, 0]
/** Top row red, green, blue; bottom row white, black, white. */
const picture = [...red, ...green, ...blue, ...white, ...black, ...white]

describe("BMP", () => {
  const palette = [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 0]
  const rows24 = [255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 0, 255, 0, 255, 0, 255, 0, 0, 0, 0, 0]
  it("is read at every depth", () => {
    expect(rgbOf(bmp(24, rows24))).toEqual(picture)
    expect(rgbOf(bmp(8, [3, 4, 3, 0, 0, 1, 2, 0], { palette }))).toEqual(picture)
    expect(rgbOf(bmp(4, [0x34, 0x30, 0, 0, 0x01, 0x20, 0, 0], { palette }))).toEqual(picture)
    const two = [0, 0, 0, 0, 255, 255, 255, 0]
    expect(rgbOf(bmp(1, [0b10100000, 0, 0, 0, 0b01000000, 0, 0, 0], { palette: two }))).toEqual([
      ...[...black, ...white, ...black],
      ...[...white, ...black, ...white]
    ])
    const rows32 = [255, 255, 255, 0, 0, 0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0]
    expect(rgbOf(bmp(32, rows32))).toEqual(picture)
    const rows16 = [0xff, 0x7f, 0, 0, 0xff, 0x7f, 0, 0, 0, 0x7c, 0xe0, 0x03, 0x1f, 0, 0, 0]
    expect(rgbOf(bmp(16, rows16))).toEqual(picture)
    const fields = { masks: [0xf800, 0x7e0, 0x1f], compression: 3 }
    const rows565 = [0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 0xf8, 0xe0, 0x07, 0x1f, 0, 0, 0]
    expect(rgbOf(bmp(16, rows565, fields))).toEqual(picture)
  })

  it("may begin with the topmost row", () => {
    expect(rgbOf(bmp(24, [...rows24.slice(12), ...rows24.slice(0, 12)], { height: -2 }))).toEqual(picture)
  })

  it("is refused in words: compressed, cut off, too large", () => {
    expect(() => rgbOf(bmp(8, [0], { compression: 1 }))).toThrow("compression 1, which is not read; save it as PNG")
    expect(() => rgbOf(bmp(24, rows24.slice(0, 9)))).toThrow("truncated or damaged")
    expect(() => rgbOf(bmp(24, rows24).subarray(0, 20))).toThrow("truncated or damaged")
    expect(() => Bitmaps.read(bmp(24, rows24), 5)).toThrow("exceeds pixel limit")
  })
})

describe("Netpbm", () => {
  it("is read in all six kinds, with comments and any largest level", () => {
    expect(rgbOf(bytes("P3\n# by hand\n3 2 1\n1 0 0 0 1 0 0 0 1\n1 1 1 0 0 0 1 1 1\n"))).toEqual(picture)
    expect(rgbOf(bytes("P6 3 2 255\n", picture))).toEqual(picture)
    expect(rgbOf(bytes("P2 2 1 4 0 2"))).toEqual([...black, 128, 128, 128])
    expect(rgbOf(bytes("P5 2 1 65535\n", [0, 0, 128, 0]))).toEqual([...black, 128, 128, 128])
    expect(rgbOf(bytes("P1 3 1 101"))).toEqual([...black, ...white, ...black])
    expect(rgbOf(bytes("P4 3 2\n", [0b10100000, 0b01000000]))).toEqual([
      ...[...black, ...white, ...black],
      ...[...white, ...black, ...white]
    ])
  })

  it("is refused in words where it is cut off", () => {
    for (const file of ["P6 3 2 255\n12", "P3 1 1 255 1 2", "P5 2", "P6 1 1 0\n000"]) {
      expect(() => rgbOf(bytes(file)), file).toThrow("truncated or damaged")
    }
  })
})

it("no bytes end otherwise than as an image, as none of these formats, or in words", () => {
  const beginnings = fc.constantFrom("BM", "P1 ", "P2 ", "P3 ", "P4 ", "P5 ", "P6 ", "P6\n9 9 255\n", "")
  fc.assert(
    fc.property(beginnings, fc.uint8Array({ maxLength: 120 }), (start, rest) => {
      try {
        Bitmaps.read(bytes(start, Array.from(rest)), 1e4)
      } catch (cause) {
        expect(cause).toBeInstanceOf(Bitmaps.BitmapError)
      }
    }),
    { numRuns: 500 }
  )
})

it("what Pillow writes is read as it reads it", async ({ skip }) => {
  const script = `
import io, sys, json, base64
from PIL import Image
im = Image.new("RGB", (7, 5)); im.putdata([((x * 37) % 256, (x * 91) % 256, (x * 5) % 256) for x in range(35)])
out = {}
for name, one, form in [("bmp", im, "BMP"), ("bmp8", im.quantize(20), "BMP"), ("bmpL", im.convert("L"), "BMP"), ("bmp1", im.convert("1"), "BMP"), ("ppm", im, "PPM"), ("pgm", im.convert("L"), "PPM"), ("pbm", im.convert("1"), "PPM")]:
    b = io.BytesIO(); one.save(b, form)
    out[name] = [base64.b64encode(b.getvalue()).decode(), list(one.convert("RGB").tobytes())]
print(json.dumps(out))`
  const { status, stdout } = spawnSync("/usr/bin/python3", ["-c", script], { encoding: "utf8" })
  if (status !== 0) skip("Pillow is not installed")
  const made = JSON.parse(stdout) as Readonly<Record<string, readonly [string, ReadonlyArray<number>]>>
  for (const [name, [file, expected]] of Object.entries(made)) {
    expect(rgbOf(new Uint8Array(Buffer.from(file, "base64"))), name).toEqual(expected)
    const { image: opened } = await openImage(Buffer.from(file, "base64"), limit)
    expect(Array.from(await opened.raw().toBuffer()), name).toEqual(expected)
  }
})

describe("what cannot be read", () => {
  const reason = async (file: Uint8Array): Promise<string> =>
    Effect.runPromise(
      Effect.flip(
        Effect.tryPromise({
          try: async () => (await openImage(file, limit)).image.metadata(),
          catch: (cause) => reasonOf(cause, file)
        })
      )
    )
  // images/08-heic-reason: "bad seek to 3029"
  it.each([
    ["HEIC, the format of iPhones", bytes([0, 0, 0, 24], "ftypheic", [0, 0, 0, 0], "mif1heic")],
    ["a web page, not an image: the download failed", bytes("\n<!DOCTYPE html><title>404</title>")],
    ["a web page, not an image", bytes([0xef, 0xbb, 0xbf], "<!-- saved from url=(0014)about:internet -->\n<html>")],
    ["an answer in JSON or XML", bytes('{"error":"denied"}')],
    ["an answer in JSON or XML", bytes('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>')],
    ["run git lfs pull", bytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")],
    ["a video", bytes([0, 0, 0, 24], "ftypmp42", [0, 0, 0, 0], "mp42")],
    ["JPEG 2000", bytes([0, 0, 0, 12], "jP  ", [13, 10, 135, 10])],
    ["JPEG XL", bytes([0xff, 10, 1, 2])],
    ["a gzip archive", bytes([0x1f, 0x8b, 8, 0])],
    ["a PDF, not an image", bytes("%PDF-1.4")],
    ["a zip archive, not an image", bytes("PK\u0003\u0004xxxxxxxx")],
    ["a Photoshop document", bytes("8BPS", [0, 1])],
    ["truncated or damaged", bytes("P6 3 2 255\n12")],
    ["not an image in a format that is read", bytes("hello")]
  ])("says: %s", async (words, file) => {
    expect(await reason(file)).toContain(words)
  })

  it("leaves other formats to libvips", async () => {
    const png = await sharp({ create: { width: 3, height: 2, channels: 3, background: "#ff0000" } })
      .png()
      .toBuffer()
    expect(await (await openImage(png, limit)).image.metadata()).toMatchObject({ width: 3, height: 2, format: "png" })
  })
})
