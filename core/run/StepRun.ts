/**
 * StepRun: executes one step, from a free core to a committed result.
 *
 * The executor does the work in a private folder; the declared outputs are taken into the store, and the result is
 * written last. Before that, everything outside of the store that the result was made from (sources, code) is checked
 * again. If something changed meanwhile, the result does not belong to its key: it is discarded, and the step fails. If
 * several processes want the same key, one executes the step, and the others wait and use its result.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PythonFingerprint } from "../../cache/code/python/PythonCode.ts"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import { RemoteCache } from "../../cache/remote/RemoteCache.ts"
import { Disk, orAbsent } from "../../cache/store/Disk.ts"
import type { Layout } from "../../cache/store/Layout.ts"
import * as Lock from "../../cache/store/Lock.ts"
import * as Shared from "../../cache/store/lock/Shared.ts"
import type { Provenance, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { beat, ownPrefix, scratchFolder } from "../../cache/store/Sweep.ts"
import * as Tree from "../../cache/store/Tree.ts"
import * as SourceLink from "../../cache/store/tree/SourceLink.ts"
import { type Executed as Done, type Elsewhere, Executor, StepError, stepUmask } from "../executor/Executor.ts"
import * as Mask from "../executor/log/Mask.ts"
import type { CommandWork, News, StepTask } from "../executor/StepTask.ts"
import * as ArtifactIO from "../pipeline/ArtifactIO.ts"
import * as CommandParams from "../pipeline/command/CommandParams.ts"
import { linesOf } from "../pipeline/Declaration.ts"
import type * as Stage from "../pipeline/Stage.ts"
import { type AnyStep, displayName, inputOf } from "../pipeline/Step.ts"
import * as Python from "../plan/code/Python.ts"
import { declaredId, fingerprintOf, type Prepared, sourceOf } from "../plan/Prepared.ts"
import * as SourceLinks from "../plan/SourceLinks.ts"
import * as StoredResult from "../plan/StoredResult.ts"
import { Stopped } from "./outcome/NotDone.ts"
import { noticeOf } from "./RunEvent.ts"
import { RunEvents } from "./RunEvents.ts"
import * as Attempts from "./step/Attempts.ts"
import * as Budget from "./step/Budget.ts"
import { coresOf, orderOf, timeoutOf } from "./step/Elsewhere.ts"
import * as Inputs from "./step/Inputs.ts"
import type * as Notices from "./step/Notices.ts"
import * as Pulling from "./step/Pulling.ts"
import * as Resumed from "./step/Resumed.ts"
import * as Taken from "./step/Taken.ts"
import * as Unchanged from "./step/Unchanged.ts"

/** The state that the steps of one run share. */
export interface Running {
  readonly prepared: Prepared
  readonly runId: string
  readonly budget: Budget.Budget
  readonly provenance: Effect.Effect<Omit<Provenance, "runId" | "startedAt" | "durationMs">>
  /** Results of finished steps, by id. */
  readonly results: Map<string, StepResult>
  readonly notices: Notices.Notices
  /** The failed step because of which no other begins, if there is one. */
  readonly stoppedBy: () => string | undefined
}

export interface Execution {
  readonly step: AnyStep
  readonly ingredients: CacheKey.Ingredients
  readonly key: Digest.Digest
  readonly reasons: ReadonlyArray<string>
  /** Execute even if another process has made the result meanwhile. */
  readonly forced: boolean
  /** The stored result to compare with; it stays. */
  readonly verify?: StepResult
}

/** What came of an execution: whether the step was executed here, and whether the result came from the shared cache. */
export interface Executed {
  readonly executed: boolean
  readonly result: StepResult
  readonly pulled?: boolean
}

/** Whether a step is executed although there may be a result. */
const isAgain = ({ forced, verify }: Execution): boolean => forced || verify !== undefined

/** One attempt of an execution. */
interface Attempt extends Execution {
  /** Why attempts before this one failed. */
  readonly failed: ReadonlyArray<string>
  readonly elsewhere: Elsewhere | undefined
}

/**
 * The path of a step's checkpoint, below the folder of its key. Its name holds the stats of the sources: a checkpoint
 * from before a source was touched has another name and is never found, even if the content is the same again.
 */
const checkpointOf = (prepared: Prepared, { step, key }: Execution, layout: Layout): string => {
  const seen = Unchanged.sourcesOf(prepared, step).map(({ content }) => Tree.statDigest(content))
  return path.join(layout.checkpoint(key), Digest.ofText(seen.join()))
}

const savesCheckpoints = ({ stage }: AnyStep): boolean => stage._tag === "Stage" || stage.python !== undefined

