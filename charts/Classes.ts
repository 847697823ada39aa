/** Charts about classes: balance over the splits, confusion, calibration. */
import { activationNames, activations } from "../schemas/activations/Activations.ts"
import type { ActivationScores } from "../schemas/Compare.ts"
import { type VariantName, variants } from "../schemas/Names.ts"
import type { ClassCounts } from "../schemas/Split.ts"
import type { TopLevelSpec } from "./Render.ts"
import { variantNames } from "./Theme.ts"

/** Images of each class, stacked by split; unused images come last. */
export const classBalance = (counts: ReadonlyArray<ClassCounts>): TopLevelSpec => {
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

type Matrices = Readonly<Record<VariantName, ReadonlyArray<ReadonlyArray<number>>>>

/** One row per cell: the number of images, and their share of the true class. */
const cellsOf = (matrices: Matrices, classes: ReadonlyArray<string>) =>
  variants.flatMap((variant) =>
    matrices[variant].flatMap((row, label) => {
      const total = row.reduce((a, b) => a + b, 0)
      return row.map((images, predicted) => ({
        variant: variantNames[variant],
        label: classes[label],
        predicted: classes[predicted],
        images,
        share: total === 0 ? 0 : images / total
      }))
    })
  )

/** Pixels of a cell: as large as fits, but legible. */
const cellSizeOf = (classes: number): number => Math.max(12, Math.min(24, Math.floor(420 / classes)))

const shareColour = {
  field: "share",
  type: "quantitative",
  title: "share of the true class",
  scale: { scheme: "blues" as const, domain: [0, 1] as Array<number> },
  legend: { orient: "bottom", gradientLength: 200, format: "%" }
} as const

/** Confusion matrices of both networks: rows are true classes, columns predicted ones, colour the share of the row. */
export const confusionMatrices = (matrices: Matrices, classes: ReadonlyArray<string>): TopLevelSpec => {
  const cell = cellSizeOf(classes.length)
  const scale = { domain: [...classes] }
  const axis = { labelAngle: -60 }
  const x = { field: "predicted", type: "nominal", title: "predicted class", scale, axis } as const
  const y = { field: "label", type: "nominal", title: "true class", scale } as const
  const transform = [{ filter: "datum.images > 0" }]
  return {
    data: { values: cellsOf(matrices, classes) },
    facet: { column: { field: "variant", type: "nominal", title: null, sort: [variantNames.bn, variantNames.nobn] } },
    spec: {
      width: cell * classes.length,
      height: cell * classes.length,
      // empty cells are the background: with many classes nearly all are empty
      view: { fill: "#e3eef9" },
      layer: [
        { transform, mark: { type: "rect" }, encoding: { x, y, color: shareColour } },
        {
          transform,
          mark: { type: "text", fontSize: Math.max(7, Math.floor(cell * 0.45)) },
          encoding: {
            x,
            y,
            text: { field: "images" },
            color: { condition: { test: "datum.share > 0.5", value: "#ffffff" }, value: "#1b2733" }
          }
        }
      ]
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
