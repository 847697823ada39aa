/**
 * The first figure: how the networks differ in accuracy, loss and calibration. A row for each, where right means that the
 * network with BN is better: a dot for each seed, the interval of the mean, and a band within which a difference does not matter.
 */
import { variantColours } from "../../../../charts/Theme.ts"
import { escapeXml } from "../../../../charts/Xml.ts"
import type { HeadlineDifference } from "../../../../schemas/Compare.ts"
import { signedPoints, significant } from "../../Figures.ts"
import { label, svg } from "./Svg.ts"

type Row = HeadlineDifference

const titles: Readonly<Record<Row["metric"], string>> = {
  accuracy: "Test accuracy",
  loss: "Test loss",
  calibrationError: "Calibration error"
}

const signedNats = (value: number): string => {
  // the loss of a training that diverged has more digits than a line
  const size = Math.abs(value) < 1e5 ? Math.abs(value).toFixed(2) : significant(Math.abs(value))
  return `${value < 0 && Number(size) > 0 ? "−" : "+"}${size}`
}

/** A difference in the unit of its metric, with its sign. */
export const shown = ({ metric }: Pick<Row, "metric">, value: number): string =>
  metric === "loss" ? `${signedNats(value)}\u00a0nats` : `${signedPoints(value)}\u00a0points`

/** "+0.3 points (95 % interval −10.2 points to +10.9 points)". */
export const inWords = (row: Row): string =>
  `${shown(row, row.mean)} (95\u00a0% interval ${shown(row, row.low95)} to ${shown(row, row.high95)})`

/** Whether a greater value is better. */
export const greaterIsBetter = ({ metric }: Pick<Row, "metric">): boolean => metric === "accuracy"

/** The network that a difference favours, where its interval leaves 0 out. */
export const favours = (row: Row): "bn" | "nobn" | undefined => {
  if (row.low95 <= 0 && row.high95 >= 0) return undefined
  return row.mean > 0 === greaterIsBetter(row) ? "bn" : "nobn"
}

/** The chart in a sentence, for readers who do not see it. */
export const heroLabel = (rows: ReadonlyArray<Row>): string =>
  `With BN minus without: ${rows.map((row) => `${titles[row.metric].toLowerCase()} ${inWords(row)}`).join("; ")}`

const rowHeight = 82
const side = 14

/** The axis reaches the band and all dots; an interval that goes on far beyond ends in an arrow. */
const reachOf = ({ values, mean, low95, high95, margin }: Row): number => {
  const dots = Math.max(margin, ...values.map(Math.abs), Math.abs(mean))
  return 1.12 * Math.min(4 * dots, Math.max(dots, Math.abs(low95), Math.abs(high95)))
}

const drawRow = (row: Row, top: number, width: number): string => {
  const reach = reachOf(row)
  const sign = greaterIsBetter(row) ? 1 : -1
  const half = (width - 2 * side) / 2
  const middle = side + half
  const x = (value: number): number => middle + (sign * value * half) / reach
  const y = top + 38
  const inside = (at: number): number => Math.max(side, Math.min(width - side, at))
  const [left, right] = [x(row.low95), x(row.high95)].sort((a, b) => a - b) as [number, number]
  const arrow = (at: number, way: -1 | 1): string =>
    at === inside(at)
      ? `<path d="M${at} ${y - 5}v10" stroke="currentColor" stroke-width="2"/>`
      : `<path d="M${inside(at)} ${y}l${-6 * way} -5v10z" fill="currentColor"/>`
  const band = (row.margin * half) / reach
  const dots = row.values.map((value) => {
    const colour = value * sign >= 0 ? variantColours.bn : variantColours.nobn
    return `<circle cx="${x(value)}" cy="${y}" r="5.5" fill="${colour}" fill-opacity=".8" stroke="${colour}"><title>${escapeXml(shown(row, value))}</title></circle>`
  })
  return [
    label(side, top + 14, titles[row.metric], 'font-weight="600"'),
    label(width - side, top + 14, shown(row, row.mean), 'font-weight="600" text-anchor="end"'),
    `<rect x="${middle - band}" y="${top + 22}" width="${2 * band}" height="32" fill="currentColor" opacity=".12"/>`,
    `<path d="M${middle} ${top + 22}v32" stroke="currentColor" opacity=".6"/>`,
    `<path d="M${inside(left)} ${y}H${inside(right)}" stroke="currentColor" stroke-width="2"/>`,
    arrow(left, -1),
    arrow(right, 1),
    ...dots,
    `<path d="M${x(row.mean)} ${y - 10}v20" stroke="currentColor" stroke-width="2.5"/>`,
    label(side, top + 68, shown(row, (-sign * reach) / 1.12), 'opacity=".85"'),
    label(middle, top + 68, "0", 'opacity=".85" text-anchor="middle"'),
    label(width - side, top + 68, shown(row, (sign * reach) / 1.12), 'opacity=".85" text-anchor="end"')
  ].join("")
}

/** The figure, `width` pixels wide, since text must not shrink on a phone. */
export const drawHero = (rows: ReadonlyArray<Row>, width: number): string => {
  const height = 26 + rows.length * rowHeight
  const drawn = rows.map((row, i) => drawRow(row, 24 + i * rowHeight, width))
  const ways = [
    label(side, 12, "← better without BN", `fill-opacity=".85"`),
    label(width - side, 12, "better with BN →", `fill-opacity=".85" text-anchor="end"`)
  ]
  return svg(width, height, [...ways, ...drawn].join(""))
}
