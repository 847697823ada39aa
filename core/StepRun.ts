/**
 * StepRun: one step executed, from a free core to a committed result.
 *
 * The executor does the work in a private folder; the declared outputs are taken into the store and the result is written
 * last. Before that, everything outside the store that the result was made from (sources, code) is looked at again: what
 * changed meanwhile would make the result a lie, so it is discarded and said. Of several processes that want the same
 * key, one executes and the others wait for it and use its result.
 */
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as CodeIdentity from "../cache/code/CodeIdentity.ts"
import type * as CacheKey from "../cache/identity/CacheKey.ts"
import type * as Digest from "../cache/identity/Digest.ts"
import { Disk } from "../cache/store/Disk.ts"
import type { Layout } from "../cache/store/Layout.ts"
import * as Lock from "../cache/store/Lock.ts"
import type { Provenance, StepResult } from "../cache/store/ResultStore.ts"
import { Store } from "../cache/store/Store.ts"
import { ownPrefix } from "../cache/store/Sweep.ts"
import * as Tree from "../cache/store/Tree.ts"
import { type Executed, Executor, StepError, type StepTask } from "./Executor.ts"
import * as Outputs from "./Outputs.ts"
import type { AnyStep } from "./Pipeline.ts"
import * as Plan from "./Plan.ts"
import type { RunEvent } from "./RunEvent.ts"
import type * as Stage from "./Stage.ts"

/** What the steps of one run share. */
export interface Running {
  readonly prepared: Plan.Prepared
  readonly runId: string
  readonly emit: (event: RunEvent) => Effect.Effect<void>
  /** As many permits as the run may use cores. */
  readonly cores: Semaphore.Semaphore
  readonly provenance: Effect.Effect<Omit<Provenance, "runId" | "startedAt" | "durationMs">>
  /** Results of the steps that are settled, by id. */
  readonly results: Map<string, StepResult>
  /** The step whose failure keeps others from beginning, if there is one. */
  readonly stoppedBy: () => string | undefined
}

/** The run came to a stop, because of another step's failure, before this one began. */
export class Stopped extends Data.TaggedError("Stopped")<{ readonly because: string }> {
  override get message(): string {
    return `not begun, because ${this.because} failed`
  }
}

export interface Execution {
  readonly step: AnyStep
  readonly ingredients: CacheKey.Ingredients
  readonly key: Digest.Digest
  readonly reasons: ReadonlyArray<string>
  /** Execute even if another process has made the result meanwhile. */
  readonly forced: boolean
  /** Of a result that is there: make it again, and compare; what is there stays. */
  readonly verify?: StepResult
}

export const bug = (step: string, reason: string): StepError => new StepError({ step, fault: "bug", reason, log: null })

/** The modules that were not what the key was made from: as they were loaded, or else as they are now. */
const changedModules = Effect.fnUntraced(function* (
  before: CodeIdentity.Identified,
  source: string,
  loaded: Executed["loaded"]
) {
  if (loaded === undefined) {
    const { layout, memo } = yield* Store
    const identity = yield* CodeIdentity.make(layout, memo)
    const now = yield* identity.of(source)
    return JSON.stringify(now.code) === JSON.stringify(before.code) ? [] : ["its code"]
  }
  return Array.from(before.files).flatMap(([file, digest]) => {
    const then = loaded[file]
    return then === undefined || then === digest ? [] : [file]
  })
})

/** Refuses a result whose sources or code were not what its key says. Code may change once it is loaded. */
const checkUnchanged = Effect.fnUntraced(function* (running: Running, step: AnyStep, executed: Executed) {
  const { prepared } = running
  const changed = (what: string): StepError =>
    new StepError({
      step: step.id,
      fault: "input",
      reason: `${what} changed while the step ran, so its result was discarded. Run again`,
      log: null
    })
  for (const port of Object.values(step.inputs)) {
    if (port.owner._tag !== "Source") continue
    const before = prepared.sources.get(port.owner.name)!
    const now = yield* Plan.snapshotSource(port.owner, before.path)
    if (!Tree.isUntouched(before.content, now.content)) return yield* changed(port.owner.name)
  }
  // A command is in the key itself.
  if (step.stage._tag === "Command") return
  const { source } = step.stage
  const [first] = yield* changedModules(prepared.code.get(source)!, source, executed.loaded)
  if (first !== undefined) return yield* changed(first)
})

const provideInputs = Effect.fnUntraced(function* (running: Running, step: AnyStep, folder: string) {
  const inputs: Record<string, string> = {}
  for (const [name, port] of Object.entries(step.inputs)) {
    if (port.owner._tag === "Source") {
      inputs[name] = running.prepared.sources.get(port.owner.name)!.path
      continue
    }
    const output = running.results.get(port.owner.id)?.outputs[port.output]
    if (output === undefined) return yield* bug(step.id, `${port.owner.id} has no output ${port.output}`)
    inputs[name] = yield* Outputs.provideInput(output, path.join(folder, name), step.stage._tag)
  }
  return inputs
})

