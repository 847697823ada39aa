/** Charts about classes: balance over the splits, confusion, calibration, and a map of the test images. */
import { activationNames, activations } from "../schemas/activations/Activations.ts"
import type { ActivationScores } from "../schemas/Compare.ts"
import { type VariantName, variants } from "../schemas/Names.ts"
import type { ClassCounts } from "../schemas/Split.ts"
import type { TopLevelSpec } from "./Render.ts"
import { variantNames } from "./Theme.ts"

/** Images of each class, stacked by split; what is not used comes last. */
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

/** Confusion matrices of both networks: rows are true classes, columns predicted ones, colour the share of the row. */
export const confusionMatrices = (
  matrices: Readonly<Record<VariantName, ReadonlyArray<ReadonlyArray<number>>>>,
  classes: ReadonlyArray<string>
): TopLevelSpec => {
  const cell = Math.max(12, Math.min(24, Math.floor(420 / classes.length)))
  const values = variants.flatMap((variant) =>
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
  const domain = { domain: classes as Array<string> }
  const x = {
    field: "predicted",
    type: "nominal",
    title: "predicted class",
    scale: domain,
    axis: { labelAngle: -60 }
  } as const
  const y = { field: "label", type: "nominal", title: "true class", scale: domain } as const
  return {
    data: { values },
    facet: { column: { field: "variant", type: "nominal", title: null, sort: [variantNames.bn, variantNames.nobn] } },
    spec: {
      width: cell * classes.length,
      height: cell * classes.length,
      // empty cells are the ground: with many classes nearly all are empty
      view: { fill: "#e3eef9" },
      layer: [
        {
          transform: [{ filter: "datum.images > 0" }],
          mark: { type: "rect" },
          encoding: {
            x,
            y,
            color: {
              field: "share",
              type: "quantitative",
              title: "share of the true class",
              scale: { scheme: "blues", domain: [0, 1] },
              legend: { orient: "bottom", gradientLength: 200, format: "%" }
            }
          }
        },
        {
          transform: [{ filter: "datum.images > 0" }],
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
      {
        data: {
          values: [
            { confidence: 0, accuracy: 0 },
            { confidence: 1, accuracy: 1 }
          ]
        },
        mark: { type: "line", color: "currentColor", opacity: 0.4, strokeDash: [4, 4], strokeWidth: 1 },
        encoding: { x: { field: "confidence", type: "quantitative" }, y: { field: "accuracy", type: "quantitative" } }
      },
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

/** Twenty colours that can be told apart on white and on black; more classes than that share them. */
const classColours = [
  "#2f6fde",
  "#d9730d",
  "#2a9d6f",
  "#c0392b",
  "#8e5bd0",
  "#8c6239",
  "#d45c9b",
  "#7d8590",
  "#a3a11a",
  "#1fa3b5",
  "#6b8df0",
  "#f0a35e",
  "#57c297",
  "#e0776b",
  "#b795e6",
  "#b8906b",
  "#e894c0",
  "#5a6b2f",
  "#c9b93b",
  "#4f7f8c"
]

interface MapPoint {
  readonly x: number
  readonly y: number
  readonly label: string
  readonly right: boolean
}

/** Where a class lies: the median of its points, which a few strays do not move. */
const centresOf = (points: ReadonlyArray<MapPoint>, classes: ReadonlyArray<string>) =>
  classes.flatMap((label) => {
    const own = points.filter((point) => point.label === label)
    const median = (of: (point: MapPoint) => number): number => own.map(of).sort((a, b) => a - b)[own.length >> 1]!
    return own.length === 0 ? [] : [{ label, x: median((point) => point.x), y: median((point) => point.y) }]
  })

const mapWidth = 660
const mapHeight = 500
const nameSize = 12

/** Ends of an axis: the values and a little room, so that places in pixels can be told from values. */
const endsOf = (values: ReadonlyArray<number>): readonly [number, number] => {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const room = Math.max((high - low) * 0.03, Number.EPSILON)
  return [low - room, high + room]
}

interface Name {
  readonly label: string
  readonly x: number
  readonly y: number
}

/**
 * Moves names up and down, as little as it takes, until no two cover each other. Width of a letter: about 0.58 of its height.
 * Each round parts every pair that still overlaps by half of what it lacks; names in a heap part within a few rounds.
 */
export const spreadNames = (
  names: ReadonlyArray<Name>,
  xEnds: readonly [number, number],
  yEnds: readonly [number, number]
): ReadonlyArray<Name> => {
  const acrossPixel = mapWidth / (xEnds[1] - xEnds[0])
  const upPixel = mapHeight / (yEnds[1] - yEnds[0])
  const lineHeight = nameSize + 2
  const placed = names.map(({ label, x, y }) => ({
    x: x * acrossPixel,
    y: y * upPixel,
    half: ([...label].length * nameSize * 0.58) / 2 + 3
  }))
  for (let round = 0; round < 200; round++) {
    let moved = false
    for (const [i, a] of placed.entries()) {
      for (const b of placed.slice(i + 1)) {
        const lacking = lineHeight - Math.abs(a.y - b.y)
        if (lacking <= 0.01 || Math.abs(a.x - b.x) >= a.half + b.half) continue
        const up = a.y < b.y ? -1 : 1
        a.y += (up * lacking) / 2
        b.y -= (up * lacking) / 2
        moved = true
      }
    }
    if (!moved) break
  }
  return names.map(({ label, x }, i) => ({ label, x, y: placed[i]!.y / upPixel }))
}

/** One point per test image on two principal components, coloured by true class; a class name stands at the median of its points. */
export const imageMap = (
  points: ReadonlyArray<MapPoint>,
  classes: ReadonlyArray<string>,
  axes: readonly [string, string]
): TopLevelSpec => {
  const xEnds = endsOf(points.map((point) => point.x))
  const yEnds = endsOf(points.map((point) => point.y))
  const axis = { grid: false } as const
  const scaleOf = (ends: readonly [number, number]) => ({ domain: [...ends], nice: false, zero: false })
  const x = { field: "x", type: "quantitative", title: axes[0], axis, scale: scaleOf(xEnds) } as const
  const y = { field: "y", type: "quantitative", title: axes[1], axis, scale: scaleOf(yEnds) } as const
  const color = {
    field: "label",
    type: "nominal",
    sort: null,
    scale: { domain: classes as Array<string>, range: classes.map((_, k) => classColours[k % classColours.length]!) },
    legend: null
  } as const
  const named = spreadNames(centresOf(points, classes), xEnds, yEnds)
  return {
    width: mapWidth,
    height: mapHeight,
    layer: [
      {
        data: { values: points.map((point) => ({ ...point, answer: point.right ? "right" : "wrong" })) },
        mark: { type: "point", size: 30, strokeWidth: 1.5, filled: false, opacity: 0.75 },
        encoding: {
          x,
          y,
          color,
          shape: {
            field: "answer",
            type: "nominal",
            title: null,
            // strokes of their own: Vega's "cross" is an outline that looks like a dot at this size
            scale: { domain: ["right", "wrong"], range: ["circle", "M-1,-1L1,1M-1,1L1,-1"] },
            legend: { symbolStrokeColor: "currentColor" }
          }
        }
      },
      {
        data: { values: named },
        mark: { type: "text", fontSize: nameSize, fontWeight: 600 },
        encoding: { x, y, color, text: { field: "label" } }
      }
    ]
  }
}
