/**
 * Formats of the field that libvips is not built for: BMP, and Netpbm (PBM, PGM, PPM).
 *
 * BMP of 1, 4, 8, 16, 24 and 32 bits, with palettes and bit masks, without compression; Netpbm of all six kinds, levels
 * scaled from their largest. Packages that read BMP without palettes exist; scanners and MATLAB write little else.
 */

export interface Bitmap {
  readonly width: number
  readonly height: number
  /** RGB, row by row from the top. */
  readonly rgb: Uint8Array
}

/** What a file of these formats is refused with, in words. */
export class BitmapError extends Error {}

const truncated = (): never => {
  throw new BitmapError("truncated or damaged")
}

const checkPixels = (width: number, height: number, pixelLimit: number): void => {
  if (width < 1 || height < 1) truncated()
  if (width * height > pixelLimit) throw new BitmapError("exceeds pixel limit")
}

/** Level of a value in the bits of a mask, 0 to 255; 0 without a mask. */
const levelIn = (mask: number): ((value: number) => number) => {
  if (mask === 0) return () => 0
  const shift = 31 - Math.clz32(mask & -mask)
  const most = mask >>> shift
  return (value) => Math.round((255 * ((value & mask) >>> shift)) / most)
}

const noCompression = 0
const bitFields = 3
const coreHeader = 12

interface BmpHeader {
  readonly start: number
  readonly size: number
  readonly width: number
  readonly height: number
  /** The first row is the topmost. */
  readonly fromTop: boolean
  readonly bits: number
  readonly compression: number
  readonly colours: number
}

const bmpHeader = (view: DataView): BmpHeader => {
  const size = view.getUint32(14, true)
  const start = view.getUint32(10, true)
  if (size === coreHeader) {
    const [width, height] = [view.getUint16(18, true), view.getUint16(20, true)]
    return { start, size, width, height, fromTop: false, bits: view.getUint16(24, true), compression: 0, colours: 0 }
  }
  const height = view.getInt32(22, true)
  return {
    start,
    size,
    width: view.getInt32(18, true),
    height: Math.abs(height),
    fromTop: height < 0,
    bits: view.getUint16(28, true),
    compression: view.getUint32(30, true),
    colours: view.getUint32(46, true)
  }
}

type Colour = readonly [red: number, green: number, blue: number]

const bmpPalette = (view: DataView, { size, bits, colours }: BmpHeader): ReadonlyArray<Colour> => {
  const entry = size === coreHeader ? 3 : 4
  const count = colours === 0 ? 2 ** bits : Math.min(colours, 2 ** bits)
  return Array.from({ length: count }, (_, i): Colour => {
    const at = 14 + size + i * entry
    return [view.getUint8(at + 2), view.getUint8(at + 1), view.getUint8(at)]
  })
}

/** The colour of the pixel `x` of the row that begins at `row`. */
const bmpReader = (view: DataView, header: BmpHeader): ((row: number, x: number) => Colour) => {
  const { bits, compression, size } = header
  if (bits <= 8) {
    const palette = bmpPalette(view, header)
    return (row, x) => {
      const byte = view.getUint8(row + ((x * bits) >> 3))
      const index = (byte >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1)
      return palette[index] ?? truncated()
    }
  }
  if (bits === 24)
    return (row, x) => [view.getUint8(row + x * 3 + 2), view.getUint8(row + x * 3 + 1), view.getUint8(row + x * 3)]
  const plain = bits === 16 ? [0x7c00, 0x3e0, 0x1f] : [0xff0000, 0xff00, 0xff]
  const masks = compression === bitFields ? [54, 58, 62].map((at) => view.getUint32(size >= 40 ? at : 54, true)) : plain
  const [red, green, blue] = masks.map(levelIn) as [(v: number) => number, (v: number) => number, (v: number) => number]
  return (row, x) => {
    const value = bits === 16 ? view.getUint16(row + x * 2, true) : view.getUint32(row + x * 4, true)
    return [red(value), green(value), blue(value)]
  }
}

