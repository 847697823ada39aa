/**
 * Runner: brings every wanted step to a result that is there, and lays it out.
 *
 * A step starts as soon as the steps it reads from have results, if the cores it needs are free. Its key is made from
 * the content that those results have *now*; when a result under that key is in the store, nothing runs. Otherwise the
 * executor does the work in a private folder; the declared outputs are taken into the store and the result is written
 * last. After each step everything outside the store that it was made from (sources, code) is looked at again: what
 * changed meanwhile would make the result a lie, so it is discarded and said.
 *
 * A failure keeps all that is finished. Steps downstream of it are skipped, others not yet begun too unless `keepGoing`.
 */
import { randomBytes } from "node:crypto"
import * as path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as CodeIdentity from "../cache/code/CodeIdentity.ts"
import * as CacheKey from "../cache/identity/CacheKey.ts"
import type * as Digest from "../cache/identity/Digest.ts"
import { writeRecord } from "../cache/store/Commit.ts"
import { Disk } from "../cache/store/Disk.ts"
import type { StepResult } from "../cache/store/ResultStore.ts"
import { Store } from "../cache/store/Store.ts"
import { Executor, StepError, type StepTask } from "./Executor.ts"
import * as Outputs from "./Outputs.ts"
import type { AnyStep } from "./Pipeline.ts"
import { upstream } from "./Pipeline.ts"
import * as Plan from "./Plan.ts"
import * as Provenance from "./Provenance.ts"
import type { RunEvent } from "./RunEvent.ts"

export interface RunOptions {
  /** The steps to bring up to date, upstream first, ancestors included. */
  readonly steps: ReadonlyArray<AnyStep>
  /** Steps to execute even if their result is there. */
  readonly forced: ReadonlySet<string>
  readonly keepGoing: boolean
  readonly outputsDir: string
  readonly emit: (event: RunEvent) => Effect.Effect<void>
}

type Outcome =
  | { readonly state: "cached" | "executed"; readonly result: StepResult }
  | { readonly state: "failed" }
  | { readonly state: "skipped"; readonly because: string }

export type RunFinished = Extract<RunEvent, { readonly type: "RunFinished" }>

export interface RunSummary {
  readonly finished: RunFinished
  readonly failures: ReadonlyArray<StepError>
}

const makeRunId = (now: Date): string =>
  `${now.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15)}-${randomBytes(2).toString("hex")}`

const bug = (step: string, reason: string): StepError => new StepError({ step, fault: "bug", reason, log: null })

/** Errors of the store during a step: the machine's fault, told as the step's. */
const asStepError =
  (step: string) =>
  (error: { readonly _tag: string; readonly message: string }): StepError =>
    error instanceof StepError
      ? error
      : new StepError({
          step,
          fault: error._tag === "OutputMissing" ? "bug" : "stage",
          reason: error.message,
          log: null
        })

