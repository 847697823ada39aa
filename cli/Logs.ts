/** Logs: what steps printed, read while they print it, and kept within bounds. */
import { closeSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs"
import * as path from "node:path"
import type { Layout } from "../cache/store/Layout.ts"
import { asPlainText } from "../core/executor/log/Log.ts"
import type { RunEvent } from "../core/run/RunEvent.ts"

const lookMs = 200
const pieceBytes = 65_536

/** Gives the whole lines that were added to `file` since the last call; with `isLast` also one that has no end yet. */
export const reader = (file: string): ((isLast: boolean) => string) => {
  let at = 0
  let begun = ""
  const decoder = new TextDecoder()
  return (isLast) => {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    // it was cut, since it had become too long
    if (size < at) at = 0
    let text = begun
    if (size > at) {
      const descriptor = openSync(file, "r")
      const piece = Buffer.alloc(pieceBytes)
      for (let read = 1; read > 0; at += read) {
        read = readSync(descriptor, piece, 0, piece.length, at)
        text += decoder.decode(piece.subarray(0, read), { stream: true })
      }
      closeSync(descriptor)
    }
    const end = isLast ? text.length : text.lastIndexOf("\n") + 1
    begun = text.slice(end)
    return asPlainText(text.slice(0, end))
  }
}

/** A listener that tells `reporter` as well what steps print, while they print it. */
export const verbose = (layout: Layout, reporter: (event: RunEvent) => void): ((event: RunEvent) => void) => {
  let runId = ""
  const ends = new Map<string, () => void>()
  const follow = (step: string): void => {
    const read = reader(layout.log(runId, step))
    const tell = (isLast: boolean): void => {
      const text = read(isLast).replace(/\n$/u, "")
      if (text !== "") reporter({ type: "StepPrinted", step, text })
    }
    const timer = setInterval(() => tell(false), lookMs)
    ends.set(step, () => {
      clearInterval(timer)
      tell(true)
    })
  }
  return (event) => {
    if (event.type === "RunStarted") runId = event.runId
    if (event.type === "StepStarted") follow(event.step)
    if (event.type === "StepExecuted" || event.type === "StepFailed") {
      ends.get(event.step)?.()
      ends.delete(event.step)
    }
    reporter(event)
  }
}

/** Whether a log lies there, which can be read to its end. */
export const isLog = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() === true

/** The runs that left logs of `step`, the latest first. Ids of runs begin with their time. */
export const runsWith = (layout: Layout, step: string): ReadonlyArray<string> => {
  const isThere = (runId: string): boolean => isLog(layout.log(runId, step))
  return runsIn(layout).filter(isThere)
}

const runsIn = ({ logs }: Layout): ReadonlyArray<string> =>
  statSync(logs, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(logs).sort().reverse()

const keptRuns = 100

/** Removes logs of runs that are long past. */
export const prune = (layout: Layout): void => {
  for (const runId of runsIn(layout).slice(keptRuns))
    rmSync(path.join(layout.logs, runId), { recursive: true, force: true })
}
