/** Page: charts of curves as one HTML file that needs nothing else, for light and dark screens of any width. */
import { escaped } from "../../core/plan/Template.ts"
import type { Chart, Curve, Name, Point } from "./Curves.ts"

/** How a page begins that op-pipe wrote: only such a file is replaced. */
export const mark = "<!doctype html><!-- plots by op-pipe -->"

const [width, height] = [640, 360]
const margin = { top: 12, right: 16, bottom: 44, left: 64 }
const [plotWidth, plotHeight] = [width - margin.left - margin.right, height - margin.top - margin.bottom]

/** Okabe and Ito's colours that are told apart with any eyes, and on both grounds. */
const colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f"]
const dashes = ["none", "7 4", "2 3"]

/** Steps of 1, 2 or 5 times a power of ten: at most `most` of them, in the range, none smaller than `least`. */
export const ticksOf = (from: number, to: number, most: number, least = 0): ReadonlyArray<number> => {
  const rough = Math.max((to - from) / most, least)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999) ?? rough
  const first = Math.ceil(from / step - 1e-9)
  const count = Math.floor(to / step + 1e-9) - first + 1
  return Array.from({ length: count }, (_, at) => Number(((first + at) * step).toPrecision(12)))
}

const shownNumber = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e6)
    ? value.toExponential().replace("e+", "e")
    : value.toLocaleString("en-US", { maximumFractionDigits: 10 })

interface Range {
  readonly from: number
  readonly to: number
}

/** The range of values, never empty; with a little room at both ends if it is wanted. */
const rangeOf = (values: ReadonlyArray<number>, room: number): Range => {
  const [least, greatest] = values.reduce(
    ([low, high], each) => [Math.min(low, each), Math.max(high, each)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  )
  const extent = greatest - least
  const around = extent > 0 ? extent * room : Math.abs(least) * 0.1 || 1
  return { from: least - around, to: greatest + around }
}

/** More points than these cannot be seen side by side. */
const mostPoints = 2 * plotWidth

/** Of many points the least and the greatest of each piece, so that no peak is lost. */
export const thinned = (points: ReadonlyArray<Point>, most = mostPoints): ReadonlyArray<Point> => {
  if (points.length <= most) return points
  const size = Math.ceil((2 * points.length) / most)
  const kept: Array<Point> = []
  for (let at = 0; at < points.length; at += size) {
    const piece = points.slice(at, at + size)
    const least = piece.reduce((a, b) => (b[1] < a[1] ? b : a))
    const greatest = piece.reduce((a, b) => (b[1] > a[1] ? b : a))
    kept.push(...(least === greatest ? [least] : [least, greatest].sort((a, b) => a[0] - b[0])))
  }
  return kept
}

type Scale = (value: number) => string

const scaleOf = ({ from, to }: Range, start: number, length: number): Scale => {
  return (value) => (start + ((value - from) / (to - from)) * length).toFixed(1)
}

const styleOf = (at: number): string =>
  `stroke="${colors[at % colors.length]}" stroke-dasharray="${dashes[Math.floor(at / colors.length) % dashes.length]}"`

const drawCurve = ({ points }: Curve, name: string, at: number, x: Scale, y: Scale): string => {
  const sorted = thinned(points.toSorted((a, b) => a[0] - b[0]))
  const line = `<polyline ${styleOf(at)} points="${sorted.map(([a, b]) => `${x(a)},${y(b)}`).join(" ")}"/>`
  // a single point is no line
  const dots =
    sorted.length > 30
      ? ""
      : sorted
          .map(([a, b]) => `<circle cx="${x(a)}" cy="${y(b)}" r="2.5" fill="${colors[at % colors.length]}"/>`)
          .join("")
  const last = points.at(-1)
  const title = last === undefined ? name : `${name}: ${shownNumber(last[1])} at the end`
  return `<g class="curve"><title>${escaped(title)}</title>${line}${dots}</g>`
}

const drawAxes = (chart: Chart, ranges: { readonly x: Range; readonly y: Range }, x: Scale, y: Scale): string => {
  const [bottom, right] = [margin.top + plotHeight, margin.left + plotWidth]
  const rows = ticksOf(ranges.y.from, ranges.y.to, 6).map(
    (value) =>
      `<line class="grid" x1="${margin.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/><text x="${margin.left - 8}" y="${y(value)}" dy="0.32em" text-anchor="end">${shownNumber(value)}</text>`
  )
  const isWhole = chart.curves.every(({ points }) => points.every(([at]) => Number.isInteger(at)))
  const columns = ticksOf(ranges.x.from, ranges.x.to, 8, isWhole ? 1 : 0).map(
    (value) =>
      `<line class="tick" x1="${x(value)}" x2="${x(value)}" y1="${bottom}" y2="${bottom + 5}"/><text x="${x(value)}" y="${bottom + 18}" text-anchor="middle">${shownNumber(value)}</text>`
  )
  const axis = `<line class="axis" x1="${margin.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`
  const label = `<text class="label" x="${margin.left + plotWidth / 2}" y="${height - 6}" text-anchor="middle">${escaped(chart.x)}</text>`
  return [...rows, ...columns, axis, label].join("")
}

const nameOf = (names: ReadonlyArray<Name>, { runId, variant }: Curve): number =>
  names.findIndex((name) => name.runId === runId && name.variant === variant)

const drawChart = (chart: Chart, names: ReadonlyArray<Name>): string => {
  const points = chart.curves.flatMap((curve) => curve.points)
  const ranges = {
    x: rangeOf(
      points.map(([x]) => x),
      0
    ),
    y: rangeOf(
      points.map(([, y]) => y),
      0.04
    )
  }
  const x = scaleOf(ranges.x, margin.left, plotWidth)
  const y = scaleOf(ranges.y, margin.top + plotHeight, -plotHeight)
  const curves = chart.curves.map((curve) => {
    const at = nameOf(names, curve)
    return drawCurve(curve, names[at]?.label ?? curve.runId, at, x, y)
  })
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(`${chart.label} by ${chart.x}`)}">${drawAxes(chart, ranges, x, y)}${curves.join("")}</svg>`
  return `<figure><figcaption title="${escaped(chart.name)}">${escaped(chart.label)}</figcaption>${svg}</figure>`
}

