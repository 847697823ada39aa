/**
 * Reporter: a run as a person sees it.
 *
 * Lines that stay (a step began, why, how it ended) go up; below them, on a terminal, one live line for each running step
 * shows how far it is, how fast, and how long still. Where there is no terminal the live lines are left out, and a line is
 * printed each time a step enters another phase.
 */
import * as path from "node:path"
import { few } from "../cache/identity/Shown.ts"
import { displayName } from "../core/pipeline/Step.ts"
import type { Assessment } from "../core/plan/Freshness.ts"
import type { RunEvent } from "../core/run/RunEvent.ts"
import type { SweepEvent } from "../core/run/sweep/SweepEvent.ts"
import { formatCount, formatDuration, paint, shellWord, write, writeRaw } from "./Console.ts"
import { folded } from "./reporter/Fold.ts"
import * as Groups from "./reporter/Groups.ts"
import { liveLine, liveLines, rowsOf, type Track } from "./reporter/LiveLine.ts"

type ProgressEvent = Extract<RunEvent, { readonly type: "StepProgress" }>
type FinishedEvent = Extract<RunEvent, { readonly type: "RunFinished" }>

/** What a run or a sweep says. */
export type ReportedEvent = RunEvent | SweepEvent

export type Reporter = (event: ReportedEvent) => void

/** One event a line, for machines. */
export const json: Reporter = (event) => write(`${JSON.stringify(event)}\n`)

const relative = (file: string): string => {
  const short = path.relative(process.cwd(), file)
  return short.startsWith("..") ? file : short
}

/** Names of steps in a line, as many as a person still reads. */
export const fewSteps = (ids: ReadonlyArray<string>): string => few(ids.map(displayName), 10)

/** A summary is one line of this many characters, if it can be. */
const summaryColumns = 80

const finishedLine = (event: FinishedEvent): string => {
  const part = (verb: string, ids: ReadonlyArray<string>, isNamed: boolean): ReadonlyArray<string> =>
    ids.length === 0 ? [] : [`${ids.length} ${verb}${isNamed ? ` (${fewSteps(ids)})` : ""}`]
  const partsOf = (isNamed: boolean): string =>
    [
      ...part("executed", event.executed, isNamed),
      ...part("cached", event.cached, false),
      ...part("failed", event.failed, true),
      ...part("skipped", event.skipped, isNamed)
    ].join(", ")
  const [verb, style] = event.failed.length > 0 ? (["Failed", "red"] as const) : (["Done", "green"] as const)
  const time = ` in ${formatDuration(event.durationMs)}: `
  const named = partsOf(true)
  const isShort = verb.length + time.length + named.length < summaryColumns
  const said = named === "" ? "nothing to do" : isShort ? named : partsOf(false)
  const report = event.report === null ? "" : ` Report: ${relative(event.report)}`
  return `${paint(style, verb)}${time}${said}.${report}`
}

/** Where faults of ours are told. */
const issues = "https://github.com/op-pipe/op-pipe/issues"

const indent = (text: string): string => text.split("\n").join("\n    ")

/** The first three reasons; `why` and `--json` have them all. */
const shortened = (reasons: ReadonlyArray<string>): string => few(reasons, 3, "; ")

type CachedEvent = Extract<RunEvent, { readonly type: "StepCached" }>

/** Cached steps in one line: a run with nothing to do is no long story. */
const cachedLine = (events: ReadonlyArray<CachedEvent>): ReadonlyArray<string> => {
  const [first, second] = events
  if (first === undefined) return []
  // of a result that was not here before, no outputs were either
  const restored = events.filter((each) => each.restored && each.pulled !== true).map(({ step }) => step)
  const what = second === undefined ? `${displayName(first.step)} ` : String(events.length)
  const which = second === undefined ? "" : ` (${fewSteps(restored)})`
  const pulled = events.filter((each) => each.pulled === true).length
  const from =
    pulled === 0 ? "" : pulled === events.length ? " from the shared cache" : `, ${pulled} from the shared cache`
  const state = `cached${from}${restored.length === 0 ? "" : `, outputs restored${which}`}`
  return [`${paint("green", "✓")} ${what} ${paint("dim", state)}`]
}

