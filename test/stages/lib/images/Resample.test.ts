/** Parts of an image at another size: against slow references, and laws that any resampling keeps. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CodeIdentity } from "../../../../cache/code/CodeIdentity.ts"
import { Disk } from "../../../../cache/store/Disk.ts"
import { openResampler } from "../../../../engine/index.ts"
import { sourceDigest } from "../../../../engine/native/Resampler.ts"
import { augment } from "../../../../stages/augment.ts"
import * as Resample from "../../../../stages/lib/images/Resample.ts"
import {
  type Colour,
  type Part,
  recolour,
  type Square,
  straight,
  turned
} from "../../../../stages/lib/images/Resample.ts"
import * as Resampler from "../../../../stages/lib/images/Resampler.ts"
import { engine } from "../../../../stages/lib/network/EngineToolchain.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { cacheDir } from "../../../engine/support.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

const noise = (side: number, seed: number): Square => {
  const random = Random.make(seed, "noise")
  return { side, rgb: Uint8Array.from({ length: side * side * 3 }, () => random.int(256)) }
}

/** Smooth shapes: neighbours differ by a few levels, as they do in images. */
const smooth = (side: number): Square => ({
  side,
  rgb: Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const [x, y, k] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side), i % 3]
    return Math.round(127 + 120 * Math.sin(x / 9 + k) * Math.cos(y / 11 - k))
  })
})

const whole = (side: number): Part => ({ left: 0, top: 0, width: side, height: side })

const parts = fc.integer({ min: 4, max: 40 }).chain((side) =>
  fc.record({
    side: fc.constant(side),
    width: fc.integer({ min: 1, max: side }),
    height: fc.integer({ min: 1, max: side }),
    x: fc.double({ min: 0, max: 1, noNaN: true }),
    y: fc.double({ min: 0, max: 1, noNaN: true })
  })
)
const partOf = ({
  side,
  width,
  height,
  x,
  y
}: {
  side: number
  width: number
  height: number
  x: number
  y: number
}) => ({
  left: Math.round(x * (side - width)),
  top: Math.round(y * (side - height)),
  width,
  height
})

/** Every weight anew for every pixel, in two dimensions at once. */
const slowStraight = ({ side, rgb }: Square, part: Part, size: number): ReadonlyArray<number> => {
  const weight = (i: number, j: number, span: number): number => {
    const scale = span / size
    return Math.max(0, 1 - Math.abs(j + 0.5 - (i + 0.5) * scale) / Math.max(1, scale))
  }
  return Array.from({ length: size * size * 3 }, (_, at) => {
    const [x, y, k] = [Math.floor(at / 3) % size, Math.floor(at / 3 / size), at % 3]
    let [sum, weights] = [0, 0]
    for (let v = 0; v < part.height; v++) {
      for (let u = 0; u < part.width; u++) {
        const w = weight(x, u, part.width) * weight(y, v, part.height)
        sum += w * rgb[((part.top + v) * side + part.left + u) * 3 + k]!
        weights += w
      }
    }
    return sum / weights
  })
}

/** The mean of n x n places, each between four pixels, in doubles. */
const slowTurned = (square: Square, part: Part, angle: number, size: number, flip: boolean, fill: Colour) => {
  const { side, rgb } = square
  const n = Math.max(1, Math.round(Math.max(part.width, part.height) / size))
  const [cos, sin] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]
  const level = (x: number, y: number, k: number): number =>
    x < 0 || y < 0 || x >= side || y >= side ? fill[k]! : rgb[(y * side + x) * 3 + k]!
  return Array.from({ length: size * size * 3 }, (_, at) => {
    const [x, y, k] = [Math.floor(at / 3) % size, Math.floor(at / 3 / size), at % 3]
    let sum = 0
    for (let b = 0; b < n; b++) {
      for (let a = 0; a < n; a++) {
        const share = (x * n + a + 0.5) / (size * n)
        const dx = part.left + part.width * (flip ? 1 - share : share) - side / 2
        const dy = part.top + (part.height * (y * n + b + 0.5)) / (size * n) - side / 2
        const px = side / 2 + dx * cos + dy * sin - 0.5
        const py = side / 2 - dx * sin + dy * cos - 0.5
        const [i, j] = [Math.floor(px), Math.floor(py)]
        const [u, v] = [px - i, py - j]
        sum +=
          (1 - v) * ((1 - u) * level(i, j, k) + u * level(i + 1, j, k)) +
          v * ((1 - u) * level(i, j + 1, k) + u * level(i + 1, j + 1, k))
      }
    }
    return sum / (n * n)
  })
}

const rows = ({ side, rgb }: Square) => ({ width: side, rgb })

const furthest = (a: ArrayLike<number>, b: ReadonlyArray<number>): number =>
  b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i]!)), 0)

describe("straight", () => {
  it("is what the filter is by definition", () => {
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 24 }), fc.nat(99), (drawn, size, seed) => {
        const square = noise(drawn.side, seed)
        const part = partOf(drawn)
        // half a level by rounding, and weights in 16,384 parts
        expect(furthest(straight(rows(square), part, size, false), slowStraight(square, part, size))).toBeLessThan(0.53)
      }),
      { numRuns: 60 }
    )
  })

  it("changes nothing at the same size", () => {
    const square = noise(17, 1)
    expect(straight(rows(square), whole(17), 17, false)).toEqual(square.rgb)
  })

  it("mirrored twice is as it was", () => {
    const square = noise(16, 2)
    const once = straight(rows(square), whole(16), 16, true)
    expect(once).not.toEqual(square.rgb)
    expect(straight({ width: 16, rgb: once }, whole(16), 16, true)).toEqual(square.rgb)
  })
})

