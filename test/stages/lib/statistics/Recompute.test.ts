/**
 * The statistics computed again from the artifacts, by a program that shares nothing with this one: Python's standard library,
 * which reads the Arrow files and the manifest, and writes out softmax, scores, tests and standard errors anew.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import type { Metrics } from "../../../../schemas/Compare.ts"
import { CompareParams } from "../../../../schemas/Compare.ts"
import type { Manifest } from "../../../../schemas/Split.ts"
import * as Random from "../../../../stages/lib/Random.ts"
import { compareAll } from "../../../../stages/lib/statistics/Comparison.ts"
import { compareGradients } from "../../../../stages/lib/statistics/GradientStats.ts"
import * as LogitsTable from "../../../../stages/lib/tables/LogitsTable.ts"
import * as SeedLogitsTable from "../../../../stages/lib/tables/SeedLogitsTable.ts"
import { repository } from "../../../lib/cli.ts"
import { temporaryFolder, writeFiles } from "../../../lib/temporary.ts"
import { falling, history, thresholds } from "../histories.ts"

const classes = ["birds", "clocks", "drinks", "花"]
const splits = ["train", "validation", "test"] as const

/** Twelve groups a class and split, of one to four images. */
const rows = splits.flatMap((split) =>
  classes.flatMap((name, label) =>
    Array.from({ length: 12 }, (_, group) => group).flatMap((group) =>
      Array.from({ length: 1 + ((group * 7 + label) % 4) }, (_, i) => ({
        path: `${name}/${split}-${group}-${i}.png`,
        group: `${name}/${split}-${group}`,
        split,
        label
      }))
    )
  )
)
const tested = rows.filter(({ split }) => split === "test")

/** Images of a group share their luck. */
const logitsOf = (of: typeof rows, strength: number, seed: number): Float32Array =>
  Float32Array.from(
    of.flatMap(({ group, label, path: name }) => {
      const luck = Random.make(seed, group).float()
      const random = Random.make(seed, name)
      return classes.map((_, k) => random.between(-2, 2) + (k === label ? strength * luck : 0))
    })
  )

const activations = ["softmax", "sparsemax", "entmax15"] as const
type Each<A> = Record<"bn" | "nobn", Record<(typeof activations)[number], A>>

/** What the program prints. */
interface Recomputed {
  readonly scores: Each<Record<string, number | null>>
  /** Rows, confidence and accuracy of each bin that has rows. */
  readonly calibration: Each<ReadonlyArray<readonly [number, number, number]>>
  /** At the temperatures that were found here. */
  readonly scaled: Each<{
    readonly loss: number
    readonly least: number
    readonly scores: Record<string, number | null>
  }>
  readonly mcNemar: Metrics["mcNemar"]
  readonly groupTest: Metrics["groupTest"]
  readonly constant: number
  readonly bestEpochs: Record<"bn" | "nobn", number>
  readonly headline: Record<string, ReadonlyArray<number>>
  readonly standardErrors: Record<"bn" | "nobn" | "difference" | "loss", number>
}

const hasPython = spawnSync("python3", ["--version"]).status === 0

