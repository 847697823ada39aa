/** gradstats: matrices, ratios and flags of known trainings, and charts that hold them. */
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { Gradstats } from "../../schemas/Gradstats.ts"
import { gradstats } from "../../stages/gradstats.ts"
import { compareGradients } from "../../stages/lib/statistics/GradientStats.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { falling, history, thresholds } from "./lib/histories.ts"
import { runStage } from "./lib/runStage.ts"

const steady = history({ epochs: 5, trainLoss: falling, validationLoss: falling, norm: () => 2 })
const uneven = history({
  epochs: 5,
  trainLoss: falling,
  validationLoss: falling,
  norm: (layer, epoch) => ({ conv1: 1e-5, conv2: 10 ** epoch, conv3: 1, fc1: 0, fc2: 0.5 })[layer]!
})

describe("updates and dead ReLUs", () => {
  const sick = history({
    epochs: 3,
    trainLoss: falling,
    validationLoss: falling,
    norm: () => 2,
    updateRatio: (layer, epoch) => ({ conv1: 1e-6, conv2: 0.2, fc2: 10 ** -epoch })[layer] ?? 1e-3,
    dead: (layer, epoch) => (layer === "fc1" ? epoch / 4 : 0)
  })
  const stats = compareGradients(steady, sick, thresholds)

  it("are matrices by layer and epoch; the last layer has no ReLU", () => {
    expect(stats.nobn.updateRatio[4]).toEqual([0.1, 0.01, 0.001])
    expect(stats.nobn.dead.layers).toEqual(["conv1", "conv2", "conv3", "fc1"])
    expect(stats.nobn.dead.share[3]).toEqual([0.25, 0.5, 0.75])
    const row = stats.lastEpoch.find(({ layer }) => layer === "fc1")!
    expect(row).toMatchObject({ deadShare: { bn: 0, nobn: 0.75 }, updateRatio: { bn: 1e-3, nobn: 1e-3 } })
    expect(stats.lastEpoch.find(({ layer }) => layer === "fc2")!.deadShare).toEqual({ bn: null, nobn: null })
  })

  it("are flagged beyond the thresholds, with what was measured", () => {
    expect(stats.bn.flags).toEqual([])
    const of = (kind: string) => stats.nobn.flags.filter((flag) => flag.kind === kind)
    expect(of("still").map(({ layer, value }) => [layer, value])).toEqual(Array(3).fill(["conv1", 1e-6]))
    expect(of("rushed").map(({ layer, epoch }) => [layer, epoch])).toEqual([
      ["conv2", 1],
      ["conv2", 2],
      ["conv2", 3]
    ])
    expect(of("dead")).toEqual([{ kind: "dead", layer: "fc1", epoch: 3, value: 0.75 }])
  })
})

describe("numbers", () => {
  const stats = compareGradients(steady, uneven, { ...thresholds, exploding: 1000 })

  it("equal norms are even, steady and not flagged", () => {
    expect(stats.bn.unevenness).toEqual([0, 0, 0, 0, 0])
    expect(stats.bn.unsteadiness).toBe(0)
    expect(stats.bn.firstOverLast).toEqual([1, 1, 1, 1, 1])
    expect(stats.bn.flags).toEqual([])
  })

  it("flags what vanishes against the epoch's largest, and what explodes", () => {
    const of = (kind: string, layer: string) =>
      stats.nobn.flags.filter((flag) => flag.kind === kind && flag.layer === layer).map((flag) => flag.epoch)
    expect(of("exploding", "conv2")).toEqual([4, 5])
    expect(of("vanishing", "conv1")).toEqual([1, 2, 3, 4, 5])
    expect(of("vanishing", "fc1")).toEqual([1, 2, 3, 4, 5])
    expect(of("vanishing", "conv3")).toEqual([4, 5])
  })

  it("has one scale for both and the last epoch side by side", () => {
    expect(stats.scale).toEqual({ minimum: 1e-5, maximum: 1e5 })
    expect(stats.lastEpoch.map((row) => row.layer)).toEqual(["conv1", "conv2", "conv3", "fc1", "fc2"])
    expect(stats.lastEpoch[4]).toMatchObject({ layer: "fc2", bn: 2, nobn: 0.5, ratio: 4 })
    expect(stats.lastEpoch[3]).toMatchObject({ layer: "fc1", bn: 2, nobn: 0, ratio: null })
  })
})

it("the stage writes the summary and five charts in one font, the same every time", async () => {
  const folder = temporaryFolder()
  writeFiles(folder, { "bn.json": JSON.stringify(steady), "nobn.json": JSON.stringify(uneven) })
  const run = (to: string) =>
    Effect.runPromise(
      runStage(gradstats, {
        inputs: { bn: path.join(folder, "bn.json"), nobn: path.join(folder, "nobn.json") },
        to: path.join(folder, to)
      }).pipe(Effect.provide(NodeServices.layer))
    )
  const first = await run("first")
  const second = await run("second")
  Schema.decodeUnknownSync(Schema.fromJsonString(Gradstats))(readFileSync(first["summary"]!, "utf8"))
  for (const port of ["heatMaps", "profiles", "ratio", "updates", "dead"]) {
    const svg = readFileSync(first[port]!, "utf8")
    expect(svg.startsWith("<svg ")).toBe(true)
    expect(svg).toContain("Inter")
    expect(svg).not.toMatch(/currentColor|NaN|undefined/)
    expect(readFileSync(second[port]!, "utf8")).toBe(svg)
  }
})