describe("turned", () => {
  it("is what it is by definition, to a level", () => {
    const angles = fc.double({ min: -180, max: 180, noNaN: true })
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 24 }), angles, fc.boolean(), (drawn, size, angle, flip) => {
        const square = smooth(drawn.side)
        const part = partOf(drawn)
        const fill: Colour = [128, 128, 128]
        const found = turned(square, part, angle, size, flip, fill)
        // half a level by rounding, one for places that are counted in 256 parts of a pixel (up to 130 levels apart)
        expect(furthest(found, slowTurned(square, part, angle, size, flip, fill))).toBeLessThan(1.6)
      }),
      { numRuns: 100 }
    )
  })

  it("by a quarter moves the pixels as they are, clockwise", () => {
    const side = 12
    const square = noise(side, 3)
    const found = turned(square, whole(side), 90, side, false, [0, 0, 0])
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        // what is at the right end of the top row was at the left end of it
        const from = ((side - 1 - x) * side + y) * 3
        expect(found.subarray((y * side + x) * 3, (y * side + x) * 3 + 3)).toEqual(square.rgb.subarray(from, from + 3))
      }
    }
  })

  it("fills what lies beyond the square, and leaves a plain one plain", () => {
    const side = 40
    const plain: Square = { side, rgb: new Uint8Array(side * side * 3).fill(200) }
    const found = turned(plain, whole(side), 45, side, false, [10, 20, 30])
    expect([...found.subarray(0, 3)]).toEqual([10, 20, 30])
    expect([...found.subarray((20 * side + 20) * 3, (20 * side + 20) * 3 + 3)]).toEqual([200, 200, 200])
    expect(new Set(turned(plain, whole(side), 33, side, true, [200, 200, 200]))).toEqual(new Set([200]))
  })
})

describe("recolour", () => {
  it("takes the colour out at saturation 0, brightens, and stays within the levels", () => {
    const rgb = Uint8Array.of(10, 20, 30, 200, 250, 255)
    recolour(rgb, 1, 0)
    expect([...rgb]).toEqual([18, 18, 18, 236, 236, 236])
    recolour(rgb, 1.5, 1)
    expect([...rgb]).toEqual([27, 27, 27, 255, 255, 255])
  })
})

describe("the engine's threads", () => {
  it("make the same bytes", async () => {
    expect(openResampler(cacheDir)).toBeDefined()
    const resampler = await Effect.runPromise(Resampler.open(() => cacheDir))
    const jobs = fc.record({
      drawn: parts,
      size: fc.integer({ min: 1, max: 40 }),
      angle: fc.oneof(fc.constant(0), fc.double({ min: -180, max: 180, noNaN: true })),
      flip: fc.boolean(),
      fill: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)),
      brightness: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 2, noNaN: true })),
      saturation: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 2, noNaN: true })),
      seed: fc.nat(1000)
    })
    await fc.assert(
      fc.asyncProperty(jobs, async ({ drawn, size, seed, ...rest }) => {
        const square = noise(drawn.side, seed)
        const job = { part: partOf(drawn), ...rest }
        const original = { ...job, part: whole(drawn.side), angle: 0, flip: false }
        const made = await Effect.runPromise(resampler.records(square, [job, original], size))
        expect(made[0]).toEqual(Resample.make(square, job, size))
        expect(made[1]).toEqual(Resample.make(square, original, size))
      }),
      { numRuns: 300 }
    )
  })

  it("squeeze images of any shape to the same bytes", async () => {
    const resampler = await Effect.runPromise(Resampler.open(() => cacheDir))
    const sides = fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }))
    await fc.assert(
      fc.asyncProperty(sides, fc.integer({ min: 1, max: 60 }), fc.nat(1000), async ([width, height], size, seed) => {
        const rgb = noise(90, seed).rgb.slice(0, width * height * 3)
        const part = { left: 0, top: 0, width, height }
        const squashed = await Effect.runPromise(resampler.squashed({ width, height, rgb }, size))
        expect(squashed).toEqual(straight({ width, rgb }, part, size, false))
      }),
      { numRuns: 200 }
    )
  })

  it("are the engine's, of which nothing else counts in the key of augment", async () => {
    expect(Resampler.toolchainName).toBe(engine.name)
    const identify = Effect.flatMap(CodeIdentity, (identity) => identity.of(augment.source))
    const layer = CodeIdentity.layerIn(temporaryFolder()).pipe(Layer.provideMerge(Disk.layer))
    const { code } = await Effect.runPromise(Effect.provide(identify, layer))
    const ofEngine = Object.keys(code.modules).filter((each) => each.startsWith("engine/"))
    expect(ofEngine).toEqual(["engine/native/ImageBinary.ts", "engine/native/Resampler.ts"])
  })

  it("are left alone where the engine was not built, and by a binary from another source", async () => {
    expect(openResampler(temporaryFolder())).toBeUndefined()
    const source = readFileSync(new URL("../../../../engine/native/src/resample.cpp", import.meta.url))
    expect(sourceDigest, "sourceDigest in engine/native/Resampler.ts").toBe(
      createHash("sha256").update(source).digest("hex").slice(0, 16)
    )
  })
})
