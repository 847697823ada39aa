/**
 * Reporter: a run as a person sees it.
 *
 * Lines that stay (a step began, why, how it ended) go up; below them, on a terminal, one live line for each running step
 * shows how far it is, how fast, and how long still. Where there is no terminal the live lines are left out, and a line is
 * printed each time a step enters another phase.
 */
import * as path from "node:path"
import type { RunEvent } from "../core/run/RunEvent.ts"
import { formatCount, formatDuration, paint, write, writeRaw } from "./Console.ts"

type ProgressEvent = Extract<RunEvent, { readonly type: "StepProgress" }>
type FinishedEvent = Extract<RunEvent, { readonly type: "RunFinished" }>

export type Reporter = (event: RunEvent) => void

/** One event a line, for machines. */
export const json: Reporter = (event) => write(`${JSON.stringify(event)}\n`)

interface Track {
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

const liveLine = (track: Track, nowMs: number, columns: number): string => {
  const { step, label, done, total, unit, figures } = track.latest
  const elapsedMs = nowMs - track.startedMs
  const rate = elapsedMs > 0 ? ((done - track.doneAtStart) / elapsedMs) * 1000 : 0
  const left = rate > 0 && elapsedMs > 500 ? ` · ${formatDuration(((total - done) / rate) * 1000)} left` : ""
  const speed = rate > 0 ? ` · ${rate < 10 ? rate.toFixed(1) : formatCount(rate)} ${unit}/s` : ""
  const figured = figureText(figures)
  const text = `  ${step} ${bar(done / Math.max(1, total), 16)} ${label} · ${formatCount(done)} of ${formatCount(total)} ${unit}${speed}${left}${figured === "" ? "" : ` · ${figured}`}`
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text
}

const relative = (file: string): string => {
  const short = path.relative(process.cwd(), file)
  return short.startsWith("..") ? file : short
}

/** So many that a person still reads them. */
const few = (ids: ReadonlyArray<string>): string =>
  ids.length <= 12 ? ids.join(", ") : `${ids.slice(0, 10).join(", ")} and ${ids.length - 10} more`

const finishedLine = (event: FinishedEvent): string => {
  const part = (verb: string, ids: ReadonlyArray<string>): ReadonlyArray<string> =>
    ids.length === 0 ? [] : [`${ids.length} ${verb} (${few(ids)})`]
  const parts = [
    ...part("executed", event.executed),
    ...part("cached", event.cached),
    ...part("failed", event.failed),
    ...part("skipped", event.skipped)
  ]
  const head = event.failed.length > 0 ? paint("red", "Failed") : paint("green", "Done")
  const report = event.report === null ? "" : ` Report: ${relative(event.report)}`
  return `${head} in ${formatDuration(event.durationMs)}: ${parts.length === 0 ? "nothing to do" : parts.join(", ")}.${report}`
}

/** Where faults of ours are told. */
const issues = "https://github.com/op-pipe/op-pipe/issues"

const indent = (text: string): string => text.split("\n").join("\n    ")

/** The first three reasons; `why` and `--json` have them all. */
const shortened = (reasons: ReadonlyArray<string>): string =>
  reasons.length <= 3 ? reasons.join("; ") : `${reasons.slice(0, 3).join("; ")} and ${reasons.length - 3} more`

const lasting = (event: RunEvent): ReadonlyArray<string> => {
  switch (event.type) {
    case "RunStarted":
      return [
        `${event.steps.length} ${event.steps.length === 1 ? "step" : "steps"}${event.profile === null ? "" : `, profile ${event.profile}`} ${paint("dim", `(run ${event.runId})`)}`
      ]
    case "Notice":
      return [`${paint("yellow", "!")} ${indent(event.text)}`]
    case "StepStarted":
      return [`${paint("cyan", "▶")} ${paint("bold", event.step)}  ${shortened(event.reasons)}`]
    case "StepCached":
      return [
        `${paint("green", "✓")} ${event.step}  ${paint("dim", event.restored ? "cached, outputs restored" : "cached")}`
      ]
    case "StepExecuted":
      return [
        `${paint("green", "✓")} ${event.step}  executed in ${formatDuration(event.durationMs)}${event.unchanged ? paint("dim", ", same outputs as before") : ""}`
      ]
    case "StepFailed":
      return [
        `${paint("red", "✗")} ${paint("bold", event.step)}  ${indent(event.reason)}`,
        ...(event.fault === "bug" ? [`    This is a bug in op-pipe. Please report it: ${issues}`] : []),
        ...(event.log === null ? [] : [`    All that it printed: op-pipe logs ${event.step}`])
      ]
    case "StepVerified":
      return [`${paint("green", "✓")} ${event.step}  made again in ${formatDuration(event.durationMs)}, the same`]
    case "StepSkipped":
      return [`${paint("yellow", "-")} ${event.step}  skipped, because ${event.because} failed`]
    case "StepPlanned":
      return [plannedLine(event)]
    case "StepPrinted":
      return event.text.split("\n").map((line) => `${paint("dim", `${event.step} │`)} ${line}`)
    case "RunFinished":
      return [finishedLine(event)]
    case "StepProgress":
      return []
  }
}

const marks = { fresh: "✓", stale: "▶", pending: "…", "never run": "▶" } as const
const markStyles = { fresh: "green", stale: "cyan", pending: "yellow", "never run": "cyan" } as const

/** One step with its state and reasons. */
export const plannedLine = (step: Extract<RunEvent, { readonly type: "StepPlanned" }>): string =>
  `${paint(markStyles[step.state], marks[step.state])} ${step.step}  ${step.state}${step.reasons.length === 0 ? "" : `: ${shortened(step.reasons)}`}`

/** For people, on standard output. */
export const terminal = (): Reporter => {
  const stream = process.stdout
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb"
  const tracks = new Map<string, Track>()
  let shown = 0
  const erase = (): string => (shown === 0 ? "" : `\u001b[${shown}A\u001b[0J`)
  const draw = (lines: ReadonlyArray<string>): void => {
    const columns = stream.columns ?? 80
    const current = live ? Array.from(tracks.values(), (track) => liveLine(track, performance.now(), columns)) : []
    writeRaw(erase())
    write([...lines, ...current].map((line) => `${line}\n`).join(""))
    shown = current.length
  }
  /** Notes the progress; gives the line to print where there is no terminal, on leaving a phase. */
  const note = (event: ProgressEvent): ReadonlyArray<string> => {
    const track = tracks.get(event.step)
    const left = track !== undefined && track.latest.label !== event.label ? leave(track) : []
    if (track === undefined || track.latest.unit !== event.unit || event.done < track.latest.done) {
      tracks.set(event.step, { startedMs: performance.now(), doneAtStart: event.done, latest: event })
    } else track.latest = event
    return left
  }
  const leave = (track: Track): ReadonlyArray<string> =>
    live ? [] : [liveLine(track, performance.now(), Number.POSITIVE_INFINITY)]
  const end = (step: string): ReadonlyArray<string> => {
    const track = tracks.get(step)
    tracks.delete(step)
    return track === undefined ? [] : leave(track)
  }
  return (event) => {
    if (event.type === "StepProgress") draw(note(event))
    else if (event.type === "StepExecuted" || event.type === "StepFailed") {
      draw([...end(event.step), ...lasting(event)])
    } else draw(lasting(event))
  }
}
