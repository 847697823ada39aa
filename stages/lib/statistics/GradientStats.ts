/**
 * Statistics of the gradient norms of two trainings: matrices, ratios, evenness, steadiness and flags; with the
 * update-to-weight ratio and the dead ReLUs of each layer.
 *
 * Norms span orders of magnitude, so comparisons use log10. A norm of 0 is left out of logarithms and flagged as
 * vanishing.
 */
import type {
  GradientFlag,
  GradientThresholds,
  Gradstats,
  LastEpochRow,
  VariantGradients
} from "../../../schemas/Gradstats.ts"
import type { Epoch, History } from "../../../schemas/Train.ts"
import { mean, populationDeviation } from "./Summary.ts"

const logs = (values: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.filter((value) => value > 0).map((value) => Math.log10(value))

type Matrix = ReadonlyArray<ReadonlyArray<number>>

/** The measurements of one training. */
interface Measured {
  readonly layers: ReadonlyArray<string>
  readonly gradientNorm: Matrix
  readonly updateRatio: Matrix
  readonly dead: VariantGradients["dead"]
}

/** The flags of a layer in an epoch, with the number that raised each. */
const wrongAt = (
  measured: Measured,
  layer: string,
  e: number,
  thresholds: GradientThresholds
): ReadonlyArray<Pick<GradientFlag, "kind" | "value">> => {
  const { layers, gradientNorm, updateRatio, dead } = measured
  const l = layers.indexOf(layer)
  const norm = gradientNorm[l]![e]!
  const largest = Math.max(...gradientNorm.map((row) => row[e]!))
  const update = updateRatio[l]![e]!
  const share = dead.share[dead.layers.indexOf(layer)]?.[e] ?? 0
  const exploding = norm > thresholds.exploding
  // a norm of 0 has vanished too
  const vanishing = !exploding && (norm < thresholds.vanishing * largest || norm === 0)
  return [
    ...(exploding ? [{ kind: "exploding" as const, value: norm }] : []),
    ...(vanishing ? [{ kind: "vanishing" as const, value: norm }] : []),
    ...(share > thresholds.dead ? [{ kind: "dead" as const, value: share }] : []),
    ...(update < thresholds.still ? [{ kind: "still" as const, value: update }] : []),
    ...(update > thresholds.rushed ? [{ kind: "rushed" as const, value: update }] : [])
  ]
}

const flagsOf = (
  epochs: ReadonlyArray<number>,
  measured: Measured,
  thresholds: GradientThresholds
): ReadonlyArray<GradientFlag> =>
  epochs.flatMap((epoch, e) =>
    measured.layers.flatMap((layer) =>
      wrongAt(measured, layer, e, thresholds).map((wrong): GradientFlag => ({ ...wrong, layer, epoch }))
    )
  )

/** `[layer][epoch]` of a record by layer in each epoch. */
const matrixOf = (
  history: History,
  layers: ReadonlyArray<string>,
  of: (epoch: Epoch) => Epoch["gradientNorm"]
): Matrix => layers.map((layer) => history.epochs.map((epoch) => of(epoch)[layer] ?? 0))

/** One training. */
export const summarize = (history: History, thresholds: GradientThresholds): VariantGradients => {
  const { layers } = history
  const epochs = history.epochs.map((epoch) => epoch.epoch)
  const gradientNorm = matrixOf(history, layers, (epoch) => epoch.gradientNorm)
  const updateRatio = matrixOf(history, layers, (epoch) => epoch.updateRatio)
  const withRelu = layers.filter((layer) => layer in history.epochs[0].deadShare)
  const dead = { layers: withRelu, share: matrixOf(history, withRelu, (epoch) => epoch.deadShare) }
  const first = gradientNorm[0] ?? []
  const last = gradientNorm[gradientNorm.length - 1] ?? []
  return {
    layers,
    epochs,
    gradientNorm,
    updateRatio,
    dead,
    firstOverLast: epochs.map((_, e) => (last[e]! > 0 ? first[e]! / last[e]! : null)),
    unevenness: epochs.map((_, e) => populationDeviation(logs(gradientNorm.map((row) => row[e]!)))),
    unsteadiness: mean(
      gradientNorm.map((row) => {
        const levels = logs(row)
        return populationDeviation(levels.slice(1).map((level, i) => level - levels[i]!))
      })
    ),
    flags: flagsOf(epochs, { layers, gradientNorm, updateRatio, dead }, thresholds)
  }
}

/** The layers of both, in the order of the one that has more; layers of the other alone come last. */
const allLayers = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [more, fewer] = a.length >= b.length ? [a, b] : [b, a]
  return [...more, ...fewer.filter((layer) => !more.includes(layer))]
}

/** The value of a layer's last epoch, if there is one. */
const lastOf = (layers: ReadonlyArray<string>, matrix: Matrix, layer: string): number | null =>
  matrix[layers.indexOf(layer)]?.at(-1) ?? null

const lastRow = (bn: VariantGradients, nobn: VariantGradients, layer: string): LastEpochRow => {
  const both = (of: (stats: VariantGradients) => readonly [ReadonlyArray<string>, Matrix]) => ({
    bn: lastOf(...of(bn), layer),
    nobn: lastOf(...of(nobn), layer)
  })
  const norms = both((stats) => [stats.layers, stats.gradientNorm])
  const ratio = norms.bn === null || norms.nobn === null || norms.nobn === 0 ? null : norms.bn / norms.nobn
  return {
    layer,
    ...norms,
    ratio,
    updateRatio: both((stats) => [stats.layers, stats.updateRatio]),
    deadShare: both((stats) => [stats.dead.layers, stats.dead.share])
  }
}

/** Both trainings side by side. */
export const compareGradients = (
  bnHistory: History,
  nobnHistory: History,
  thresholds: GradientThresholds
): Gradstats => {
  const bn = summarize(bnHistory, thresholds)
  const nobn = summarize(nobnHistory, thresholds)
  const norms = [...bn.gradientNorm, ...nobn.gradientNorm].flat().filter((norm) => norm > 0)
  return {
    thresholds,
    scale: {
      minimum: norms.reduce((a, b) => Math.min(a, b), norms[0] ?? 1),
      maximum: norms.reduce((a, b) => Math.max(a, b), norms[0] ?? 1)
    },
    bn,
    nobn,
    lastEpoch: allLayers(bn.layers, nobn.layers).map((layer) => lastRow(bn, nobn, layer))
  }
}
