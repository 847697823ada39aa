/**
 * Runner: brings the selected steps up to date: each has a result, and its files are in `outputs/`.
 *
 * A step starts as soon as its upstream steps have results and the cores that it needs are free. Its key is made from
 * the content of those results. If the store has a result under that key (Freshness), nothing runs; otherwise StepRun
 * executes the step. After a failure, finished results stay, downstream steps are skipped, and so are other steps that
 * have not begun, unless `keepGoing`.
 */
import { randomBytes } from "node:crypto"
import * as path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fault from "../../cache/identity/Fault.ts"
import { RemoteCache } from "../../cache/remote/RemoteCache.ts"
import { outputsOf, type StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { ownPrefix, sweep } from "../../cache/store/Sweep.ts"
import { StepError } from "../executor/Executor.ts"
import * as Mask from "../executor/log/Mask.ts"
import { type AnyStep, upstream } from "../pipeline/Step.ts"
import * as Freshness from "../plan/Freshness.ts"
import * as Ingredients from "../plan/Ingredients.ts"
import * as OutputFolder from "../plan/OutputFolder.ts"
import { declaredId, missingOf, type Prepared } from "../plan/Prepared.ts"
import { recordOf } from "../plan/Settings.ts"
import * as Sources from "../plan/Sources.ts"
import * as Template from "../plan/Template.ts"
import { materialize } from "./Materialize.ts"
import { bug, Stopped } from "./outcome/NotDone.ts"
import { allIn, type Outcome, type Running, type RunOptions } from "./outcome/Outcome.ts"
import { isPlain, placeIn, settledIn } from "./outcome/Placing.ts"
import * as UpToDate from "./outcome/UpToDate.ts"
import * as Provenance from "./Provenance.ts"
import { noticeOf, type RunEvent } from "./RunEvent.ts"
import { RunEvents } from "./RunEvents.ts"
import * as RunLog from "./RunLog.ts"
import * as Secrets from "./Secrets.ts"
import type * as StepRun from "./StepRun.ts"
import * as Budget from "./step/Budget.ts"
import * as Notices from "./step/Notices.ts"
import * as Once from "./step/Once.ts"

export type RunFinished = Extract<RunEvent, { readonly type: "RunFinished" }>

export interface RunSummary {
  readonly finished: RunFinished
  readonly failures: ReadonlyArray<StepError>
  /** By step id: of each step that has one now. */
  readonly results: ReadonlyMap<string, StepResult>
}

/** The id of a run that begins now: the time, and four hexadecimal digits. */
export const makeRunId = (now: Date, digits = randomBytes(2).toString("hex")): string =>
  `${now.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15)}-${digits}`

/** Any error during a step, as the step's, without the values of its secrets. */
const asStepError =
  ({ id: step, stage }: AnyStep) =>
  (error: { readonly message: string }): StepError => {
    const { fault, reason, log, attempts } =
      error instanceof StepError
        ? error
        : { fault: Fault.of(error), reason: error.message, log: null, attempts: undefined }
    const tried = attempts === undefined ? {} : { attempts }
    return new StepError({ step, fault, reason: Mask.inText(stage.secrets, reason), log, ...tried })
  }

const sameOutputs = (a: StepResult, b: StepResult): boolean =>
  Object.keys({ ...a.outputs, ...b.outputs }).every((name) => a.outputs[name]?.digest === b.outputs[name]?.digest)

/** StepRun, loaded when the first step is executed: a run that is up to date executes none. */
const executeStep = (...given: Parameters<typeof StepRun.execute>): ReturnType<typeof StepRun.execute> =>
  Effect.flatMap(
    Effect.promise(() => import("./StepRun.ts")),
    ({ execute }) => execute(...given)
  )

/** The step's result: from the store, or by executing it. */
const resolveStep = Effect.fn("Runner.resolveStep")(function* (running: Running, step: AnyStep) {
  const events = yield* RunEvents
  const { options, prepared } = running
  const { results } = yield* Store
  const found = yield* Freshness.of(prepared, step, { results: running.results, forced: options.forced })
  const { key, reasons } = found
  const parts = Ingredients.keyParts(prepared, step, running.results)
  if (key === undefined || parts === undefined) return yield* bug(step.id, "an input of it has no content")
  const execution = (): StepRun.Execution => {
    const ingredients = Ingredients.recordedParts(prepared, step, parts)
    return { step, ingredients, key, reasons, forced: Freshness.isForced(options.forced, step) }
  }
  const fresh = found.state === "fresh" ? found.result : undefined
  const before = fresh === undefined ? yield* results.last(step.id) : Option.none<StepResult>()
  const execute = (): ReturnType<typeof StepRun.execute> => {
    const own = execution()
    const recorded = Secrets.recordedIn(step, own.ingredients.params)
    if (recorded !== undefined) running.notices(events, recorded)
    return running.once(key, own.forced, executeStep(running, own))
  }
  const { executed, result, pulled }: StepRun.Executed =
    fresh === undefined ? yield* execute() : { executed: false, result: fresh }
  if (!executed && options.verify) yield* verify(running, execution(), result)
  const restored = yield* putInPlace(running, step, result)
  if (!executed) {
    for (const text of result.provenance.notices ?? []) events.publish(noticeOf(step.id, text))
    const from = pulled === true ? { pulled } : {}
    events.publish({ type: "StepCached", step: step.id, key, restored, ...from })
    return { state: "cached", result } satisfies Outcome
  }
  const unchanged = Option.isSome(before) && sameOutputs(before.value, result)
  const { durationMs, failedAttempts } = result.provenance
  const tried = failedAttempts === undefined ? {} : { attempts: failedAttempts.length + 1 }
  events.publish({ type: "StepExecuted", step: step.id, key, durationMs, unchanged, ...tried })
  return { state: "executed", result } satisfies Outcome
})

/** Makes `outputs/` hold the result, and the result the step's last one; true if the files were not there. */
const putInPlace = Effect.fnUntraced(function* (running: Running, step: AnyStep, result: StepResult) {
  const { id } = step
  const events = yield* RunEvents
  const { results } = yield* Store
  const { prepared } = running
  const { outputsDir } = running.options
  if (outputsDir === undefined) {
    yield* results.noteUse([result.key])
    return false
  }
  const settled = Template.isReporting(prepared.pipeline, id)
    ? new Map(running.results).set(id, result)
    : running.results
  const rendered = yield* Template.render(prepared, id, settled)
  const folder = OutputFolder.of(outputsDir, id)
  const tell = (text: string): void => running.notices(events, text)
  const all = OutputFolder.of(outputsDir, declaredId(step))
  const waits = (owner: string): void => tell(`${all} is being written by ${owner}; waiting for it`)
  const restored = yield* materialize(result, folder, rendered, { waits, kept: tell })
  yield* results.noteLast(id, result.key)
  return restored
})

/** Runs a step with a result again, and compares the outputs. */
const verify = Effect.fnUntraced(function* (running: Running, execution: StepRun.Execution, result: StepResult) {
  const events = yield* RunEvents
  const startedMs = Date.now()
  yield* executeStep(running, { ...execution, reasons: ["verified"], forced: false, verify: result })
  const { step, key } = execution
  events.publish({ type: "StepVerified", step: step.id, key, durationMs: Date.now() - startedMs })
})

const traceOf = (defect: unknown): string =>
  defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)