describe.skipIf(!hasPython)("an independent program (skipped where there is no python3)", () => {
  let metrics: Metrics
  let again: Recomputed

  beforeAll(() => {
    const root = temporaryFolder()
    const labels = (of: typeof rows) => Int32Array.from(of, ({ label }) => label)
    const table: LogitsTable.LogitsTable = {
      classes,
      paths: rows.map((row) => row.path),
      labels: labels(rows),
      splits: rows.map((row) => row.split),
      bn: logitsOf(rows, 5, 1),
      nobn: logitsOf(rows, 3, 2)
    }
    const seeds = [3, 4].map((seed) => ({ bn: logitsOf(tested, 5, seed), nobn: logitsOf(tested, 3, 10 * seed) }))
    const of = (best: number) =>
      history(
        {
          epochs: 6,
          trainLoss: falling,
          validationLoss: falling,
          norm: () => 1,
          validationAccuracy: (epoch) => (epoch === best ? 0.7 : 0.5)
        },
        classes
      )
    const histories = { bn: of(4), nobn: of(2) }
    const images = rows.map(({ path: name, group }) => ({ path: name, group }))
    metrics = compareAll({
      params: CompareParams.make({
        activation: "softmax",
        seed: 1,
        bootstrap: 4000,
        equivalenceMargin: 0.03,
        examples: 9
      }),
      manifest: { images } as unknown as Manifest,
      table,
      histories,
      replicas: { bn: [of(3), of(1)], nobn: [of(5), of(6)] },
      gradients: compareGradients(histories.bn, histories.nobn, thresholds),
      seedLogits: seeds
    })
    const paths = tested.map((row) => row.path)
    const temperatures = (variant: "bn" | "nobn") =>
      Object.fromEntries(metrics[variant].activations.map((each) => [each.activation, each.scaled.temperature]))
    writeFiles(root, {
      "split/manifest.json": JSON.stringify({ pictures: images }),
      "logits/logits.arrow": LogitsTable.encode(table),
      "logits/seed-logits.arrow": SeedLogitsTable.encode({ classes, paths, labels: labels(tested), seeds }),
      "temperatures.json": JSON.stringify({ bn: temperatures("bn"), nobn: temperatures("nobn") }),
      "train@bn/history.json": JSON.stringify(histories.bn),
      "train@nobn/history.json": JSON.stringify(histories.nobn)
    })
    const program = path.join(repository, "test/fixtures/statistics/recompute.py")
    again = JSON.parse(execFileSync("python3", [program, root], { encoding: "utf8" })) as Recomputed
  }, 60_000)

  it.each(["bn", "nobn"] as const)("finds the same scores, %s", (variant) => {
    for (const activation of activations) {
      const { scores } = metrics[variant].activations.find((each) => each.activation === activation)!
      for (const [name, value] of Object.entries(again.scores[variant][activation])) {
        const ours = scores[name as keyof typeof scores]
        if (value === null) expect(ours, name).toBeNull()
        else expect(ours, `${activation} ${name}`).toBeCloseTo(value, 12)
      }
    }
    expect(metrics[variant].bestEpoch).toBe(again.bestEpochs[variant])
  })

  it.each(["bn", "nobn"] as const)("finds the same calibration, bin by bin, %s", (variant) => {
    for (const activation of activations) {
      const { calibration } = metrics[variant].activations.find((each) => each.activation === activation)!
      const bins = calibration.filter((bin) => bin.rows > 0)
      expect(bins).toHaveLength(again.calibration[variant][activation].length)
      for (const [i, [count, confidence, accuracy]] of again.calibration[variant][activation].entries()) {
        expect(bins[i]!.rows).toBe(count)
        expect(bins[i]!.confidence).toBeCloseTo(confidence, 12)
        expect(bins[i]!.accuracy).toBeCloseTo(accuracy, 12)
      }
    }
  })

  it.each(["bn", "nobn"] as const)("finds no better temperature, and the same scores at it, %s", (variant) => {
    for (const activation of activations) {
      const { scaled } = metrics[variant].activations.find((each) => each.activation === activation)!
      const { loss, least, scores } = again.scaled[variant][activation]
      expect(scaled.minimizes).toBe(activation === "softmax" ? "negativeLogLikelihood" : "brier")
      expect(loss, activation).toBeLessThan(least + 1e-5)
      for (const [name, value] of Object.entries(scores)) {
        const ours = scaled.scores[name as keyof typeof scaled.scores]
        if (value === null) expect(ours, name).toBeNull()
        // logits over a temperature are float32 here
        else expect(ours, `${activation} ${name}`).toBeCloseTo(value, 6)
      }
    }
  })

  it("finds the same tests, and the same best constant answer", () => {
    expect(metrics.mcNemar).toMatchObject({
      onlyBnRight: again.mcNemar.onlyBnRight,
      onlyNobnRight: again.mcNemar.onlyNobnRight
    })
    expect(metrics.mcNemar.pValue).toBeCloseTo(again.mcNemar.pValue, 12)
    expect(metrics.groupTest).toMatchObject({ groups: 48, differing: again.groupTest.differing })
    expect(metrics.groupTest.pValue).toBeCloseTo(again.groupTest.pValue, 12)
    expect(metrics.constant.share).toBe(again.constant)
  })

  it("finds the same differences of loss and calibration, seed by seed", () => {
    for (const metric of ["loss", "calibrationError"] as const) {
      const { values } = metrics.headline.find((each) => each.metric === metric)!
      expect(values).toHaveLength(3)
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(again.headline[metric]![i]!, 12)
    }
    expect(metrics.differences[0]!.estimate).toBeCloseTo(again.headline["accuracy"]![0]!, 12)
  })

  it("finds the same standard errors by a formula as the bootstrap by drawing, within a tenth", () => {
    const widths = {
      bn: metrics.bn.accuracy,
      nobn: metrics.nobn.accuracy,
      difference: metrics.differences.find(({ metric }) => metric === "accuracy")!
    }
    for (const [name, { low95, high95 }] of Object.entries(widths)) {
      const error = again.standardErrors[name as keyof typeof widths]
      expect(Math.abs((high95 - low95) / (3.92 * error) - 1), name).toBeLessThan(0.1)
    }
  })
})