/** The setting of a sweep, how it ended, and what there was to do. */
const settingLine = (event: Extract<SweepEvent, { readonly type: "SettingFinished" }>): string => {
  const counts = (["executed", "cached", "failed", "skipped"] as const)
    .filter((state) => event[state].length > 0)
    .map((state) => `${event[state].length} ${state}`)
  const mark = event.failed.length > 0 ? paint("red", "✗") : paint("green", "✓")
  const name = paint("bold", `${event.number} of ${event.of}`)
  return `${mark} ${name}  ${event.set.join(" ")}  ${counts.join(", ")} in ${formatDuration(event.durationMs)}`
}

const lasting = (event: ReportedEvent): ReadonlyArray<string> => {
  switch (event.type) {
    case "RunStarted":
      return [
        `${event.steps.length} ${event.steps.length === 1 ? "step" : "steps"}${event.profile === null ? "" : `, profile ${event.profile}`} ${paint("dim", `(run ${event.runId})`)}`
      ]
    case "Notice":
      return [`${paint("yellow", "!")} ${indent(event.text)}`]
    case "StepPlaced":
      return [`${paint("cyan", "▶")} ${paint("bold", displayName(event.step))} ×${formatCount(event.branches)}`]
    case "StepStarted":
      return [
        `${paint("cyan", "▶")} ${paint("bold", displayName(event.step))}  ${shortened(event.reasons)}${event.resumedMs === undefined ? "" : `; resumed after ${formatDuration(event.resumedMs)} of work`}`
      ]
    case "StepCached":
      return cachedLine([event])
    case "StepExecuted":
      return [
        `${paint("green", "✓")} ${displayName(event.step)}  executed in ${formatDuration(event.durationMs)}${event.attempts === undefined ? "" : `, attempt ${event.attempts}`}${event.unchanged ? paint("dim", ", same outputs as before") : ""}`
      ]
    case "StepFailed":
      return [
        `${paint("red", "✗")} ${paint("bold", displayName(event.step))}  ${indent(event.reason)}`,
        ...((event.attempts ?? 1) === 1 ? [] : [`    It was tried ${event.attempts} times`]),
        ...(event.fault === "bug" ? [`    This is a bug in op-pipe. Please report it: ${issues}`] : []),
        ...(event.log === null ? [] : [`    All that it printed: op-pipe logs ${shellWord(event.step)}`])
      ]
    case "StepRetried": {
      const then = event.waitMs === 0 ? "" : ` in ${formatDuration(event.waitMs)}`
      return [
        `${paint("yellow", "↻")} ${displayName(event.step)}  attempt ${event.attempt} of ${event.of} failed, it is tried again${then}: ${indent(event.reason)}`
      ]
    }
    case "StepVerified":
      return [
        `${paint("green", "✓")} ${displayName(event.step)}  made again in ${formatDuration(event.durationMs)}, the same`
      ]
    case "StepSkipped":
      return [
        `${paint("yellow", "-")} ${displayName(event.step)}  skipped, because ${displayName(event.because)} failed`
      ]
    case "StepPlanned":
      return [plannedLine(event)]
    case "StepPrinted":
      return event.text.split("\n").map((line) => `${paint("dim", `${displayName(event.step)} │`)} ${line}`)
    case "RunFinished":
      return [finishedLine(event)]
    case "SweepStarted":
      return [`${event.settings.length} ${event.settings.length === 1 ? "setting" : "settings"}`]
    case "SettingPlanned":
      return [
        `${paint("bold", String(event.number))}  ${event.set.join(" ")}  ${event.stale.length} to execute, ${event.fresh.length} fresh`
      ]
    case "SettingFinished":
      return [settingLine(event)]
    case "StepProgress":
      return []
  }
}

