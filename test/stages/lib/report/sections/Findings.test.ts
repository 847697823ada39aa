/** The recommendation of the first screen, by what the intervals leave open; and which finding comes first. */
import { describe, expect, it } from "vitest"
import type { HeadlineDifference, Metrics, VariantMetrics } from "../../../../../schemas/Compare.ts"
import { findings, recommendation } from "../../../../../stages/lib/report/sections/Findings.ts"
import { compareGradients } from "../../../../../stages/lib/statistics/GradientStats.ts"
import { falling, history, type Shape, thresholds } from "../../histories.ts"

const row = (metric: HeadlineDifference["metric"], mean: number, half: number): HeadlineDifference => ({
  metric,
  values: [mean],
  mean,
  low95: mean - half,
  high95: mean + half,
  margin: 0.03
})

const network = (low95: number): VariantMetrics =>
  ({ accuracy: { estimate: 0.5, low95, high95: 0.6 }, perClass: [{}, {}] }) as unknown as VariantMetrics

const said = ([accuracy, loss, calibration]: readonly [number, number, number], more: Partial<Metrics> = {}): string =>
  recommendation({
    bn: network(0.4),
    nobn: network(0.4),
    constant: { class: "drinks", share: 0.2 },
    equivalence: { margin: 0.03, verdict: "different" },
    groupTest: { groups: 70, differing: 30, pValue: 0.01 },
    headline: [row("accuracy", accuracy, 0.05), row("loss", loss, 0.1), row("calibrationError", calibration, 0.05)],
    ...more
  })

describe("the recommendation", () => {
  it("follows accuracy where its interval leaves 0 out", () => {
    expect(said([0.06, 0, 0])).toContain("Use batch normalization for images")
    expect(said([-0.06, -0.3, 0])).toContain("Leave batch normalization out for images")
  })

  it("follows nothing where the test images are a handful of groups", () => {
    const groupTest = { groups: 9, differing: 9, pValue: 0.01 }
    expect(said([0.06, -0.3, 0], { groupTest })).toContain("the test images are 9 independent groups, too few")
    expect(said([0.06, -0.3, 0], { groupTest: { ...groupTest, groups: 10 } })).toContain("Use batch normalization")
  })

  it("does not follow accuracy where chance may explain it, nor against the verdict", () => {
    const equivalence = { margin: 0.03, verdict: "undecided" } as const
    const unclear = said([0.06, 0, 0], { equivalence, groupTest: { groups: 12, differing: 4, pValue: 0.125 } })
    expect(unclear).toContain(
      "Rely on neither choice yet: test accuracy with batch normalization minus without is +6.0"
    )
    expect(unclear).toContain("but chance may explain that (the networks differ in 4 groups, and p is 0.13)")
    expect(unclear).not.toContain("hold 0")
    expect(said([0.06, 0, 0], { groupTest: { groups: 70, differing: 9, pValue: 0.06 } })).toContain("Rely on neither")
    expect(said([0.06, 0, 0], { equivalence: { margin: 0.2, verdict: "equivalent" } })).toContain("makes no difference")
  })

  it("tells of the loss where it speaks against accuracy", () => {
    expect(said([0.06, 0.3, 0])).toContain("Leave batch normalization out if probabilities count: test loss")
    expect(said([0.06, -0.3, 0])).not.toContain("if probabilities count")
  })

  it("follows the loss, of which less is better, where accuracy does not tell, and no other measure", () => {
    expect(said([0.04, -0.3, 0])).toContain("Use batch normalization if probabilities count: test loss")
    expect(said([0.04, 0.3, -0.1])).toContain("Leave batch normalization out if probabilities count: test loss")
    expect(said([0, 0, -0.1])).toContain("Rely on neither choice yet")
    const small = [row("accuracy", 0, 0.05), { ...row("loss", -0.05, 0.02), margin: 0.1 }]
    expect(said([0, 0, 0], { headline: small })).toContain("Rely on neither choice yet")
  })

  it("is none where the intervals leave all open, and none where nothing was learned", () => {
    expect(said([0.04, 0.05, 0.04])).toContain("Rely on neither choice yet")
    expect(said([0.06, 0, 0], { bn: network(0.1), nobn: network(0.2) })).toContain("Use neither network yet")
  })

  it("asks for images of the other class where one is nearly all", () => {
    const constant = { class: "ok", share: 0.99 }
    const few = said([0, 0, 0], { constant })
    expect(few).toContain("99.0\u00a0% of the test images are “ok”")
    expect(few).toContain("Use more images of the other class")
  })

  it("is the simpler network where both are the same", () => {
    const verdict = { equivalence: { margin: 0.03, verdict: "equivalent" } } as const
    expect(said([0.01, 0, 0], verdict)).toContain("Leave batch normalization out if accuracy is what counts")
  })

  it("asks for more seeds where there is one", () => {
    expect(said([0.06, 0, 0])).toContain("Try more seeds")
    const seeds = { equivalence: "different", count: 3, differences: [] } as unknown as Metrics["seeds"] & object
    expect(said([0.06, 0, 0], { seeds })).not.toContain("Try more seeds")
  })
})

