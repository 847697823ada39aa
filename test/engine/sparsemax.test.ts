/** The loss of sparsemax against an independent reference: test/fixtures/statistics/sparsemax.py describes it. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { type Program, parametersOf } from "../../engine/Program.ts"
import { activations } from "../../schemas/activations/Activations.ts"
import { sparsemaxLoss } from "../../schemas/activations/Sparsemax.ts"
import { conv, cpuProgram, dense, instructionSets, type Make, nativeProgram, networkOf, relu } from "./support.ts"

interface Row {
  readonly logits: ReadonlyArray<number>
  readonly label: number
  readonly sparsemax: ReadonlyArray<number>
  readonly loss: number
}

type Values = ReadonlyArray<number | ReadonlyArray<number>>

interface Training {
  readonly classes: number
  readonly batch: number
  readonly rate: number
  readonly hidden: number
  /** Weights and biases of both layers. */
  readonly initial: ReadonlyArray<Values>
  readonly steps: ReadonlyArray<{
    readonly pixels: ReadonlyArray<ReadonlyArray<number>>
    readonly labels: ReadonlyArray<number>
    readonly loss: number
    readonly support: number
  }>
  readonly final: ReadonlyArray<Values>
}

const file = new URL("../fixtures/statistics/sparsemax.json", import.meta.url)
const reference = JSON.parse(readFileSync(file, "utf8")) as {
  readonly rows: ReadonlyArray<Row>
  readonly training: Training
}

const furthest = (found: ArrayLike<number>, expected: ReadonlyArray<number>): number => {
  expect(found.length).toBe(expected.length)
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!)))
}

it("has the activation and the loss of each row", () => {
  for (const { logits, label, sparsemax, loss } of reference.rows) {
    expect(furthest(activations.sparsemax.apply(logits), sparsemax)).toBeLessThan(1e-12)
    expect(Math.abs(sparsemaxLoss(logits, label) - loss)).toBeLessThan(1e-12)
  }
  // some rows have all classes, some one
  const supports = reference.rows.map(({ sparsemax }) => sparsemax.filter((p) => p > 0).length)
  expect(supports).toContain(1)
  expect(reference.rows.some(({ logits }, i) => logits.length > 2 && supports[i] === logits.length)).toBe(true)
})

describe("two layers trained by it", () => {
  const { training } = reference
  const shape = networkOf([conv(training.hidden, 1), relu, dense("classes")], { size: 1, classes: training.classes })
  const parameters = parametersOf(shape)
  const make: Make = {
    shape,
    optimizer: { kind: "sgd", learningRate: training.rate, weightDecay: 0 },
    batchSize: training.batch,
    loss: "sparsemax"
  }

  const check = async (program: Program, name: string): Promise<void> => {
    parameters.forEach((each, i) => {
      program.write("value", each, Float32Array.from(training.initial[i]!.flat()))
    })
    for (const { pixels, labels, loss } of training.steps) {
      const batch = { pixels: Uint8Array.from(pixels.flat()), labels: Int32Array.from(labels) }
      const step = await program.step({ ...batch, learningRate: training.rate, dropoutMasks: new Map() })
      expect(Math.abs(step.loss - loss) / loss, name).toBeLessThan(1e-6)
    }
    for (const [i, each] of parameters.entries()) {
      expect(furthest(await program.read("value", each), training.final[i]!.flat()), name).toBeLessThan(2e-6)
    }
    program.dispose()
  }

  it("costs as much at each step and ends with the same weights, native", async () => {
    // classes are left out, and others are not: else this would be the loss of something simpler
    for (const { support } of training.steps) {
      expect(support).toBeGreaterThan(1)
      expect(support).toBeLessThan(training.classes)
    }
    for (const isa of await instructionSets()) await check(await nativeProgram(make, { isa }), isa)
  })

  it("and in plain JavaScript", async () => check(await cpuProgram(make), "cpu"))
})
