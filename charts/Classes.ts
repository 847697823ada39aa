/** Charts about classes: balance over the splits, calibration. */
import { activationNames, activations } from "../schemas/activations/Activations.ts"
import type { ActivationScores } from "../schemas/Compare.ts"
import { type VariantName, variants } from "../schemas/Names.ts"
import type { ClassCounts } from "../schemas/Split.ts"
import type { TopLevelSpec } from "./Render.ts"
import { variantFacet, variantNames } from "./Theme.ts"

/** More classes than these are shown by their ends. */
export const mostBars = 60
/** So many of the largest, and of the smallest. */
export const barsAtEnds = 20

const usedOf = ({ train, validation, test }: ClassCounts): number => train + validation + test

const endsOf = (counts: ReadonlyArray<ClassCounts>): ReadonlyArray<ClassCounts> => {
  const bySize = [...counts].sort((a, b) => usedOf(b) - usedOf(a))
  return [...bySize.slice(0, barsAtEnds), ...bySize.slice(-barsAtEnds)]
}

/** Images of each class, stacked by split; unused images come last. Of many classes the largest and the smallest. */
export const classBalance = (all: ReadonlyArray<ClassCounts>): TopLevelSpec => {
  const counts = all.length > mostBars ? endsOf(all) : all
  const parts = ["train", "validation", "test", "near-duplicates dropped", "set aside"]
  const values = counts.flatMap((one) =>
    [one.train, one.validation, one.test, one.dropped, one.setAside].map((images, i) => ({
      class: one.class,
      part: parts[i]!,
      order: i,
      images
    }))
  )
  return {
    data: { values },
    width: 520,
    height: { step: 18 },
    mark: { type: "bar" },
    encoding: {
      y: { field: "class", type: "nominal", title: null, sort: null, axis: { ticks: false, domain: false } },
      x: { field: "images", type: "quantitative", title: "images", stack: "zero", axis: { tickMinStep: 1 } },
      order: { field: "order" },
      color: {
        field: "part",
        type: "nominal",
        title: null,
        sort: null,
        scale: { domain: parts, range: ["#2f6fde", "#7aa7f0", "#c3d7f8", "#b8a88f", "#c0392b"] }
      }
    }
  }
}

const lineColours = ["#2f6fde", "#2a9d6f", "#8e5bd0", "#d9730d", "#c0392b", "#1fa3b5", "#d45c9b", "#8c6239"]

/** Where confidence equals accuracy. */
const perfect = {
  data: {
    values: [
      { confidence: 0, accuracy: 0 },
      { confidence: 1, accuracy: 1 }
    ]
  },
  mark: { type: "line" as const, color: "currentColor", opacity: 0.4, strokeDash: [4, 4], strokeWidth: 1 },
  encoding: {
    x: { field: "confidence", type: "quantitative" as const },
    y: { field: "accuracy", type: "quantitative" as const }
  }
}

/** Wilson's 95 % interval of a share of `n`. */
const wilson = (share: number, n: number): readonly [low: number, high: number] => {
  const z2 = 1.959964 ** 2
  const middle = (share + z2 / (2 * n)) / (1 + z2 / n)
  const half = (Math.sqrt(z2) * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n))) / (1 + z2 / n)
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}

type Scored = Readonly<Record<VariantName, ReadonlyArray<ActivationScores>>>

const binsOf = (scores: Scored, names: ReadonlyArray<string>) =>
  variants.flatMap((variant) =>
    scores[variant]
      .filter(({ activation }) => names.includes(activation))
      .flatMap(({ activation, calibration }) =>
        calibration
          .filter((bin) => bin.rows > 0)
          .map(({ confidence, accuracy, rows }) => {
            const [low, high] = wilson(accuracy, rows)
            return { variant: variantNames[variant], activation, confidence, accuracy, images: rows, low, high }
          })
      )
  )

/** An axis from nothing to all. */
const shareOf = (field: string) =>
  ({
    field,
    type: "quantitative",
    title: field,
    scale: { domain: [0, 1] as Array<number> },
    // tenths run into each other where two charts stand side by side
    axis: { values: [0, 0.2, 0.4, 0.6, 0.8, 1] as Array<number> }
  }) as const

/** Reliability of both networks: accuracy by confidence, one line per activation; the diagonal is perfect. */
export const calibrationCurves = (scores: Scored, chosen: string): TopLevelSpec => {
  // a form that overflows differs from the stable one by that alone: one line for both
  const names = activationNames.filter((name) => activations[name].overflows !== true)
  const [x, y] = [shareOf("confidence"), shareOf("accuracy")]
  const color = {
    field: "activation",
    type: "nominal",
    title: null,
    scale: { domain: [...names], range: lineColours.slice(0, names.length) }
  } as const
  const isChosen = `datum.activation === '${chosen}'`
  return {
    data: { values: binsOf(scores, names) },
    facet: variantFacet,
    spec: {
      width: 300,
      height: 300,
      layer: [
        perfect,
        {
          mark: { type: "line", point: false },
          encoding: { x, y, color, opacity: { condition: { test: isChosen, value: 1 }, value: 0.6 } }
        },
        {
          transform: [{ filter: isChosen }],
          mark: { type: "rule", opacity: 0.6 },
          encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color }
        },
        {
          mark: { type: "circle", opacity: 0.85 },
          encoding: {
            x,
            y,
            size: { field: "images", type: "quantitative", scale: { type: "sqrt", range: [6, 220] }, legend: null },
            color
          }
        }
      ]
    }
  }
}