/** Waits for the steps that `step` reads from; gives the one because of which it is skipped, if there is one. */
const waitFor = Effect.fnUntraced(function* ({ done, outcomes, placing }: Running, step: AnyStep) {
  for (const { id, each } of upstream(step)) {
    // the branches of one wait for those of the other, each for its own
    if (step.each !== undefined && each !== undefined) {
      if (!outcomes.has(id)) yield* Deferred.await(placing.get(id)!)
      if (outcomes.get(id)?.state !== "failed" && outcomes.get(id)?.state !== "skipped") continue
    }
    const outcome = outcomes.get(id) ?? (yield* Deferred.await(done.get(id)!))
    if (outcome.state === "failed") return id
    if ("because" in outcome) return outcome.because
  }
})

/** Places the branches of a step and runs them. */
const runBranches = Effect.fnUntraced(function* (running: Running, step: AnyStep) {
  const events = yield* RunEvents
  const { done, outcomes, placing } = running
  const placed = yield* placeIn(running, step)
  if (placed === undefined) return yield* bug(step.id, "it is not known for what it stands")
  const others = placed.filter(({ id }) => !outcomes.has(id))
  for (const { id } of others) done.set(id, yield* Deferred.make<Outcome>())
  events.publish({ type: "StepPlaced", step: step.id, branches: placed.length })
  yield* Deferred.succeed(placing.get(step.id)!, undefined)
  yield* Effect.forEach(others, (branch) => runStep(running, branch), { concurrency: "unbounded", discard: true })
  for (const { id } of placed) {
    const outcome = outcomes.get(id)
    if (outcome?.state === "failed") return { state: "incomplete", because: id } satisfies Outcome
    if (outcome?.state === "skipped") return { state: "incomplete", because: outcome.because } satisfies Outcome
  }
  return { state: "placed" } satisfies Outcome
})