const marks = { fresh: "✓", stale: "▶", pending: "…", "never run": "▶" } as const
const markStyles = { fresh: "green", stale: "cyan", pending: "yellow", "never run": "cyan" } as const

type PlannedEvent = Extract<RunEvent, { readonly type: "StepPlanned" }>

/** What is known of a step before a run. */
export const planned = ({ step, state, reasons, branches }: Assessment): PlannedEvent => ({
  type: "StepPlanned",
  step: step.id,
  state,
  reasons,
  ...(branches === undefined ? {} : { branches: branches.length })
})

/** One step with its state and reasons; those of branches say how many are in which state. */
export const plannedLine = ({ step, state, reasons, branches }: PlannedEvent): string => {
  const [name, why] = [displayName(step), shortened(reasons)]
  const is = reasons.length === 0 ? state : branches === undefined ? `${state}: ${why}` : why
  return `${paint(markStyles[state], marks[state])} ${name}${branches === undefined ? "" : ` ×${formatCount(branches)}`}  ${is}`
}

/** Logs of continuous integration are read later, whether they come from a terminal or not. */
const isCi = (): boolean => !["", "0", "false", undefined].includes(process.env["CI"])

/** For people, on standard output; the branches of a step each on lines of its own if asked for, else together. */
export const terminal = ({ eachBranch = false }: { readonly eachBranch?: boolean } = {}): Reporter => {
  const stream = process.stdout
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb" && !isCi()
  const tracks = new Map<string, Track>()
  let drawn: ReadonlyArray<string> = []
  const draw = (lines: ReadonlyArray<string>): void => {
    const { columns = 80, rows = 24 } = stream
    if (drawn.length > 0) writeRaw(`\u001b[${rowsOf(drawn, columns)}A\u001b[0J`)
    drawn = live ? liveLines(tracks.values(), performance.now(), { columns, rows }) : []
    write([...lines, ...drawn].map((line) => `${line}\n`).join(""))
  }
  /** What a step prints may be a table, and stays as it is. */
  const linesOf = (event: ReportedEvent): ReadonlyArray<string> =>
    event.type === "StepPrinted" ? lasting(event) : lasting(event).map((line) => folded(line, stream.columns, 4))
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
  let cached: Array<CachedEvent> = []
  /** The line of the steps that were found cached since the last one. */
  const takeCached = (): ReadonlyArray<string> => {
    const line = cachedLine(cached)
    cached = []
    return line
  }
  const groups = eachBranch ? () => undefined : Groups.make()
  const ofGroup = (event: ReportedEvent, { isShown, progress, finished }: Groups.OfBranch): void => {
    const lines = isShown ? linesOf(event) : []
    if (event.type === "StepCached" && progress === undefined && finished === undefined) cached.push(event)
    if (progress !== undefined) note(progress)
    if (finished !== undefined) tracks.delete(finished.step)
    draw(finished === undefined ? lines : [...takeCached(), ...lines, finished.line])
  }
  return (event) => {
    const group = groups(event)
    if (group !== undefined) return ofGroup(event, group)
    if (event.type === "StepCached") {
      cached.push(event)
      // of a download
      tracks.delete(event.step)
    } else if (event.type === "StepProgress") draw([...takeCached(), ...note(event)])
    else if (event.type === "StepExecuted" || event.type === "StepFailed") {
      draw([...takeCached(), ...end(event.step), ...linesOf(event)])
    } else draw([...takeCached(), ...linesOf(event)])
  }
}

/** What went wrong, and nothing of a run that went well. */
export const quiet = (): Reporter => (event) => {
  const isWrong = event.type === "StepFailed" || (event.type === "RunFinished" && event.failed.length > 0)
  if (isWrong)
    write(
      lasting(event)
        .map((line) => `${line}\n`)
        .join("")
    )
}
