/**
 * What the gradient norms of two trainings say: matrices, ratios, evenness, steadiness, and flags.
 *
 * Norms span orders of magnitude, so everything that compares them works on log10. A norm of 0 is left out of logarithms
 * and flagged as vanishing.
 */
import type { GradientFlag, GradientThresholds, Gradstats, VariantGradients } from "../../schemas/Gradstats.ts"
import type { History } from "../../schemas/Train.ts"

const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length

/** Population standard deviation; 0 for fewer than two values. */
const deviation = (values: ReadonlyArray<number>): number => {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)))
}

const logs = (values: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.filter((value) => value > 0).map((value) => Math.log10(value))

const flagsOf = (
  layers: ReadonlyArray<string>,
  epochs: ReadonlyArray<number>,
  norms: ReadonlyArray<ReadonlyArray<number>>,
  thresholds: GradientThresholds
): ReadonlyArray<GradientFlag> =>
  epochs.flatMap((epoch, e) => {
    const largest = Math.max(...norms.map((row) => row[e]!))
    return layers.flatMap((layer, l): ReadonlyArray<GradientFlag> => {
      const gradientNorm = norms[l]![e]!
      if (gradientNorm > thresholds.exploding) return [{ kind: "exploding", layer, epoch, gradientNorm }]
      // all zero is as vanished as can be
      if (gradientNorm < thresholds.vanishing * largest || gradientNorm === 0) {
        return [{ kind: "vanishing", layer, epoch, gradientNorm }]
      }
      return []
    })
  })

/** One training's norms. */
export const summarize = (history: History, thresholds: GradientThresholds): VariantGradients => {
  const { layers } = history
  const epochs = history.epochs.map((epoch) => epoch.epoch)
  const gradientNorm = layers.map((layer) => history.epochs.map((epoch) => epoch.gradientNorm[layer] ?? 0))
  const first = gradientNorm[0] ?? []
  const last = gradientNorm[gradientNorm.length - 1] ?? []
  return {
    layers,
    epochs,
    gradientNorm,
    firstOverLast: epochs.map((_, e) => (last[e]! > 0 ? first[e]! / last[e]! : null)),
    unevenness: epochs.map((_, e) => deviation(logs(gradientNorm.map((row) => row[e]!)))),
    unsteadiness: mean(
      gradientNorm.map((row) => {
        const levels = logs(row)
        return deviation(levels.slice(1).map((level, i) => level - levels[i]!))
      })
    ),
    flags: flagsOf(layers, epochs, gradientNorm, thresholds)
  }
}

/** The layers of both, in the order of the one that has more; a layer that only the other has comes last. */
const allLayers = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [more, fewer] = a.length >= b.length ? [a, b] : [b, a]
  return [...more, ...fewer.filter((layer) => !more.includes(layer))]
}

const lastOf = (stats: VariantGradients, layer: string): number | null => {
  const row = stats.gradientNorm[stats.layers.indexOf(layer)]
  return row?.[row.length - 1] ?? null
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
    lastEpoch: allLayers(bn.layers, nobn.layers).map((layer) => {
      const with_ = lastOf(bn, layer)
      const without = lastOf(nobn, layer)
      const ratio = with_ === null || without === null || without === 0 ? null : with_ / without
      return { layer, bn: with_, nobn: without, ratio }
    })
  }
}