/** The outcome of a step whose upstream steps have theirs. */
const outcomeOf = Effect.fnUntraced(function* (running: Running, step: AnyStep) {
  const missing = missingOf(running.prepared, step)
  if (missing !== undefined) return yield* missing
  if (step.each !== undefined) return yield* runBranches(running, step)
  const settled = isPlain(step) ? step : yield* settledIn(running, step)
  if (settled === undefined) return yield* bug(step.id, "it is not known what it reads")
  return yield* resolveStep(running, settled)
})

/** Waits for the upstream steps, then gets the outcome of `step`; never fails. */
const settle = Effect.fnUntraced(function* (running: Running, step: AnyStep) {
  const events = yield* RunEvents
  const { failures } = running
  const because = yield* waitFor(running, step)
  if (because !== undefined) return { state: "skipped", because } satisfies Outcome
  return yield* outcomeOf(running, step).pipe(
    // a collection removed a blob between its check and its use: ask again, now it is a miss
    Effect.catchIf(
      (error) => error._tag === "BlobGone",
      () => outcomeOf(running, step)
    ),
    Effect.catchIf(
      (error) => error instanceof Stopped,
      ({ because }) => Effect.succeed<Outcome>({ state: "skipped", because })
    ),
    // a fault of ours in one step: the others go on
    Effect.catchDefect((defect) => Effect.fail(bug(step.id, traceOf(defect)))),
    Effect.mapError(asStepError(step)),
    Effect.catch((error) => {
      failures.push(error)
      const { reason, fault, log, attempts } = error
      const outcome: Outcome = { state: "failed" }
      const tried = attempts === undefined ? {} : { attempts }
      events.publish({ type: "StepFailed", step: step.id, reason, fault, log, ...tried })
      return Effect.succeed(outcome)
    })
  )
})

type Needs = Effect.Services<ReturnType<typeof resolveStep>>

/** Gets the outcome of `step`, and notes it. */
const runStep: (running: Running, step: AnyStep) => Effect.Effect<void, never, Needs> = Effect.fnUntraced(
  function* (running, step) {
    const events = yield* RunEvents
    const { done, outcomes, placing, results } = running
    const outcome: Outcome = yield* settle(running, step)
    outcomes.set(step.id, outcome)
    if ("result" in outcome) results.set(step.id, outcome.result)
    if (outcome.state === "skipped") events.publish({ type: "StepSkipped", step: step.id, because: outcome.because })
    yield* Deferred.succeed(done.get(step.id)!, outcome)
    const placed = placing.get(step.id)
    if (placed !== undefined) yield* Deferred.succeed(placed, undefined)
  }
)

const reportPath = (running: Running): string | null => {
  const { report } = running.prepared.pipeline
  const { outputsDir } = running.options
  if (outputsDir === undefined || report === undefined || report.owner._tag !== "Step") return null
  const made = running.results.get(report.owner.id)
  if (made === undefined || (report.artifact.optional && made.outputs[report.output] === undefined)) return null
  return path.join(outputsDir, report.owner.id, report.artifact.path)
}

const inState = (running: Running, state: Outcome["state"]): ReadonlyArray<string> =>
  allIn(running)
    .filter((step) => running.outcomes.get(step.id)?.state === state)
    .map((step) => step.id)

/** What became of the steps so far. */
const soFar = (running: Running, startedMs: number) => ({
  runId: running.runId,
  executed: inState(running, "executed"),
  cached: inState(running, "cached"),
  failed: inState(running, "failed"),
  skipped: inState(running, "skipped"),
  durationMs: Date.now() - startedMs
})