describe("findings", () => {
  const of = (shape: Partial<Shape>) =>
    history({ epochs: 6, trainLoss: falling, validationLoss: falling, norm: () => 1, ...shape })
  type Dead = (epoch: number) => number
  /** `further` is what is dead with each further seed. */
  const found = (dead: Dead, train: number, further: ReadonlyArray<Dead> = []): ReadonlyArray<string> => {
    const dying = (share: Dead) => of({ dead: (layer, epoch) => (layer === "fc1" ? share(epoch) : 0) })
    const nobn = dying(dead)
    const histories = { bn: of({}), nobn }
    const replicas = { bn: further.map(() => of({})), nobn: further.map(dying) }
    const splits = [
      { split: "train", images: 9, accuracy: train, f1Macro: 0 },
      { split: "test", images: 9, accuracy: 0.5, f1Macro: 0 }
    ]
    const metrics = {
      bn: { splits, accuracy: { high95: 0.6 } },
      nobn: { splits, accuracy: { high95: 0.6 } },
      testImages: 100,
      groupTest: { groups: 100, differing: 9, pValue: 1 }
    } as unknown as Metrics
    return findings({
      histories,
      replicas,
      metrics,
      gradients: compareGradients(histories.bn, histories.nobn, thresholds)
    })
  }

  it("begin with what one would expect least", () => {
    const [first, second] = found(() => 0.69, 0.99)
    expect(first).toContain("Most of layer fc1 does nothing")
    expect(first).toContain("69\u00a0% of its ReLUs")
    expect(first).toContain("from epoch 1 on")
    expect(second).toContain("knows its train images by heart")
    expect(found((epoch) => (epoch < 3 ? 0.1 : 0.6), 0.5)[0]).toContain("from epoch 3 on")
  })

  it("are those that every seed shows", () => {
    expect(found(() => 0.9, 0.5, [() => 0.7, () => 0.1])).toEqual([])
    const [first] = found(() => 0.9, 0.5, [(epoch) => (epoch < 3 ? 0.1 : 0.7)])
    expect(first).toContain("80\u00a0% of its ReLUs (mean of 2 seeds)")
    expect(first).toContain("from epoch 3 on")
  })

  it("leave out what a handful of test images says by chance", () => {
    expect(found(() => 0, 0.59 + 0.02)).toHaveLength(1)
    expect(found(() => 0, 0.6)).toEqual([])
  })

  it("call a network that knows half of its train images no better than it is", () => {
    expect(found(() => 0, 0.7)[0]).toContain("is far better on its train images")
  })

  it("are none where nothing is out of the ordinary", () => {
    expect(found((epoch) => (epoch < 6 ? 0.9 : 0.1), 0.55)).toEqual([])
  })
})