/** Makes the folder of a checkpoint, and removes other checkpoints from it. */
const makeCheckpoints = Effect.fnUntraced(function* (checkpoint: string) {
  const disk = yield* Disk
  const folder = path.dirname(checkpoint)
  const stat = yield* orAbsent(disk.lstat(folder))
  // earlier versions had a file here
  if (Option.isSome(stat) && stat.value.kind !== "folder") yield* disk.remove(folder)
  yield* disk.makeFolder(folder)
  for (const { name } of yield* disk.list(folder)) {
    if (!name.startsWith(path.basename(checkpoint))) yield* disk.remove(path.join(folder, name))
  }
})

const removeIfEmpty = Effect.fnUntraced(function* (folder: string) {
  const disk = yield* Disk
  const entries = yield* orAbsent(disk.list(folder))
  if (Option.isSome(entries) && entries.value.length === 0) yield* disk.remove(folder)
})

/** What there is about the sources of a step that is not told by their paths. */
const aboutSources = ({ prepared }: Running, step: AnyStep): Pick<StepTask, "reached" | "ignored"> => {
  const sources = Object.entries(step.inputs).flatMap(([input, port]) => {
    const content = sourceOf(prepared, port)?.content
    return content === undefined ? [] : [{ input, content }]
  })
  return {
    reached: sources.flatMap(({ input, content }) =>
      SourceLinks.reachedBy(SourceLink.outward(content.real, content.links)).map((each) => ({ ...each, input }))
    ),
    ignored: sources.flatMap(({ input, content }) => content.ignored.map((each) => ({ input, path: each })))
  }
}

/** Where a step finds each input, in the folder that it starts in; and those that are not there. */
const placesOf = (step: AnyStep, inputs: StepTask["inputs"]): Pick<StepTask, "places" | "absent"> => {
  const placeOf = (name: string): string => path.posix.join("inputs", name, step.inputs[name]?.artifact.path ?? "")
  return {
    places: Object.fromEntries(Object.keys(inputs).map((name) => [name, placeOf(name)])),
    absent: Object.keys(step.inputs).filter((name) => !(inputOf(name).input in inputs))
  }
}

/** What runs the script of a stage in Python; null of another stage. */
const pythonOf = (prepared: Prepared, stage: Stage.AnyCommand): CommandWork["python"] => {
  const { python } = stage
  const fingerprint = fingerprintOf(prepared, stage)
  if (python === undefined || !(fingerprint instanceof PythonFingerprint)) return null
  const { executable, folders, userBase } = fingerprint.interpreter
  const { script, path } = Python.scriptOf(python, prepared.root)
  return { interpreter: executable, script, path, files: fingerprint.loaded, folders, userBase }
}

const workOf = (prepared: Prepared, { step, ingredients }: Execution, layout: Layout): StepTask["work"] => {
  const { stage } = step
  const { params, toolchain } = ingredients
  if (stage._tag === "Command") {
    const { command, args, env } = params as unknown as Stage.CommandParams
    const output = Object.entries(stage.output as Stage.Artifacts).map(
      ([name, artifact]) => [name, { path: artifact.path, isMade: ArtifactIO.isMade(artifact) }] as const
    )
    const { shell, network, own } = stage
    return {
      type: "command",
      command: command ?? args ?? [],
      params: own === undefined ? null : CommandParams.ownOf(own, params),
      env,
      python: pythonOf(prepared, stage),
      shell,
      network,
      output: Object.fromEntries(output)
    }
  }
  const { name, source, spawns } = stage
  const { loaded: modules = [], packages = [] } = prepared.code.get(source) ?? {}
  const declared = linesOf(stage)
  return {
    type: "module",
    stage: name,
    source,
    modules,
    packages,
    declared,
    spawns,
    params,
    toolchain,
    toolchainsDir: layout.toolchains
  }
}

/** What the step is told that it has. */
type Grant = Pick<StepTask, "cores" | "gpus">

const prepareTask = Effect.fnUntraced(function* (
  running: Running,
  execution: Execution,
  workdir: string,
  { cores, gpus }: Grant
) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const { step } = execution
  const scratch = path.join(workdir, scratchFolder)
  // a command starts in a folder that holds its inputs and outputs; a module may write to the one and not to the other
  const at = step.stage._tag === "Command" ? scratch : workdir
  const { inputs, entries } = yield* Inputs.provide(running.prepared, running.results, step, path.join(at, "inputs"))
  const task: StepTask = {
    step: step.id,
    work: workOf(running.prepared, execution, layout),
    inputs,
    entries,
    ...placesOf(step, inputs),
    ...aboutSources(running, step),
    project: running.prepared.root,
    outputDir: path.join(at, "outputs"),
    passEnv: step.stage.passEnv,
    secrets: step.stage.secrets,
    log: layout.log(running.runId, step.id),
    workdir: scratch,
    checkpoint: checkpointOf(running.prepared, execution, layout),
    cores,
    gpus
  }
  // Node's permission to write to a folder needs the folder to exist when the process starts
  if (savesCheckpoints(step)) yield* makeCheckpoints(task.checkpoint)
  yield* disk.makeFolder(task.outputDir, stepUmask)
  yield* disk.makeFolder(task.workdir, stepUmask)
  return task
})

