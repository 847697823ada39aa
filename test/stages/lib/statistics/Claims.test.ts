/** Each claim's verdict on made-up trainings in which it is true, in which it is false, and in which nobody can say. */
import { describe, expect, it } from "vitest"
import type { Scores } from "../../../../schemas/Compare.ts"
import { type ClaimInput, judge } from "../../../../stages/lib/statistics/Claims.ts"
import { compareGradients } from "../../../../stages/lib/statistics/GradientStats.ts"
import { falling, history, jagged, type Shape, thresholds } from "../histories.ts"

const even = (): number => 1
const base: Shape = { epochs: 14, trainLoss: falling, validationLoss: falling, norm: even }

const scores = (supportSize: number): Scores => ({
  accuracy: 0.6,
  f1Micro: 0.6,
  f1Macro: 0.6,
  top3: 0.8,
  negativeLogLikelihood: 1,
  zeroLabelRows: 0,
  brier: 0.5,
  calibrationError: 0.1,
  supportSize,
  overflowRows: 0
})

const input = (bn: Partial<Shape>, nobn: Partial<Shape>, more: Partial<ClaimInput> = {}): ClaimInput => {
  const [a, b] = [history({ ...base, ...bn }), history({ ...base, ...nobn })]
  return {
    bn: a,
    nobn: b,
    gradients: compareGradients(a, b, thresholds),
    differences: [{ metric: "accuracy", estimate: 0, low95: -0.02, high95: 0.02, low90: -0.01, high90: 0.01 }],
    margin: 0.03,
    equivalence: "equivalent",
    classes: 18,
    scores: { softmax: scores(18), sparsemax: scores(1.5) },
    lostBySparsemax: 0.02,
    ...more
  }
}

const verdict = (id: number, of: ClaimInput): string => judge(of).find((claim) => claim.id === id)!.verdict

describe("1, smoother and slower to overfit", () => {
  const overfit = (epoch: number): number => jagged(epoch) + 0.1 * Math.max(0, epoch - 5)
  it("true", () => {
    expect(verdict(1, input({}, { trainLoss: jagged, validationLoss: overfit }))).toBe("supported")
  })
  it("false", () => {
    expect(verdict(1, input({ trainLoss: jagged, validationLoss: overfit }, {}))).toBe("not supported")
  })
  it("half true", () => {
    expect(
      verdict(1, input({ validationLoss: (e) => falling(e) + 0.05 * e }, { trainLoss: jagged, validationLoss: jagged }))
    ).toBe("undecided")
  })
  it("too short to say", () => {
    expect(verdict(1, input({ epochs: 2 }, { epochs: 2 }))).toBe("undecided")
  })
})

describe("2, steadier and more even gradients", () => {
  const without = (layer: string, epoch: number): number =>
    ({ conv1: 0.5, conv2: 3, conv3: 2.5, fc1: 0.8, fc2: 0.05 })[layer]! * (epoch % 2 === 0 ? 1.5 : 1)
  it("true", () => expect(verdict(2, input({}, { norm: without }))).toBe("supported"))
  it("false", () => expect(verdict(2, input({ norm: without }, {}))).toBe("not supported"))
  it("half true", () => {
    const half = (layer: string, epoch: number): number => without(layer, epoch) * (layer === "conv2" ? 0.1 : 40)
    expect(verdict(2, input({}, { norm: half }))).toBe("undecided")
  })
})

describe("3, the same on test", () => {
  it.each([
    ["equivalent", "supported"],
    ["different", "not supported"],
    ["undecided", "undecided"]
  ] as const)("%s is %s", (equivalence, expected) => {
    expect(verdict(3, input({}, {}, { equivalence }))).toBe(expected)
  })
})

describe("4, memorises after epoch 10", () => {
  const memorising: Partial<Shape> = {
    trainAccuracy: (epoch) => 0.5 + 0.04 * epoch,
    validationAccuracy: (epoch) => 0.6 - (epoch > 8 ? 0.01 : 0),
    validationLoss: (epoch) => 1 + 0.05 * Math.abs(epoch - 8)
  }
  const learning: Partial<Shape> = {
    trainAccuracy: (epoch) => 0.4 + 0.03 * epoch,
    validationAccuracy: (epoch) => 0.4 + 0.03 * epoch
  }
  it("true", () => expect(verdict(4, input(memorising, memorising))).toBe("supported"))
  it("false", () => expect(verdict(4, input(learning, learning))).toBe("not supported"))
  it("one of two", () => expect(verdict(4, input(memorising, learning))).toBe("undecided"))
  it("too short to say", () => {
    expect(verdict(4, input({ ...memorising, epochs: 10 }, memorising))).toBe("undecided")
  })
})

describe("5, sparsemax is easier to read", () => {
  const sparse = (supportSize: number, lostBySparsemax: number): ClaimInput =>
    input(
      {},
      {},
      {
        lostBySparsemax,
        scores: { softmax: scores(18), sparsemax: scores(supportSize) }
      }
    )
  it("true", () => expect(verdict(5, sparse(1.8, 0.03))).toBe("supported"))
  it("false: it loses right classes", () => expect(verdict(5, sparse(1.2, 0.4))).toBe("not supported"))
  it("false: it zeroes little", () => expect(verdict(5, sparse(12, 0))).toBe("not supported"))
  it("in between", () => expect(verdict(5, sparse(2, 0.15))).toBe("undecided"))
})

describe("6, the same dynamics", () => {
  const decaying = (_: string, epoch: number): number => Math.exp(-epoch / 10)
  it("true at another level", () => {
    expect(verdict(6, input({ norm: decaying }, { norm: (l, e) => 7 * decaying(l, e) }))).toBe("supported")
  })
  it("false", () =>
    expect(verdict(6, input({ norm: decaying }, { norm: (l, e) => 1 / decaying(l, e) }))).toBe("not supported"))
})

describe("networks trained with different losses", () => {
  it("cannot be compared by their curves: undecided, whatever these say", () => {
    const claims = judge(input({}, { trainLoss: jagged, validationLoss: jagged, loss: "sparsemax" }))
    for (const id of [1, 2, 6]) {
      expect(claims[id - 1]).toMatchObject({ id, verdict: "undecided" })
      expect(claims[id - 1]!.sentence).toContain("different losses")
    }
    expect(claims[2]!.verdict).toBe("supported")
  })

  it("sparsemax's loss is told without a unit", () => {
    const memorising: Partial<Shape> = { epochs: 14, loss: "sparsemax" }
    for (const claim of judge(input(memorising, memorising))) expect(claim.sentence).not.toContain("nats")
    expect(
      judge(input({}, {}))
        .map((claim) => claim.sentence)
        .join()
    ).toContain("nats")
  })
})

it("every claim says its rule, a sentence and numbers", () => {
  for (const claim of judge(input({}, {}))) {
    expect(claim.rule.length).toBeGreaterThan(40)
    expect(claim.sentence).toMatch(/\.$/)
    expect(claim.sentence).not.toMatch(/NaN|undefined|Infinity/)
    expect(claim.evidence.length).toBeGreaterThan(0)
    for (const { value } of claim.evidence) expect(Number.isFinite(value)).toBe(true)
  }
})
