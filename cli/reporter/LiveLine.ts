/** LiveLine: how far a running step is. */
import { displayName } from "../../core/pipeline/Step.ts"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import { formatCount, formatDuration, widthOf } from "../Console.ts"

type ProgressEvent = Extract<RunEvent, { readonly type: "StepProgress" }>

/** A running step: how far it is, and where it began. */
export interface Track {
  readonly startedMs: number
  readonly doneAtStart: number
  latest: ProgressEvent
}

const bar = (share: number, width: number): string => {
  const filled = Math.round(Math.max(0, Math.min(1, share)) * width)
  return `${"━".repeat(filled)}${"─".repeat(width - filled)}`
}

const figureText = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toPrecision(3)}`)
    .join(" · ")

/** A running step in one line: how far it is, how fast, and how long still. */
export const liveLine = (track: Track, nowMs: number, columns: number): string => {
  const { step, label, done, total, unit, figures } = track.latest
  const elapsedMs = nowMs - track.startedMs
  const rate = elapsedMs > 0 ? ((done - track.doneAtStart) / elapsedMs) * 1000 : 0
  const left = rate > 0 && elapsedMs > 500 ? [`${formatDuration(((total - done) / rate) * 1000)} left`] : []
  const speed = rate > 0 ? [`${rate < 10 ? rate.toFixed(1) : formatCount(rate)} ${unit}/s`] : []
  const figured = Object.keys(figures).length === 0 ? [] : [figureText(figures)]
  const name = `  ${displayName(step)} ${bar(done / Math.max(1, total), 16)} ${label}`.trimEnd()
  const counted = `${formatCount(done)} of ${formatCount(total)} ${unit}`
  // in a narrow window what matters least goes first
  const lines = [[...speed, ...left, ...figured], [...left, ...figured], left].map((parts) =>
    [name, counted, ...parts].join(" · ")
  )
  return cut(lines.find((line) => widthOf(line) <= columns) ?? lines.at(-1)!, columns)
}

/** A text in at most so many columns of a terminal. */
const cut = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  const characters = Array.from(text)
  while (characters.length > 0 && widthOf(characters.join("")) >= columns) characters.pop()
  return `${characters.join("")}…`
}

interface Window {
  readonly columns: number
  readonly rows: number
}

/** Running steps in a line each, as many as the window has room for: what has left it at the top could not be drawn again. */
export const liveLines = (tracks: Iterable<Track>, nowMs: number, { columns, rows }: Window): ReadonlyArray<string> => {
  const all = Array.from(tracks)
  const room = Math.max(1, rows - 2)
  const drawn = all.slice(0, all.length > room ? room - 1 : room).map((track) => liveLine(track, nowMs, columns))
  return all.length > room ? [...drawn, cut(`  and ${all.length - drawn.length} more`, columns)] : drawn
}

/** How many rows lines take that may have been drawn in a wider window. */
export const rowsOf = (lines: ReadonlyArray<string>, columns: number): number =>
  lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(widthOf(line) / columns)), 0)
