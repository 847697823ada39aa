/** Grad-CAM against an independent reference, which test/fixtures/statistics/gradcam.py describes, and against the engine. */
import { readFileSync } from "node:fs"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { parametersOf } from "../../../../engine/Program.ts"
import type { NetworkSpec } from "../../../../schemas/Network.ts"
import type { TrainedNetwork } from "../../../../schemas/Train.ts"
import * as GradCam from "../../../../stages/lib/network/GradCam.ts"
import * as Network from "../../../../stages/lib/network/Network.ts"
import type { NamedTensor } from "../../../../stages/lib/tables/Safetensors.ts"
import { mean, nativeProgram, plainSgd, randomPixels, randomValue, std } from "../../../engine/support.ts"

interface Case {
  readonly name: string
  readonly layers: NetworkSpec["layers"]
  readonly size: number
  readonly classes: number
  readonly pixels: ReadonlyArray<number>
  readonly values: Readonly<
    Record<string, { readonly shape: ReadonlyArray<number>; readonly data: ReadonlyArray<number> }>
  >
  readonly logits: ReadonlyArray<number>
  readonly cams: ReadonlyArray<ReadonlyArray<number>>
}

const file = new URL("../../../fixtures/statistics/gradcam.json", import.meta.url)
const cases = JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<Case>

const networkOf = (layers: NetworkSpec["layers"], size: number, classes: number): TrainedNetwork => ({
  spec: { name: "test", layers },
  size,
  preparation: { size, fit: "squash", background: "#ffffff" } as unknown as TrainedNetwork["preparation"],
  classes: Array.from({ length: classes }, (_, k) => `class ${k}`),
  mean,
  std,
  table: [],
  totalParameters: 1
})

const furthest = (found: ArrayLike<number>, expected: ReadonlyArray<number>): number => {
  expect(found.length).toBe(expected.length)
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!)))
}

describe.each(cases)("$name", ({ layers, size, classes, pixels, values, logits, cams }) => {
  const tensors = Object.entries(values).map(
    ([name, { shape, data }]): NamedTensor => ({ name, shape, dtype: "F32", data: Float32Array.from(data) })
  )
  const cam = Option.getOrThrow(GradCam.make(networkOf(layers, size, classes), tensors))
  const looked = cam.look(Uint8Array.from(pixels))

  it("has the logits of the reference", () => expect(furthest(looked.logits, logits)).toBeLessThan(1e-9))

  it("has the maps of the reference, class by class", () => {
    for (const [label, expected] of cams.entries()) {
      const { values } = looked.evidence(label)
      const largest = Math.max(...expected)
      // a difference quotient of 1e-7 is good to about 1e-8
      expect(furthest(values, expected)).toBeLessThan(1e-6 * Math.max(1e-3, largest))
    }
    // not maps of nothing
    const some = Math.max(...cams.flat()) / 100
    expect(cams.flat().filter((value) => value > some).length).toBeGreaterThan(5)
  })
})

it("sees with the engine's eyes: the same logits as the native engine's", async () => {
  const { layers, size, classes } = cases[1]!
  const network = networkOf(layers, size, classes)
  const shape = Result.getOrThrow(Network.resolve(network.spec, { size, channels: 3, classes }))
  const program = await nativeProgram({ shape, optimizer: plainSgd, batchSize: 1 })
  const tensors = parametersOf(shape).map((each): NamedTensor => {
    const data = randomValue(shape, each, 5)
    program.write("value", each, data)
    return { name: each.name, shape: each.shape, dtype: "F32", data }
  })
  const pixels = randomPixels(1, shape, 5)
  // as it is in files of PyTorch's
  const counter: NamedTensor = {
    name: "bn1.num_batches_tracked",
    shape: [],
    dtype: "I64",
    data: BigInt64Array.of(7n)
  }
  const { logits } = Option.getOrThrow(GradCam.make(network, [...tensors, counter])).look(pixels)
  expect(furthest(await program.predict(pixels, 1), [...logits])).toBeLessThan(1e-5)
  program.dispose()
})

it("lies where the convolution looks, and not over the whole image", () => {
  const { layers, size, classes } = cases[0]!
  const shape = Result.getOrThrow(Network.resolve({ name: "test", layers }, { size, channels: 3, classes }))
  const weights = parametersOf(shape).map((each): NamedTensor => {
    const length = each.shape.reduce((a, b) => a * b, 1)
    return {
      name: each.name,
      shape: each.shape,
      dtype: "F32",
      data: new Float32Array(length).fill(each.role === "bias" ? 0 : 0.1)
    }
  })
  const cam = Option.getOrThrow(GradCam.make(networkOf(layers, size, classes), weights))
  // one bright pixel
  const at = [6, 11] as const
  const grey = Uint8Array.from({ length: size * size * 3 }, (_, i) => Math.round(255 * mean[i % 3]!))
  const bright = grey.slice()
  bright.fill(255, (at[0] * size + at[1]) * 3, (at[0] * size + at[1]) * 3 + 3)
  const evidence = cam.look(bright).evidence(0)
  const before = cam.look(grey).evidence(0)
  const gained = evidence.values.map((value, i) => value - before.values[i]!)
  const best = gained.indexOf(Math.max(...gained))
  const middle = (k: number): number => evidence.from + evidence.step * k
  // what the value with the most of it sees reaches 3.5 pixels to each side
  expect(Math.abs(middle(Math.floor(best / evidence.size)) - at[0])).toBeLessThanOrEqual(3.5)
  expect(Math.abs(middle(best % evidence.size) - at[1])).toBeLessThanOrEqual(3.5)
})

it("is none for a network without a convolution", () => {
  const layers = [{ type: "dense", units: "classes" }] as const
  expect(Option.isNone(GradCam.make(networkOf(layers, 8, 2), []))).toBe(true)
})
