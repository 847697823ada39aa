/** UpToDate: the steps of a run that are as the last run left them, which are most steps of most runs. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk } from "../../../cache/store/Disk.ts"
import { Store } from "../../../cache/store/Store.ts"
import type { AnyStep } from "../../pipeline/Step.ts"
import * as Freshness from "../../plan/Freshness.ts"
import { noticeOf } from "../RunEvent.ts"
import { RunEvents } from "../RunEvents.ts"
import * as RunLog from "../RunLog.ts"
import type { Running } from "./Outcome.ts"
import { isPlain, placeIn, settledIn } from "./Placing.ts"

/** So few that a run can be interrupted in between, and shows progress. */
const atOnce = 100

/** Skips the branches of a step that are up to date, and the step itself if all of them are. */
const skipBranches = Effect.fnUntraced(function* <E, R>(
  running: Running,
  step: AnyStep,
  skipAll: (steps: ReadonlyArray<AnyStep>) => Effect.Effect<void, E, R>
) {
  const placed = yield* placeIn(running, step)
  if (placed === undefined) return
  yield* skipAll(placed)
  if (placed.every(({ id }) => running.outcomes.has(id))) running.outcomes.set(step.id, { state: "placed" })
})

const isSettled = (step: AnyStep | undefined): step is AnyStep => step !== undefined

/**
 * Skips the steps that the quick answer calls fresh and that only read from such steps: most steps of most runs. It
 * asks for many steps in one call, since an effect for each takes longer than the answer. `resolveStep` gets all
 * others.
 */
export const skip = Effect.fnUntraced(function* (running: Running, outputsDir: string) {
  const events = yield* RunEvents
  const { options, outcomes, prepared } = running
  const disk = yield* Disk
  const { results } = yield* Store
  const answerFor = yield* Freshness.quick(prepared, outputsDir, yield* RunLog.lastKeys)
  const known = { results: running.results, forced: options.forced }
  const skipGroup = Effect.fnUntraced(function* (group: ReadonlyArray<AnyStep>) {
    const look = disk.synchronously(outputsDir, (sync) => {
      for (const step of group) {
        const answer = answerFor(step, known, sync)
        if (answer.state === "fresh") running.results.set(step.id, answer.result)
      }
    })
    yield* Effect.ignore(look)
    // by step id: another step of the same key may have made the result
    const skipped = group.flatMap(({ id }) => {
      const result = running.results.get(id)
      return result === undefined ? [] : [[id, result] as const]
    })
    yield* results.noteUse(skipped.map(([, { key }]) => key))
    for (const [step, result] of skipped) {
      outcomes.set(step, { state: "cached", result })
      for (const text of result.provenance.notices ?? []) events.publish(noticeOf(step, text))
      events.publish({ type: "StepCached", step, key: result.key, restored: false })
    }
  })
  const skipAll = Effect.fnUntraced(function* (steps: ReadonlyArray<AnyStep>) {
    for (let at = 0; at < steps.length; at += atOnce) yield* skipGroup(steps.slice(at, at + atOnce))
  })
  let plain: Array<AnyStep> = []
  for (const step of options.steps) {
    if (isPlain(step)) {
      plain.push(step)
      continue
    }
    yield* skipAll(plain)
    plain = []
    // what is wrong with its entries is told when its turn comes
    if (step.each === undefined)
      yield* skipAll(Option.toArray(Option.filter(yield* Effect.option(settledIn(running, step)), isSettled)))
    else yield* Effect.ignore(skipBranches(running, step, skipAll))
  }
  yield* skipAll(plain)
})