const styles = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1f2328; --faint: #59636e; --grid: #d1d9e0; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --grid: #30363d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px; max-width: 1400px; background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0 0 4px; font-size: 22px; }
p { margin: 0 0 12px; color: var(--faint); }
ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 20px; padding: 0; list-style: none; }
li { display: flex; align-items: center; gap: 8px; overflow-wrap: anywhere; }
li svg { flex: none; width: 28px; height: 10px; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); gap: 24px; }
figure { margin: 0; min-width: 0; }
figcaption { margin: 0 0 4px; font-weight: 600; overflow-wrap: anywhere; }
figure svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); font-size: 13px; font-variant-numeric: tabular-nums; }
svg .label { fill: var(--ink); }
svg line { stroke: var(--grid); }
svg .axis, svg .tick { stroke: var(--faint); }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.curve:hover polyline { stroke-width: 4; }
@media (max-width: 600px) { svg text { font-size: 20px; } }
`

const legendEntry = ({ label, runId }: Name, at: number): string =>
  `<li title="${escaped(`run ${runId}`)}"><svg viewBox="0 0 28 10" aria-hidden="true"><polyline ${styleOf(at)} points="0,5 28,5"/></svg>${escaped(label)}</li>`

export interface Contents {
  readonly pipeline: string
  readonly names: ReadonlyArray<Name>
  readonly charts: ReadonlyArray<Chart>
}

/** The page, whole. */
export const of = ({ pipeline, names, charts }: Contents): string => {
  const runs = new Set(names.map(({ runId }) => runId))
  const about = `${runs.size} ${runs.size === 1 ? "run" : "runs"}: ${Array.from(runs).slice(0, 4).join(", ")}${runs.size > 4 ? ", ..." : ""}`
  return `${mark}
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(pipeline)}: curves</title><style>${styles}</style></head>
<body><h1>${escaped(pipeline)}</h1><p>${escaped(about)}</p>
<ul>${names.map(legendEntry).join("")}</ul>
<main>${charts.map((chart) => drawChart(chart, names)).join("\n")}</main>
</body></html>
`
}
