/** Placing: the steps of a run that are known only when it gets there. */
import * as Effect from "effect/Effect"
import type { AnyStep } from "../../pipeline/Step.ts"
import * as Branches from "../../plan/many/Branches.ts"
import * as BranchFolders from "../outputs/BranchFolders.ts"
import { noticeOf } from "../RunEvent.ts"
import { RunEvents } from "../RunEvents.ts"
import type { Running } from "./Outcome.ts"

/** Whether all that a step reads is known when the pipeline is loaded. */
export const isPlain = ({ each, many }: AnyStep): boolean =>
  each === undefined && Object.values(many).every(({ from }) => from.type === "ports")

/** The step with what it reads of many; undefined while that is not known. */
export const settledIn = ({ prepared, results, branches }: Running, step: AnyStep) =>
  Branches.settled(prepared, step, { results, branches })

/** Places the branches of a step, as far as they are wanted; undefined while it is not known for what. */
export const placeIn = Effect.fnUntraced(function* (running: Running, step: AnyStep) {
  const { branches, options, prepared, results } = running
  const all = branches.get(step.id) ?? (yield* Branches.of(prepared, step, { results, branches }))
  const wanted = options.branches?.get(step.id)
  if (all === undefined || branches.has(step.id)) return all
  const placed = yield* Branches.named(step, { names: wanted, forced: options.forced }, all)
  branches.set(step.id, placed)
  const nothing = all.length === 0 ? Branches.nothingOf(step) : undefined
  if (nothing !== undefined) (yield* RunEvents).publish(noticeOf(step.id, nothing))
  if (options.outputsDir === undefined) return placed
  const events = yield* RunEvents
  const tell = (text: string): void => running.notices(events, text)
  yield* BranchFolders.makeRoom(options.outputsDir, step.id, tell)
  if (wanted === undefined) {
    const names = placed.map(({ branch }) => branch!.name)
    yield* BranchFolders.keepOnly(options.outputsDir, step.id, names, tell)
  }
  return placed
})