/** Notes the run in the history. A note fails no work. */
const note = Effect.fnUntraced(function* (running: Running, startedMs: number, state: RunLog.RunRecord["state"]) {
  const events = yield* RunEvents
  const { pipeline, settings } = running.prepared
  const { profile, seed } = settings
  const made = allIn(running).flatMap(({ id }) => {
    const result = running.results.get(id)
    return result === undefined ? [] : [[id, result] as const]
  })
  const keys = recordOf(made.map(([id, { key }]) => [id, key] as const))
  const outputs = recordOf(made.map(([id, result]) => [id, outputsOf(result)] as const))
  const owner = state === "running" ? { owner: ownPrefix } : {}
  const { asked = { set: [], data: [] }, among } = running.options
  const settled = {
    pipeline: pipeline.name,
    profile: profile ?? null,
    seed,
    seeds: pipeline.seeds,
    asked,
    ...(among === undefined ? {} : { sweep: among.sweep }),
    keys,
    outputs
  }
  yield* Effect.catch(
    RunLog.write({ ...soFar(running, startedMs), ...settled, ...owner, startedMs, state }),
    ({ message }) =>
      Effect.sync(() => {
        // told once, at the end
        if (state !== "running") events.publish({ type: "Notice", text: `the run is not in the history: ${message}` })
      })
  )
})

const finish = Effect.fnUntraced(function* (running: Running, startedMs: number) {
  const events = yield* RunEvents
  const finished: RunFinished = {
    type: "RunFinished",
    ...soFar(running, startedMs),
    report: reportPath(running)
  }
  yield* note(running, startedMs, "finished")
  events.publish(finished)
  return finished
})

export const run = Effect.fn("Runner.run")(function* (prepared: Prepared, options: RunOptions) {
  const events = yield* RunEvents
  const { layout, memo } = yield* Store
  yield* Secrets.check(prepared, options.steps, options)
  const startedMs = Date.now()
  const done = new Map<string, Deferred.Deferred<Outcome>>()
  const failures: Array<StepError> = []
  const placing = new Map<string, Deferred.Deferred<void>>()
  for (const { id, each } of options.steps) if (each !== undefined) placing.set(id, yield* Deferred.make<void>())
  const running: Running = {
    prepared,
    options,
    runId: options.among?.runId ?? makeRunId(new Date(startedMs)),
    budget: options.among?.budget ?? (yield* Budget.make(prepared.cores)),
    // each branch that fails has a log of its own
    once: options.among?.once ?? Once.make(() => true),
    notices: options.among?.notices ?? Notices.make(),
    provenance: yield* Effect.cached(Provenance.ofRun),
    results: new Map(),
    outcomes: new Map(),
    failures,
    done,
    placing,
    branches: new Map(),
    stoppedBy: () => (options.keepGoing ? undefined : failures[0]?.step)
  }
  const steps = options.steps.map((step) => step.id)
  events.publish({ type: "RunStarted", runId: running.runId, steps, profile: prepared.settings.profile ?? null })
  yield* sweep(layout)
  yield* Sources.remember(Array.from(prepared.sources.values()))
  const settleAll = Effect.gen(function* () {
    if (!options.verify && options.outputsDir !== undefined) yield* UpToDate.skip(running, options.outputsDir)
    const others = options.steps.filter((step) => !running.outcomes.has(step.id))
    // of a run that is killed there is a note too
    if (others.length > 0) yield* note(running, startedMs, "running")
    for (const step of others) done.set(step.id, yield* Deferred.make<Outcome>())
    yield* Effect.forEach(others, (step) => runStep(running, step), { concurrency: "unbounded", discard: true })
  })
  yield* settleAll.pipe(
    Effect.onInterrupt(() => note(running, startedMs, "interrupted")),
    Effect.ensuring(Effect.ignore(memo.flush)),
    // the worker of a killed run may have gone on for a moment and made its folder again after the first sweep
    Effect.ensuring(sweep(layout))
  )
  yield* (yield* RemoteCache)?.finish ?? Effect.void
  const { results } = running
  const summary: RunSummary = { finished: yield* finish(running, startedMs), failures, results }
  return summary
})
