/** A map of the test images: points on two principal components, with class names that do not cover each other. */
import type { TopLevelSpec } from "./Render.ts"

/** Eighteen hues cannot be told apart; right and wrong can, in the dark and by the colour-blind, and names tell the classes. */
const colours = { right: "#2f6fde", wrong: "#d9730d" } as const

interface MapPoint {
  readonly x: number
  readonly y: number
  readonly label: string
  readonly right: boolean
}

/** The centre of a class: the median of its points, which outliers do not move. */
const centresOf = (points: ReadonlyArray<MapPoint>, classes: ReadonlyArray<string>) =>
  classes.flatMap((label) => {
    const own = points.filter((point) => point.label === label)
    const median = (of: (point: MapPoint) => number): number => own.map(of).sort((a, b) => a - b)[own.length >> 1]!
    return own.length === 0 ? [] : [{ label, x: median((point) => point.x), y: median((point) => point.y) }]
  })

const mapWidth = 660
const mapHeight = 500
const nameSize = 12
/** Longer names end in dots. */
const mostNameWidth = 170

/** Domain of an axis: the values and a margin. It is fixed, so that pixels can be computed from values. */
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
 * Moves names up and down, as little as possible, until no two overlap, and inwards from both sides. A letter is about 0.58 as wide as high. Each
 * round moves every overlapping pair apart by half of the overlap; names in a cluster separate within a few rounds.
 */
export const spreadNames = (
  names: ReadonlyArray<Name>,
  xEnds: readonly [number, number],
  yEnds: readonly [number, number]
): ReadonlyArray<Name> => {
  const acrossPixel = mapWidth / (xEnds[1] - xEnds[0])
  const upPixel = mapHeight / (yEnds[1] - yEnds[0])
  const lineHeight = nameSize + 2
  const placed = names.map(({ label, x, y }) => {
    const half = Math.min([...label].length * nameSize * 0.58, mostNameWidth) / 2 + 3
    const left = xEnds[0] * acrossPixel
    return { x: Math.max(left + half, Math.min(left + mapWidth - half, x * acrossPixel)), y: y * upPixel, half }
  })
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
  return names.map(({ label }, i) => ({ label, x: placed[i]!.x / acrossPixel, y: placed[i]!.y / upPixel }))
}

/** More names than these would cover the map. */
const mostNames = 30

/** One point per test image on two principal components, right or wrong; a class name stands at the median of its points. */
export const imageMap = (
  points: ReadonlyArray<MapPoint>,
  classes: ReadonlyArray<string>,
  axes: readonly [string, string]
): TopLevelSpec => {
  const xEnds = endsOf(points.map((point) => point.x))
  const yEnds = endsOf(points.map((point) => point.y))
  const axis = { grid: false, tickCount: 8 } as const
  const scaleOf = (ends: readonly [number, number]) => ({ domain: [...ends], nice: false, zero: false })
  const place = {
    x: { field: "x", type: "quantitative", title: axes[0], axis, scale: scaleOf(xEnds) },
    y: { field: "y", type: "quantitative", title: axes[1], axis, scale: scaleOf(yEnds) }
  } as const
  const prediction = { field: "prediction", type: "nominal", title: null } as const
  const domain = Object.keys(colours)
  const names = classes.length > mostNames ? [] : spreadNames(centresOf(points, classes), xEnds, yEnds)
  return {
    width: mapWidth,
    height: mapHeight,
    layer: [
      {
        data: {
          values: points.map(({ x, y, label, right }) => ({ x, y, label, prediction: right ? "right" : "wrong" }))
        },
        mark: { type: "point", size: 30, strokeWidth: 1.5, filled: false, opacity: 0.75 },
        encoding: {
          ...place,
          color: { ...prediction, scale: { domain, range: Object.values(colours) } },
          shape: {
            ...prediction,
            // strokes of their own: Vega's "cross" is an outline that looks like a dot at this size
            scale: { domain, range: ["circle", "M-1,-1L1,1M-1,1L1,-1"] }
          },
          description: { field: "label" }
        }
      },
      {
        data: { values: names },
        mark: { type: "text", fontSize: nameSize, fontWeight: 600, limit: mostNameWidth },
        encoding: { ...place, text: { field: "label" } }
      }
    ]
  }
}
