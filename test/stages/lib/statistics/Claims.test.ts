/** Each claim's verdict on made-up trainings in which it is true, in which it is false, and in which nobody can say. */
import { describe, expect, it } from "vitest"
import type { Scores } from "../../../../schemas/Compare.ts"
import { byParts, type ClaimInput, judge } from "../../../../stages/lib/statistics/Claims.ts"
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

const learned = { estimate: 0.6, low95: 0.5, high95: 0.7 }

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
    constant: { class: "a", share: 0.1 },
    accuracy: { bn: learned, nobn: learned },
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
    ).toBe("mixed")
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
    expect(verdict(2, input({}, { norm: half }))).toBe("mixed")
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
  it("one of two", () => expect(verdict(4, input(memorising, learning))).toBe("mixed"))
  it("says after which epoch it begins", () => {
    expect(judge(input(memorising, learning))[3]!.sentence).toContain(
      "memorising begins after epoch 2 with BN and at no epoch without"
    )
  })
  it("too short to say", () => {
    expect(verdict(4, input({ ...memorising, epochs: 10 }, memorising))).toBe("undecided")
  })
})

describe("5, sparsemax is easier to read", () => {
  const sparse = (supportSize: number, lostBySparsemax: number, classes = 18): ClaimInput =>
    input(
      {},
      {},
      {
        classes,
        lostBySparsemax,
        scores: { softmax: scores(18), sparsemax: scores(supportSize) }
      }
    )
  it("true", () => expect(verdict(5, sparse(1.8, 0.03))).toBe("supported"))
  it("false: it loses right classes", () => expect(verdict(5, sparse(1.2, 0.4))).toBe("not supported"))
  it("false: it zeroes little", () => expect(verdict(5, sparse(12, 0))).toBe("not supported"))
  it("not by keeping nearly all of three", () => {
    expect(verdict(5, sparse(2.7, 0, 3))).toBe("not supported")
    expect(verdict(5, sparse(1.4, 0, 4))).toBe("supported")
  })
  it("undecided where the top three are all classes", () => {
    expect(verdict(5, sparse(1, 0, 2))).toBe("undecided")
    expect(verdict(5, sparse(1.4, 0, 3))).toBe("undecided")
  })
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

it("claim 5 says by which loss the logits were trained that it reads with both activations", () => {
  const sentence = (loss: "crossEntropy" | "sparsemax"): string => judge(input({ loss }, { loss }))[4]!.sentence
  for (const [loss, name] of [
    ["crossEntropy", "softmax"],
    ["sparsemax", "sparsemax"]
  ] as const) {
    expect(sentence(loss)).toMatch(new RegExp(`the loss that trained the network is that of ${name}\\.$`))
  }
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

describe("a network that is not known to beat a constant answer", () => {
  // images/11-equivalent-at-chance: 60 classes of noise, of which "equivalent" was said
  const at = (estimate: number) => ({ estimate, low95: estimate - 0.05, high95: estimate + 0.05 })
  it.each([
    ["both", at(0.1), at(0.1), "undecided", "undecided"],
    ["one, within its interval", at(0.6), at(0.13), "undecided", "supported"],
    ["the one with BN", at(0.02), at(0.6), "undecided", "undecided"],
    ["none", at(0.6), at(0.6), "supported", "supported"]
  ] as const)("%s", (_, bn, nobn, third, fifth) => {
    const of = input({}, {}, { accuracy: { bn, nobn } })
    expect(verdict(3, of)).toBe(third)
    expect(verdict(5, of)).toBe(fifth)
    const claim = judge(of)[2]!
    expect(claim.sentence.includes("constant answer")).toBe(third === "undecided")
    expect(claim.parts[0]!.name).toContain("above the best constant answer")
  })

  it("is another than one that does, where their scores differ", () => {
    const of = (nobn: number) => input({}, {}, { equivalence: "different", accuracy: { bn: at(0.6), nobn: at(nobn) } })
    expect(verdict(3, of(0.1))).toBe("not supported")
    expect(verdict(3, input({}, {}, { equivalence: "different", accuracy: { bn: at(0.1), nobn: at(0.1) } }))).toBe(
      "undecided"
    )
  })

  it("is measured by the most frequent class, where classes are not of one size", () => {
    const of = input({}, {}, { constant: { class: "a", share: 0.58 } })
    expect(verdict(3, of)).toBe("undecided")
    expect(judge(of)[2]!.sentence).toContain("Neither network is known to beat")
  })
})

describe("parts", () => {
  const part = (state: "holds" | "fails" | "unclear") =>
    ({ name: "a", value: 1, relation: "at most", threshold: 1, state }) as const
  it.each([
    [["holds", "holds", "holds", "holds"], "supported"],
    [["holds", "holds", "holds", "fails"], "mixed"],
    [["holds", "holds", "fails", "fails"], "mixed"],
    [["holds", "fails", "fails", "fails"], "not supported"],
    [["holds", "holds", "holds", "unclear"], "undecided"],
    [["holds", "holds", "fails", "unclear"], "mixed"],
    [["fails", "fails", "fails", "unclear"], "not supported"]
  ] as const)("%j: %s", (states, expected) => {
    expect(byParts(states.map(part))).toBe(expected)
  })

  const rough: Partial<Shape> = { trainLoss: jagged, validationLoss: (e) => jagged(e) + 0.1 * Math.max(0, e - 5) }
  it.each([
    ["roughness of train loss", { trainLoss: jagged }],
    ["roughness of validation loss", { validationLoss: (e: number) => jagged(e) - 0.001 * e }],
    ["growth of the gap", { validationLoss: (e: number) => falling(e) + 0.09 * e }]
  ])("of claim 1: %s fails, and the verdict is mixed or worse", (name, bn) => {
    const claim = judge(input(bn, rough))[0]!
    const failed = claim.parts.filter((each) => each.state === "fails")
    expect(failed.map((each) => each.name).join()).toContain(name)
    expect(claim.verdict).not.toBe("supported")
    expect(judge(input({}, rough))[0]!.verdict).toBe("supported")
  })

  const without = (layer: string, epoch: number): number =>
    ({ conv1: 0.5, conv2: 3, conv3: 2.5, fc1: 0.8, fc2: 0.05 })[layer]! * (epoch % 2 === 0 ? 1.5 : 1)
  it.each([
    ["norm of the last layer", (layer: string, e: number) => without(layer, e) * (layer === "fc2" ? 40 : 1)],
    ["later convolutions", (layer: string, e: number) => without(layer, e) * (layer === "conv3" ? 0.2 : 1)]
  ])("of claim 2: %s fails alone, and the verdict is mixed", (name, norm) => {
    const claim = judge(input({}, { norm }))[1]!
    const failed = claim.parts.filter((each) => each.state === "fails")
    expect(failed.map((each) => each.name)).toHaveLength(1)
    expect(failed[0]!.name).toContain(name)
    expect(claim.verdict).toBe("mixed")
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