const workOf = (prepared: Plan.Prepared, { step, ingredients }: Execution, layout: Layout): StepTask["work"] => {
  const { stage } = step
  const { params, toolchain } = ingredients
  if (stage._tag === "Command") {
    const { command, env } = params as unknown as Stage.CommandParams
    const output = Object.entries(stage.output as Stage.Artifacts).map(
      ([name, { kind, path }]) => [name, { kind, path }] as const
    )
    return { type: "command", command, env, output: Object.fromEntries(output) }
  }
  const { name, source, spawns } = stage
  const modules = prepared.code.get(source)?.loaded ?? []
  return { type: "module", stage: name, source, modules, spawns, params, toolchain, toolchainsDir: layout.toolchains }
}

const prepareTask = Effect.fnUntraced(function* (
  running: Running,
  execution: Execution,
  workdir: string,
  cores: number
) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const { step, key } = execution
  const task: StepTask = {
    step: step.id,
    work: workOf(running.prepared, execution, layout),
    inputs: yield* provideInputs(running, step, path.join(workdir, "inputs")),
    outputDir: path.join(workdir, "outputs"),
    workdir: path.join(workdir, "scratch"),
    checkpoint: layout.checkpoint(key),
    cores
  }
  // What may be written to must be there before the process starts, or Node takes the permission for a file's.
  yield* disk.makeFolder(path.dirname(task.checkpoint))
  yield* disk.makeFolder(task.outputDir)
  yield* disk.makeFolder(task.workdir)
  return task
})

/** The first output in which two results of one key differ. */
const firstDifference = (before: StepResult, outputs: StepResult["outputs"]): string | undefined => {
  const name = Object.keys(before.outputs).find((each) => before.outputs[each]?.digest !== outputs[each]?.digest)
  return name === undefined ? undefined : `${name} (${before.outputs[name]?.path})`
}

const work = Effect.fnUntraced(function* (running: Running, execution: Execution, cores: number) {
  const disk = yield* Disk
  const executor = yield* Executor
  const { layout, results } = yield* Store
  const { step, ingredients, key, reasons } = execution
  const startedMs = Date.now()
  yield* running.emit({ type: "StepStarted", step: step.id, reasons })
  const workdir = path.join(layout.work, `${ownPrefix}${running.runId}+${step.id}`)
  yield* Effect.addFinalizer(() => Effect.ignore(disk.remove(workdir)))
  yield* disk.makeFolder(workdir)
  const task = yield* prepareTask(running, execution, workdir, cores)
  // Forced is from the beginning, not from where an earlier attempt stopped.
  if (execution.forced || execution.verify !== undefined) yield* disk.remove(task.checkpoint)
  const executed = yield* executor.execute(task, (progress) =>
    Effect.runFork(running.emit({ ...progress, type: "StepProgress", step: step.id }))
  )
  yield* checkUnchanged(running, step, executed)
  const outputs = yield* Outputs.take(step.stage.output, task.outputDir)
  const made = {
    runId: running.runId,
    startedAt: new Date(startedMs).toISOString(),
    durationMs: Date.now() - startedMs
  }
  if (execution.verify !== undefined) {
    const differs = firstDifference(execution.verify, outputs)
    yield* disk.remove(task.checkpoint)
    if (differs === undefined) return execution.verify
    const reason = `made again from the same, its output ${differs} came out otherwise; the stage is not deterministic`
    return yield* new StepError({ step: step.id, fault: "stage", reason, log: null })
  }
  const provenance = { ...(yield* running.provenance), ...made }
  const result: StepResult = { format: "Result/v1", key, step: step.id, ingredients, outputs, provenance }
  yield* results.write(result)
  yield* disk.remove(task.checkpoint)
  return result
})

/** Executes a step, or waits for another process that does; `executed` says which. */
export const execute = Effect.fnUntraced(function* (running: Running, execution: Execution) {
  const { prepared } = running
  const { layout } = yield* Store
  const toolchains = Plan.toolchainsOfStep(prepared, execution.step)
  // A stage without a toolchain may use what is there; it is taken to keep one core busy.
  const busy = Math.min(prepared.cores, Math.max(1, ...toolchains.map((each) => each.cores)))
  const granted = toolchains.length > 0 ? busy : prepared.cores
  const alone = Effect.gen(function* () {
    const because = running.stoppedBy()
    if (because !== undefined) return yield* new Stopped({ because })
    // Cores first, then the lock: who holds a lock is always running, so no two runs wait for each other.
    yield* Lock.hold(`key ${layout.root} ${execution.key}`, (pid) => {
      const text = `${execution.step.id} is being executed by process ${pid}; waiting for its result`
      Effect.runFork(running.emit({ type: "Notice", text }))
    })
    const again = execution.forced || execution.verify !== undefined
    const meanwhile = again ? "absent" : yield* Outputs.usable(execution.step, execution.key)
    if (typeof meanwhile !== "string") return { executed: false, result: meanwhile }
    return { executed: true, result: yield* work(running, execution, granted) }
  })
  return yield* Semaphore.withPermits(running.cores, busy)(Effect.scoped(alone))
})