export const run = Effect.fnUntraced(function* (prepared: Plan.Prepared, options: RunOptions) {
  const disk = yield* Disk
  const executor = yield* Executor
  const { layout, memo, results } = yield* Store
  const { emit, outputsDir } = options
  const startedMs = Date.now()
  const runId = makeRunId(new Date(startedMs))
  const ids = new Set(options.steps.map((step) => step.id))
  const cores = yield* Semaphore.make(prepared.cores)
  const provenance = yield* Effect.cached(Provenance.ofRun)
  const outcomes = new Map<string, Outcome>()
  const failures: Array<StepError> = []
  const done = new Map<string, Deferred.Deferred<Outcome>>()
  for (const step of options.steps) done.set(step.id, yield* Deferred.make<Outcome>())

  yield* emit({ type: "RunStarted", runId, steps: Array.from(ids), profile: prepared.settings.profile ?? null })
  for (const source of prepared.sources.values()) yield* Plan.rememberSource(source)

  /** Refuses a result whose sources or code changed while it was made. */
  const checkUnchanged = Effect.fnUntraced(function* (step: AnyStep) {
    for (const port of Object.values(step.inputs)) {
      if (port.owner._tag !== "Source") continue
      const before = prepared.sources.get(port.owner.name)!
      const now = yield* Plan.snapshotSource(port.owner, before.path)
      if (now.digest !== before.digest) {
        const reason = `${port.owner.name} changed while the step ran; its result was discarded. Run again`
        return yield* new StepError({ step: step.id, fault: "input", reason, log: null })
      }
    }
    const identity = yield* CodeIdentity.make(layout, memo)
    const code = yield* identity.of(step.stage.source)
    if (JSON.stringify(code) !== JSON.stringify(prepared.code.get(step.stage.source))) {
      const reason = "its code changed while it ran; the result was discarded. Run again"
      return yield* new StepError({ step: step.id, fault: "input", reason, log: null })
    }
  })

  const taskOf = Effect.fnUntraced(function* (step: AnyStep, key: Digest.Digest, workdir: string, threads: number) {
    const inputs: Record<string, string> = {}
    for (const [name, port] of Object.entries(step.inputs)) {
      if (port.owner._tag === "Source") inputs[name] = prepared.sources.get(port.owner.name)!.path
      else {
        const upstreamOutcome = outcomes.get(port.owner.id)
        if (upstreamOutcome === undefined || !("result" in upstreamOutcome))
          return yield* bug(step.id, `${port.owner.id} has no result`)
        const output = upstreamOutcome.result.outputs[port.output]!
        inputs[name] = yield* Outputs.provideInput(output, path.join(workdir, "inputs", name))
      }
    }
    const task: StepTask = {
      step: step.id,
      stage: step.stage.name,
      source: step.stage.source,
      params: prepared.settings.steps[step.id] ?? {},
      inputs,
      toolchain: Object.fromEntries(
        Plan.toolchainsOfStep(prepared, step).map((each) => [each.toolchain.name, each.encoded])
      ),
      toolchainDir: layout.toolchain(Plan.toolchainsOfStep(prepared, step)[0]?.toolchain.name ?? "none"),
      outputDir: path.join(workdir, "outputs"),
      workdir: path.join(workdir, "scratch"),
      checkpoint: layout.checkpoint(key),
      cores: threads
    }
    yield* disk.makeFolder(task.outputDir)
    yield* disk.makeFolder(task.workdir)
    return task
  })

  const execute = Effect.fnUntraced(function* (step: AnyStep, ingredients: CacheKey.Ingredients, key: Digest.Digest) {
    const toolchains = Plan.toolchainsOfStep(prepared, step)
    const needed = Math.min(prepared.cores, Math.max(1, ...toolchains.map((each) => each.cores)))
    const work = Effect.gen(function* () {
      const stepStartedMs = Date.now()
      const workdir = path.join(layout.root, "work", `${runId}-${step.id}`)
      yield* disk.makeFolder(workdir)
      yield* Effect.addFinalizer(() => Effect.ignore(disk.remove(workdir)))
      const task = yield* taskOf(step, key, workdir, toolchains.length > 0 ? needed : prepared.cores)
      yield* executor.execute(task, (progress) => {
        Effect.runFork(emit({ ...progress, type: "StepProgress", step: step.id }))
      })
      yield* checkUnchanged(step)
      const outputs = yield* Outputs.take(step.stage.output, task.outputDir)
      const durationMs = Date.now() - stepStartedMs
      const made = { ...(yield* provenance), runId, startedAt: new Date(stepStartedMs).toISOString(), durationMs }
      const result: StepResult = { format: "Result/v1", key, step: step.id, ingredients, outputs, provenance: made }
      yield* results.write(result)
      yield* disk.remove(task.checkpoint)
      return result
    })
    return yield* Semaphore.withPermits(cores, needed)(Effect.scoped(work))
  })

  const sameOutputs = (a: StepResult, b: StepResult): boolean =>
    Object.keys(b.outputs).every((name) => a.outputs[name]?.digest === b.outputs[name]?.digest)

  const bring = Effect.fnUntraced(function* (step: AnyStep) {
    const known = new Map(
      Array.from(outcomes).flatMap(([id, outcome]) => ("result" in outcome ? [[id, outcome.result]] : []))
    )
    const ingredients = Plan.ingredientsOf(prepared, step, known)
    if (ingredients === undefined) return yield* bug(step.id, "an input of it has no content")
    const key = yield* CacheKey.of(step.id, ingredients)
    const folder = path.join(outputsDir, step.id)
    const usable = yield* results.usable(key)
    if (typeof usable !== "string" && !options.forced.has(step.id)) {
      const restored = yield* Outputs.layOut(usable, folder)
      yield* results.noteLast(step.id, key)
      yield* emit({ type: "StepCached", step: step.id, key, restored })
      return { state: "cached", result: usable } satisfies Outcome
    }
    const before = yield* results.last(step.id)
    const reasons = typeof usable === "string" ? yield* Plan.explain(prepared, step, ingredients, usable) : ["forced"]
    yield* emit({ type: "StepStarted", step: step.id, reasons })
    const result = yield* execute(step, ingredients, key)
    yield* Outputs.layOut(result, folder)
    yield* results.noteLast(step.id, key)
    const unchanged = Option.isSome(before) && sameOutputs(before.value, result)
    yield* emit({ type: "StepExecuted", step: step.id, key, durationMs: result.provenance.durationMs, unchanged })
    return { state: "executed", result } satisfies Outcome
  })

  const settle = Effect.fnUntraced(function* (step: AnyStep) {
    for (const needed of upstream(step)) {
      const outcome = yield* Deferred.await(done.get(needed.id)!)
      if (outcome.state === "failed") return { state: "skipped", because: needed.id } satisfies Outcome
      if (outcome.state === "skipped") return { state: "skipped", because: outcome.because } satisfies Outcome
    }
    const failed = failures[0]
    if (failed !== undefined && !options.keepGoing) return { state: "skipped", because: failed.step } satisfies Outcome
    return yield* bring(step).pipe(
      Effect.mapError(asStepError(step.id)),
      Effect.catch((error) =>
        Effect.gen(function* () {
          failures.push(error)
          yield* emit({ type: "StepFailed", step: step.id, reason: error.reason, fault: error.fault, log: error.log })
          return { state: "failed" } as Outcome
        })
      )
    )
  })

  yield* Effect.forEach(
    options.steps,
    (step) =>
      Effect.gen(function* () {
        const outcome: Outcome = yield* settle(step)
        outcomes.set(step.id, outcome)
        if (outcome.state === "skipped") yield* emit({ type: "StepSkipped", step: step.id, because: outcome.because })
        yield* Deferred.succeed(done.get(step.id)!, outcome)
      }),
    { concurrency: "unbounded", discard: true }
  ).pipe(Effect.ensuring(Effect.ignore(memo.flush)))

  const inState = (state: Outcome["state"]): ReadonlyArray<string> =>
    options.steps.filter((step) => outcomes.get(step.id)?.state === state).map((step) => step.id)
  const report = prepared.pipeline.report
  const reportReady =
    report?.owner._tag === "Step" && ["cached", "executed"].includes(outcomes.get(report.owner.id)?.state ?? "")
  const finished: RunFinished = {
    type: "RunFinished",
    runId,
    executed: inState("executed"),
    cached: inState("cached"),
    failed: inState("failed"),
    skipped: inState("skipped"),
    durationMs: Date.now() - startedMs,
    report:
      report !== undefined && report.owner._tag === "Step" && reportReady
        ? path.join(outputsDir, report.owner.id, report.artifact.path)
        : null
  }
  const keys = Object.fromEntries(
    Array.from(outcomes).flatMap(([id, outcome]) => ("result" in outcome ? [[id, outcome.result.key]] : []))
  )
  yield* writeRecord(layout, layout.run(runId), JSON.stringify({ ...finished, startedMs, keys }))
  yield* emit(finished)
  const summary: RunSummary = { finished, failures }
  return summary
})
