/** The presets, the layer table (the seed study's own, line by line), and the initial weights. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describe, expect, test } from "vitest"
import { NetworkSpec } from "../../../../schemas/Network.ts"
import * as Network from "../../../../stages/lib/network/Network.ts"

const input = { size: 224, channels: 3, classes: 18 }

const seedTable = `        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1         [-1, 16, 222, 222]             448
              ReLU-2         [-1, 16, 222, 222]               0
         MaxPool2d-3         [-1, 16, 111, 111]               0
            Conv2d-4         [-1, 32, 109, 109]           4,640
              ReLU-5         [-1, 32, 109, 109]               0
         MaxPool2d-6           [-1, 32, 54, 54]               0
            Conv2d-7           [-1, 64, 52, 52]          18,496
              ReLU-8           [-1, 64, 52, 52]               0
         MaxPool2d-9           [-1, 64, 26, 26]               0
           Linear-10                  [-1, 512]      22,151,680
             ReLU-11                  [-1, 512]               0
          Dropout-12                  [-1, 512]               0
           Linear-13                   [-1, 18]           9,234
================================================================
Total params: 22,184,498
Trainable params: 22,184,498
Non-trainable params: 0`

describe("layerTable", () => {
  test("is the seed study's, line by line", () => {
    const table = Result.getOrThrow(Network.layerTable(Network.preset("seed", { batchNorm: false }), input))
    expect(table.totalParameters).toBe(22_184_498)
    expect(Network.renderLayerTable(table)).toBe(seedTable)
  })

  test("batch normalization adds 224 parameters", () => {
    const table = Result.getOrThrow(Network.layerTable(Network.preset("seed", { batchNorm: true }), input))
    expect(table.totalParameters).toBe(22_184_498 + 224)
  })

  test("the deep network has five convolutions and three dense layers", () => {
    const { rows } = Result.getOrThrow(Network.layerTable(Network.preset("deep", { batchNorm: false }), input))
    expect(rows.filter((r) => r.layer.startsWith("Conv2d"))).toHaveLength(5)
    expect(rows.filter((r) => r.layer.startsWith("Linear"))).toHaveLength(3)
  })

  test("every size and class count works until the images are too small, which names the layer", () => {
    const spec = Network.preset("seed", { batchNorm: false })
    for (let size = 22; size < 80; size++) {
      for (const classes of [2, 7, 100]) {
        const { rows } = Result.getOrThrow(Network.layerTable(spec, { size, channels: 3, classes }))
        expect(rows.at(-1)).toMatchObject({ outputShape: [classes], parameters: 513 * classes })
      }
    }
    const small = Network.layerTable(spec, { size: 12, channels: 3, classes: 2 })
    if (!Result.isFailure(small)) throw new Error("12 pixels are too few")
    expect(small.failure.layer).toBe("layer 7 (conv)")
    expect(small.failure.message).toContain("expected an input of at least 3 x 3")
  })
})

describe("resolve", () => {
  const resolve = (layers: ReadonlyArray<unknown>) =>
    Network.resolve(Schema.decodeUnknownSync(NetworkSpec)({ name: "test", layers }), {
      size: 16,
      channels: 3,
      classes: 4
    })
  const conv = { type: "conv", filters: 4, kernel: 3, stride: 1, padding: "valid" }
  const last = { type: "dense", units: "classes" }
  const norm = { type: "batchNorm", epsilon: 1e-5, momentum: 0.1 }

  test.each([
    ["conv after dense", [{ type: "dense", units: 3 }, conv, last], "layer 2 (conv)"],
    ["normalization after ReLU", [conv, { type: "relu" }, norm, last], "layer 3 (batchNorm)"],
    ["two ReLUs", [conv, { type: "relu" }, { type: "relu" }, last], "layer 3 (relu)"],
    ["dropout after conv", [conv, { type: "dropout", rate: 0.5 }, last], "layer 2 (dropout)"],
    ["pool first", [{ type: "maxPool", size: 2 }, last], "layer 1 (maxPool)"],
    ["no output layer", [conv, { type: "relu" }], "the last layer"],
    ["ReLU at the end", [last, { type: "relu" }], "the last layer"]
  ])("%s is refused by name", (_, layers, layer) => {
    const result = resolve(layers)
    if (!Result.isFailure(result)) throw new Error("should be refused")
    expect(result.failure.layer).toBe(layer)
  })

  test("padding same keeps the size", () => {
    const [block] = Result.getOrThrow(resolve([{ ...conv, padding: "same" }, last])).blocks
    expect(block).toMatchObject({ convSize: 16, padBefore: 1, padAfter: 1 })
  })

  test("presets are valid specs", () => {
    for (const name of ["seed", "deep"] as const) {
      for (const batchNorm of [false, true]) {
        const spec = Network.preset(name, { batchNorm })
        expect(Schema.decodeUnknownSync(NetworkSpec)(JSON.parse(JSON.stringify(spec)))).toEqual(spec)
      }
    }
  })
})

describe("initialValue", () => {
  const shapeOf = (batchNorm: boolean, size = 40) =>
    Result.getOrThrow(Network.resolve(Network.preset("seed", { batchNorm }), { ...input, size }))

  test("both variants start from the same weights, other seeds from others", () => {
    const [plain, bn] = [shapeOf(false), shapeOf(true)]
    for (const parameter of Network.parametersOf(plain)) {
      const same = Network.parametersOf(bn).find((p) => p.name === parameter.name)!
      const value = Network.initialValue(plain, parameter, 5)
      expect(Network.initialValue(bn, same, 5)).toEqual(value)
      expect(Network.initialValue(plain, parameter, 6)).not.toEqual(value)
    }
  })

  test("is uniform within torch's bound", () => {
    const shape = shapeOf(false)
    const parameter = Network.parametersOf(shape).find((p) => p.name === "fc1.weight")!
    const value = Network.initialValue(shape, parameter, 1)
    const bound = 1 / Math.sqrt(parameter.shape[1]!)
    expect(Math.max(...value.slice(0, 100_000))).toBeLessThanOrEqual(bound)
    expect(Math.min(...value.slice(0, 100_000))).toBeGreaterThanOrEqual(-bound)
    const variance = value.reduce((sum, x) => sum + x * x, 0) / value.length
    // variance of U(-b, b) is b^2 / 3; 300,000 draws
    expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 1)
  })
})
