/** Charts about classes: balance over the splits, calibration. */
import { activationNames, activations } from "../schemas/activations/Activations.ts"
import type { ActivationScores } from "../schemas/Compare.ts"
import type { ClassCounts } from "../schemas/Split.ts"
import type { TopLevelSpec } from "./Render.ts"

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
      x: { field: "images", type: "quantitative", title: "images", stack: "zero" },
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

/** Reliability: accuracy by confidence, one line per activation; the diagonal is perfect. */
export const calibrationCurves = (scores: ReadonlyArray<ActivationScores>, chosen: string): TopLevelSpec => {
  const values = scores.flatMap(({ activation, calibration }) =>
    calibration
      .filter((bin) => bin.rows > 0)
      .map((bin) => ({ activation, confidence: bin.confidence, accuracy: bin.accuracy, images: bin.rows }))
  )
  // a form that overflows differs from the stable one by that alone: one line for both
  const names = activationNames.filter((name) => activations[name].overflows !== true)
  return {
    data: { values: values.filter(({ activation }) => names.includes(activation)) },
    width: 300,
    height: 300,
    layer: [
      perfect,
      {
        mark: { type: "line", point: false },
        encoding: {
          x: { field: "confidence", type: "quantitative", title: "confidence", scale: { domain: [0, 1] } },
          y: { field: "accuracy", type: "quantitative", title: "accuracy", scale: { domain: [0, 1] } },
          color: {
            field: "activation",
            type: "nominal",
            title: null,
            scale: { domain: [...names], range: lineColours.slice(0, names.length) }
          },
          opacity: { condition: { test: `datum.activation === '${chosen}'`, value: 1 }, value: 0.75 }
        }
      },
      {
        mark: { type: "circle", opacity: 0.85 },
        encoding: {
          x: { field: "confidence", type: "quantitative" },
          y: { field: "accuracy", type: "quantitative" },
          size: {
            field: "images",
            type: "quantitative",
            scale: { type: "sqrt", range: [6, 220] },
            legend: null
          },
          color: { field: "activation", type: "nominal" }
        }
      }
    ]
  }
}
