/** A file's bytes as an image, whatever format it has, and in words why they are none. */
import { messageOf } from "../Failure.ts"
import * as Bitmaps from "./Bitmaps.ts"
import * as DeepLevels from "./DeepLevels.ts"
import { loadSharp } from "./Sharp.ts"

/** Names that images have. */
export const imageName = /\.(jpe?g|png|gif|webp|avif|heic|heif|tiff?|bmp|p[bgnp]m|svg|jxl|jp2)$/iu

/**
 * The image, not yet decoded where libvips does that, and what else is known of one of more than eight bits. `white` is that
 * of the set (DeepLevels.ts). Fails where `reasonOf` has the words.
 */
export const openImage = async (bytes: Uint8Array, pixelLimit: number, white?: number) => {
  const sharp = await loadSharp()
  const options = { failOn: "error", limitInputPixels: pixelLimit } as const
  const bitmap = Bitmaps.read(bytes, pixelLimit)
  if (bitmap !== undefined) {
    const { width, height, rgb } = bitmap
    return { image: sharp(rgb, { ...options, raw: { width, height, channels: 3 } }) }
  }
  const deep = await DeepLevels.read(bytes, options, white)
  if (deep?.levels === undefined) return { image: sharp(bytes, options), deep }
  const { levels, ...raw } = deep.levels
  return { image: sharp(levels, { ...options, raw }), deep }
}

const startsWith = (bytes: Uint8Array, text: string, at = 0): boolean =>
  Buffer.from(bytes.subarray(at, at + text.length))
    .toString("latin1")
    .toLowerCase() === text.toLowerCase()

const isHeic = (bytes: Uint8Array): boolean =>
  startsWith(bytes, "ftyp", 4) &&
  ["heic", "heix", "hevc", "heim", "heis", "mif1", "msf1"].some((brand) => startsWith(bytes, brand, 8))

const isVideo = (bytes: Uint8Array): boolean =>
  ["isom", "iso2", "mp41", "mp42", "avc1", "m4v ", "qt  "].some((brand) => startsWith(bytes, `ftyp${brand}`, 4)) ||
  (startsWith(bytes, "RIFF") && startsWith(bytes, "AVI ", 8))

const beginning = 256

/** What a text begins with, without a mark of its encoding and comments before it. */
const beginsWith =
  (pattern: RegExp) =>
  (bytes: Uint8Array): boolean =>
    pattern.test(
      Buffer.from(bytes.subarray(0, beginning))
        .toString("utf8")
        .replace(/^(\ufeff|\s|<!--[\s\S]*?-->)*/u, "")
    )

/** Formats that are known by their first bytes and cannot be read. */
const foreign: ReadonlyArray<readonly [is: (bytes: Uint8Array) => boolean, reason: string]> = [
  [isHeic, "HEIC, the format of iPhones, which is not read: convert it to JPEG (heif-convert, or Export in Photos)"],
  [beginsWith(/^<(!doctype html|html|head)/iu), "a web page, not an image: the download failed"],
  [beginsWith(/^(\{|<\?xml[\s\S]*<Error>)/u), "an answer in JSON or XML, not an image: the download failed"],
  [beginsWith(/^version https:\/\/git-lfs/u), "a pointer of Git LFS, not the image: run git lfs pull"],
  [isVideo, "a video, not an image: save its frames as images"],
  [(bytes) => startsWith(bytes, "\0\0\0\fjP  "), "JPEG 2000, which is not read: save it as PNG"],
  [
    (bytes) => startsWith(bytes, "\0\0\0\fJXL ") || startsWith(bytes, "\u00ff\n"),
    "JPEG XL, which is not read: save it as PNG"
  ],
  [(bytes) => startsWith(bytes, "\u001f\u008b"), "a gzip archive, not an image: unpack it"],
  [(bytes) => startsWith(bytes, "%PDF"), "a PDF, not an image"],
  [(bytes) => startsWith(bytes, "PK\u0003\u0004"), "a zip archive, not an image: unpack it"],
  [(bytes) => startsWith(bytes, "8BPS"), "a Photoshop document: export it as PNG"],
  [(bytes) => startsWith(bytes, "DICM", 128), "DICOM: export it as PNG or TIFF"]
]

const damaged = /premature end|truncated|unexpected end|libpng read error|out of order read/iu

/** libvips' messages, and what they mean for the file. */
const inWords: ReadonlyArray<readonly [pattern: RegExp, reason: string]> = [
  [/unsupported image format/iu, "not an image in a format that is read"],
  [/samples out of range/iu, "a TIFF of values that are not read, such as 64-bit ones: save it with 8, 16 or 32 bits"],
  [/bad labq format/iu, "a TIFF of CIELAB colours, which are not read: save it as RGB"],
  [/input buffer is empty/iu, "an empty file"],
  [/exceeds pixel limit/iu, "more pixels than split.pixelLimit allows"],
  [damaged, "truncated or damaged"]
]

/** Why bytes are no image, in words, with libvips' own behind them where they tell more. */
export const reasonOf = (cause: unknown, bytes: Uint8Array): string => {
  const known = foreign.find(([is]) => is(bytes))
  if (known !== undefined) return known[1]
  const message = messageOf(cause)
  if (cause instanceof DeepLevels.LevelsError) return message
  if (cause instanceof Bitmaps.BitmapError && !/exceeds pixel limit/u.test(message)) return message
  const first = (message.split("\n")[0] ?? message).trim()
  const meaning = inWords.find(([pattern]) => pattern.test(message))
  if (meaning === undefined) return first
  // what libvips' readers say of damage tells more than that there is some
  return damaged.test(message) ? `${meaning[1]} (${first})` : meaning[1]
}
