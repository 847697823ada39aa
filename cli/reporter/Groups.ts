/** Groups: the branches of a step, of which there may be thousands, as one line that goes on and one when all have ended. */
import { branchOf, displayName } from "../../core/pipeline/Step.ts"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import type { SweepEvent } from "../../core/run/sweep/SweepEvent.ts"
import { formatCount, formatDuration, paint } from "../Console.ts"

const endings = {
  StepCached: "cached",
  StepExecuted: "executed",
  StepFailed: "failed",
  StepSkipped: "skipped"
} as const
type Ending = (typeof endings)[keyof typeof endings]

interface Group {
  /** Known once they are placed. */
  total: number | undefined
  startedMs: number
  readonly ended: Record<Ending, number>
}

/** What becomes of an event of a branch. */
export interface OfBranch {
  /** Whether it has lines of its own: what went wrong has. */
  readonly isShown: boolean
  /** How far the step is that it belongs to, whose branches have not all ended. */
  readonly progress: Extract<RunEvent, { readonly type: "StepProgress" }> | undefined
  /** The step whose branches have all ended, and the line that says so. */
  readonly finished: { readonly step: string; readonly line: string } | undefined
}

const sum = (ended: Group["ended"]): number => Object.values(ended).reduce((a, b) => a + b, 0)

const finishedLine = (step: string, { total, ended, startedMs }: Group): string => {
  const counts = (["executed", "cached", "failed", "skipped"] as const).flatMap((each) =>
    ended[each] === 0 ? [] : [`${formatCount(ended[each])} ${each}`]
  )
  const isWhole = ended.failed + ended.skipped === 0
  const sign = isWhole ? paint("green", "✓") : paint("red", "✗")
  return `${sign} ${displayName(step)} ×${formatCount(total!)}  ${counts.join(", ")} in ${formatDuration(performance.now() - startedMs)}`
}

const shown: ReadonlySet<string> = new Set(["StepFailed", "StepRetried", "StepPrinted", "StepVerified"])

/** Follows the branches of one run. It gives undefined for an event that belongs to none. */
export const make = (): ((event: RunEvent | SweepEvent) => OfBranch | undefined) => {
  const groups = new Map<string, Group>()
  const groupOf = (step: string): Group => {
    const ended = { cached: 0, executed: 0, failed: 0, skipped: 0 }
    const found = groups.get(step) ?? { total: undefined, startedMs: performance.now(), ended }
    groups.set(step, found)
    return found
  }
  return (event) => {
    if (event.type === "StepPlaced") {
      const group = groupOf(event.step)
      group.total = event.branches
      group.startedMs = performance.now()
      return undefined
    }
    const of = "step" in event && event.type !== "StepPlanned" ? branchOf(event.step)?.of : undefined
    if (of === undefined) return undefined
    const group = groupOf(of)
    if (event.type in endings) group.ended[endings[event.type as keyof typeof endings]] += 1
    const { total } = group
    const done = sum(group.ended)
    const isShown = shown.has(event.type)
    if (total === undefined) return { isShown, progress: undefined, finished: undefined }
    if (done >= total && event.type in endings)
      return { isShown, progress: undefined, finished: { step: of, line: finishedLine(of, group) } }
    const progress = { type: "StepProgress", step: of, label: "", done, total, unit: "branches", figures: {} } as const
    return { isShown, progress, finished: undefined }
  }
}