/** The first output in which two results of one key differ. */
const firstDifference = (before: StepResult, outputs: StepResult["outputs"]): string | undefined => {
  const names = Object.keys({ ...before.outputs, ...outputs })
  const name = names.find((each) => before.outputs[each]?.digest !== outputs[each]?.digest)
  return name === undefined ? undefined : `${name} (${(before.outputs[name] ?? outputs[name])?.path})`
}

/** The stored result, if the step gave the same outputs again. */
const verified = (step: string, before: StepResult, outputs: StepResult["outputs"]) => {
  const differs = firstDifference(before, outputs)
  if (differs === undefined) return Effect.succeed(before)
  const reason = `expected the same outputs from the same inputs, but its output ${differs} differs. The stage is not deterministic`
  return Effect.fail(new StepError({ step, fault: "stage", reason, log: null }))
}

const folderOf = ({ runId }: Running, layout: Layout, { id, branch }: AnyStep): string =>
  // the name of a branch may have slashes, or be long
  path.join(layout.work, `${ownPrefix}${runId}+${branch === undefined ? id : Digest.ofText(id)}`)

/** Says that the step begins, makes its folder until the scope closes, and gives how long it has worked already. */
const begin = Effect.fnUntraced(function* (running: Running, execution: Attempt, grant: Grant, startedMs: number) {
  const disk = yield* Disk
  const events = yield* RunEvents
  const { layout } = yield* Store
  const { step, key, reasons, failed } = execution
  // a forced step starts from the beginning, not from a checkpoint; but from that of an attempt before
  const isFresh = isAgain(execution) && failed.length === 0
  const checkpoint = checkpointOf(running.prepared, execution, layout)
  const earlierMs = isFresh ? undefined : yield* Resumed.earlierMs(checkpoint)
  const resumed = earlierMs === undefined ? {} : { resumedMs: earlierMs }
  if (failed.length === 0) events.publish({ type: "StepStarted", step: step.id, reasons, ...resumed })
  const workdir = folderOf(running, layout, step)
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Effect.ignore(disk.remove(workdir))
      yield* Effect.ignore(Resumed.end(checkpoint))
      yield* Effect.ignore(removeIfEmpty(layout.checkpoint(key)))
    })
  )
  yield* disk.makeFolder(workdir)
  // not the group's, as what lies around it may be
  yield* disk.setMode(workdir, 0o777 & ~stepUmask)
  yield* beat(workdir)
  const task = yield* prepareTask(running, execution, workdir, grant)
  if (isFresh) yield* disk.remove(checkpoint)
  if (savesCheckpoints(step)) yield* Resumed.begin(checkpoint, earlierMs ?? 0, startedMs)
  return { task, earlierMs: earlierMs ?? 0 }
})

/** Publishes what a step says while it goes on, without its secrets, and collects the notices. */
const teller = (events: RunEvents["Service"], step: string, secrets: StepTask["secrets"]) => {
  const notices: Array<string> = []
  const tell = (news: News): void => {
    if (news.type === "progress") {
      events.publish({ ...news, type: "StepProgress", step, label: Mask.inText(secrets, news.label) })
      return
    }
    notices.push(Mask.inText(secrets, news.text))
    events.publish(noticeOf(step, notices.at(-1)!))
  }
  return { tell, notices }
}

/** The real paths of a run's sources. */
const originsOf = ({ sources }: Prepared): ReadonlyArray<string> => Array.from(sources.values(), ({ path }) => path)

/** When and for how long the step was done, and where, if that was not here. */
const madeOf = ({ elsewhere }: Done, startedMs: number, earlierMs: number) => {
  const { startedMs: beganMs, durationMs, ...there } = elsewhere ?? { startedMs, durationMs: Date.now() - startedMs }
  const where = "host" in there ? { host: there.host, node: there.node } : {}
  return { startedAt: new Date(beganMs).toISOString(), durationMs: earlierMs + durationMs, ...where }
}