const readBmp = (bytes: Uint8Array, pixelLimit: number): Bitmap => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const header = bmpHeader(view)
  const { width, height, bits, compression, start } = header
  if (![1, 4, 8, 16, 24, 32].includes(bits) || ![noCompression, bitFields].includes(compression)) {
    throw new BitmapError(
      `a BMP with ${bits} bits a pixel and compression ${compression}, which is not read; save it as PNG`
    )
  }
  checkPixels(width, height, pixelLimit)
  const colourAt = bmpReader(view, header)
  // rows are filled up to four bytes
  const stride = Math.ceil((width * bits) / 32) * 4
  if (start + stride * height > bytes.length) truncated()
  const rgb = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const row = start + stride * (header.fromTop ? y : height - 1 - y)
    for (let x = 0; x < width; x++) rgb.set(colourAt(row, x), (y * width + x) * 3)
  }
  return { width, height, rgb }
}

const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13)
const hash = 35
const newline = 10

/** Whole numbers of a Netpbm header or of a plain body; comments begin with "#". */
const netpbmNumbers = (bytes: Uint8Array) => {
  let at = 2
  const skip = (): void => {
    for (; at < bytes.length; at++) {
      if (bytes[at] === hash) while (at < bytes.length && bytes[at] !== newline) at++
      else if (!isSpace(bytes[at]!)) return
    }
  }
  const digit = (): number => bytes[at]! - 48
  return {
    /** A number; with `digits`, of so many digits at most. */
    next: (digits = 9): number => {
      skip()
      let value = -1
      for (let n = 0; n < digits && at < bytes.length && digit() >= 0 && digit() <= 9; n++, at++) {
        value = Math.max(0, value) * 10 + digit()
      }
      return value < 0 ? truncated() : value
    },
    /** Where the body begins: one space after the header. */
    body: (): number => at + 1
  }
}

const readNetpbm = (bytes: Uint8Array, pixelLimit: number): Bitmap => {
  const kind = bytes[1]! - 48
  const [isBits, channels, isPlain] = [kind === 1 || kind === 4, kind === 3 || kind === 6 ? 3 : 1, kind <= 3]
  const numbers = netpbmNumbers(bytes)
  const [width, height] = [numbers.next(), numbers.next()]
  const most = isBits ? 1 : numbers.next()
  if (most < 1 || most > 65_535) truncated()
  checkPixels(width, height, pixelLimit)
  const body = numbers.body()
  const wide = most > 255 ? 2 : 1
  const stride = isBits ? Math.ceil(width / 8) : width * channels * wide
  if (!isPlain && body + stride * height > bytes.length) truncated()
  const valueAt = (y: number, k: number): number => {
    if (isPlain) return numbers.next(isBits ? 1 : 9)
    if (isBits) return (bytes[body + y * stride + (k >> 3)]! >> (7 - (k & 7))) & 1
    const at = body + y * stride + k * wide
    return wide === 2 ? bytes[at]! * 256 + bytes[at + 1]! : bytes[at]!
  }
  const rgb = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let k = 0; k < width * channels; k++) {
      const level = Math.round((255 * Math.min(most, valueAt(y, k))) / most)
      // in a bitmap 1 is black
      const value = isBits ? 255 - level : level
      if (channels === 3) rgb[y * width * 3 + k] = value
      else rgb.fill(value, (y * width + k) * 3, (y * width + k) * 3 + 3)
    }
  }
  return { width, height, rgb }
}

const letterP = 80

/** The image in a BMP or Netpbm file; undefined of any other. Throws `BitmapError`, with a reason in words. */
export const read = (bytes: Uint8Array, pixelLimit: number): Bitmap | undefined => {
  const isBmp = bytes[0] === 66 && bytes[1] === 77
  const isNetpbm = bytes[0] === letterP && bytes[1]! >= 49 && bytes[1]! <= 54 && isSpace(bytes[2] ?? 0)
  if (!isBmp && !isNetpbm) return undefined
  try {
    return isBmp ? readBmp(bytes, pixelLimit) : readNetpbm(bytes, pixelLimit)
  } catch (cause) {
    // a view that was read past its end
    if (cause instanceof RangeError) return truncated()
    throw cause
  }
}