const work = Effect.fnUntraced(function* (
  running: Running,
  execution: Attempt,
  grant: Grant,
  release: Effect.Effect<void>
) {
  const disk = yield* Disk
  const executor = yield* Executor
  const events = yield* RunEvents
  const { layout, results } = yield* Store
  const { prepared } = running
  const { step, ingredients, key } = execution
  yield* Unchanged.checkSources(prepared, step, "since the run began")
  const startedMs = Date.now()
  const { task, earlierMs } = yield* begin(running, execution, grant, startedMs)
  const checkpoints = layout.checkpoint(key)
  const { tell, notices } = teller(events, step.id, task.secrets)
  const check = yield* Unchanged.checkBegin(prepared, step, task.checkpoint)
  const order = () => orderOf(prepared, step, { key, runtime: CacheKey.runtime, origins: originsOf(prepared) })
  const executing = executor.execute(task, tell, check, order)
  const executed = yield* Attempts.inTime(timeoutOf(execution.elsewhere, step), task, executing)
  // hashing and waiting for the disk is left: another step may use the cores
  yield* release
  yield* Unchanged.checkUnchanged(prepared, step, key, executed)
  const sealed = executed.sealed === true
  const origins = originsOf(prepared)
  const taking = Taken.outputsOf(task, step.stage.output, { sealed, origins }, (text) =>
    events.publish({ type: "Notice", text })
  )
  const outputs = executed.elsewhere?.outputs ?? (yield* taking)
  const made = { runId: running.runId, ...madeOf(executed, startedMs, earlierMs) }
  if (execution.verify !== undefined) {
    yield* disk.remove(checkpoints)
    return yield* verified(step.id, execution.verify, outputs)
  }
  const noticed = notices.length === 0 ? {} : { notices }
  const tried = execution.failed.length === 0 ? {} : { failedAttempts: execution.failed }
  const provenance = { ...(yield* running.provenance), ...made, cores: grant.cores, sealed, ...noticed, ...tried }
  const result: StepResult = { format: "Result/v1", key, step: step.id, ingredients, outputs, provenance }
  yield* results.write(result)
  yield* (yield* RemoteCache)?.push(result) ?? Effect.void
  yield* disk.remove(checkpoints)
  return result
})

/**
 * The lock of a key: who has it works, commits or downloads. Where steps are done elsewhere, or other machines have the store too,
 * a lease keeps those out.
 */
const holdKey = Effect.fnUntraced(function* ({ notices }: Running, { step, key }: Execution, elsewhere?: Elsewhere) {
  const events = yield* RunEvents
  const { layout } = yield* Store
  const tell = (owner: string): void =>
    notices(events, `${displayName(declaredId(step))} is running in ${owner}; waiting for its result`)
  yield* Lock.hold(`key ${layout.root} ${key}`, tell)
  if (elsewhere === undefined && !(yield* Shared.isShared(layout))) return
  const Lease = yield* Effect.promise(() => import("../../cache/store/lock/Lease.ts"))
  yield* Lease.hold(layout, key, tell)
})

/** The step's result out of the shared cache, if there is one; no core is held meanwhile. */
const pulled = Effect.fnUntraced(function* (running: Running, execution: Execution) {
  const remote = yield* RemoteCache
  if (remote === undefined || isAgain(execution)) return undefined
  const { step, key } = execution
  yield* holdKey(running, execution)
  const meanwhile = yield* StoredResult.find(step, key)
  if (typeof meanwhile !== "string") return { executed: false, result: meanwhile }
  const isTaken = yield* remote.pull(key, Pulling.progressOf(step.id, yield* RunEvents))
  const found = isTaken ? yield* StoredResult.find(step, key) : "absent"
  return typeof found === "string" ? undefined : ({ executed: false, result: found, pulled: true } satisfies Executed)
}, Effect.scoped)

/** Executes a step, or waits for another process that does; `executed` says which. */
export const execute = Effect.fn("StepRun.execute")(function* (running: Running, execution: Execution) {
  const events = yield* RunEvents
  const { prepared } = running
  const shared = yield* pulled(running, execution)
  if (shared !== undefined) return shared
  const elsewhere = (yield* Executor).elsewhere?.(execution.step.id)
  const need =
    elsewhere === undefined
      ? Budget.needOf(running.budget, prepared, execution.step)
      : Budget.needElsewhere(coresOf(elsewhere, prepared, execution.step))
  if (need.alone !== undefined) events.publish(noticeOf(execution.step.id, need.alone))
  const alone = Effect.fnUntraced(function* (failed: Attempt["failed"]) {
    // cores first, then the lock: the owner of a lock is working or committing, so two runs cannot wait for each other
    const { release, gpus } = yield* Budget.hold(running.budget, need, elsewhere?.slots)
    const because = running.stoppedBy()
    if (because !== undefined) return yield* new Stopped({ because })
    yield* holdKey(running, execution, elsewhere)
    const meanwhile = isAgain(execution) ? "absent" : yield* StoredResult.find(execution.step, execution.key)
    if (typeof meanwhile !== "string") return { executed: false, result: meanwhile }
    const grant = { cores: need.granted, gpus }
    return { executed: true, result: yield* work(running, { ...execution, failed, elsewhere }, grant, release) }
  })
  const isStopped = (): boolean => running.stoppedBy() !== undefined
  return yield* Attempts.tried(execution.step, isStopped, (failed) => Effect.scoped(alone(failed)))
})
