/**
 * JobExecutor: steps as jobs of a cluster, on a store that all its machines share.
 *
 * A job is an order in the store (Job) and a command that carries it out (`op-pipe job`). Its folder and its name follow from the
 * key: if this process is killed, the job goes on, and the next run that wants the key waits for that one. What the machine
 * writes last is the outcome. It alone says how the step went; the engine is asked for what leaves none.
 */
import { hostname } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Digest from "../../../cache/identity/Digest.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import type { Layout } from "../../../cache/store/Layout.ts"
import { Store } from "../../../cache/store/Store.ts"
import { jobWork } from "../../../cache/store/Sweep.ts"
import { displayName } from "../../pipeline/Step.ts"
import { type Executed, Executor, StepError } from "../Executor.ts"
import * as ProcessExecutor from "../ProcessExecutor.ts"
import * as Sandbox from "../Sandbox.ts"
import type { News, StepTask } from "../StepTask.ts"
import type { Engine, Resources } from "./Engine.ts"
import * as Job from "./Job.ts"
import { environmentFor } from "./JobEnvironment.ts"
import type { Order } from "./Order.ts"
import * as States from "./slurm/States.ts"
import * as Waiting from "./Waiting.ts"
import * as Watch from "./Watch.ts"

/** What is configured for a step. */
export interface StepSettings extends Partial<Resources> {
  /** Whether it is done on this machine. */
  readonly local?: boolean
}

export interface Settings {
  readonly engine: Engine
  /** So many jobs at a time. */
  readonly jobs: number
  readonly of: (step: string) => StepSettings
  /** How op-pipe carries out a job: followed by the folder and the token. */
  readonly command: ReadonlyArray<string>
  /** The folder that it starts in. */
  readonly cwd: string
  /** Whether jobs go on when this process is ended. */
  readonly detach: boolean
  /** How long after its end a machine's files may still be unseen here. */
  readonly unseenMs: number
  readonly notify: (text: string) => void
}

/** The files that the task reads outside of the store and that are loaded at a time that nobody knows. */
const loadedLater = ({ work }: StepTask): ReadonlyArray<string> =>
  work.type === "command" && work.python !== null ? work.python.files : []

/**
 * What the task reads from outside of the store, as it looks now. The name of its checkpoint holds the stats of its sources: one
 * that was edited and set back meanwhile has others.
 */
const seenOf = Effect.fnUntraced(function* (task: StepTask, sandbox: Sandbox.Mode) {
  const disk = yield* Disk
  const stats = yield* disk.stats(loadedLater(task))
  return Digest.ofText(JSON.stringify([path.basename(task.checkpoint), stats, sandbox]))
})

/** The task with its folder in another place. */
const movedTo = (task: StepTask, folder: string): StepTask => {
  const before = path.dirname(task.workdir)
  const isIn = (value: string): boolean => value === before || value.startsWith(`${before}${path.sep}`)
  const moved = (_: string, value: unknown): unknown =>
    typeof value === "string" && isIn(value) ? `${folder}${value.slice(before.length)}` : value
  return JSON.parse(JSON.stringify(task), moved) as StepTask
}

/** What all steps of a run share. */
interface Site {
  readonly settings: Settings
  readonly layout: Layout
  readonly watch: Watch.Watch
}

const resourcesOf = ({ settings }: Site, task: StepTask, order: Order): Resources => {
  const { memoryBytes, timeMs, gpus } = settings.of(task.step)
  const ofTimeout = order.timeoutMs === null ? undefined : order.timeoutMs + Waiting.marginMs
  return {
    cores: task.cores,
    memoryBytes: memoryBytes ?? order.memoryBytes ?? undefined,
    timeMs: timeMs ?? ofTimeout,
    gpus: gpus ?? order.gpus ?? undefined
  }
}

/** Ends a submission, and removes what it left. */
const end = Effect.fnUntraced(function* (
  { settings, watch, layout }: Site,
  folder: string,
  token: string,
  id: string | undefined
) {
  if (id !== undefined) yield* Waiting.cancel(settings.engine, watch, { id, token })
  yield* Job.remove(layout, folder, token)
})

const recentMs = 2000

/** A submission of the key that an earlier run left and that this one may wait for. Ends those that it may not. */
const findEarlier = Effect.fnUntraced(function* (site: Site, folder: string, seen: string) {
  const names = yield* Job.list(folder)
  const tokens = names.flatMap((name) => Job.tokenOf(name) ?? [])
  if (tokens.length === 0) return undefined
  const works = new Set(yield* Job.list(site.layout.work))
  // of one question for all steps of the run; what it does not name may have been submitted since
  const recent = yield* site.watch.since(Date.now() - recentMs)
  let found: Waiting.Submitted | undefined
  for (const token of tokens) {
    const known = yield* Waiting.idOf(folder, token, recent)
    const isNamed = known !== undefined && recent?.jobs.has(known) === true
    const look = isNamed ? recent : yield* site.watch.since(Date.now())
    const id = yield* Waiting.idOf(folder, token, look)
    const submission = Option.getOrUndefined(yield* Job.readSubmission(path.join(folder, Job.files.submission(token))))
    const isHere = works.has(jobWork(token)) && submission?.seen === seen
    // while the engine does not answer, a job may go on
    const isKnown = look === undefined || States.mayGive(Watch.jobOf(look, { id, token }))
    // what failed then may be well now
    const outcome = names.includes(Job.files.outcome(token))
      ? yield* Job.readOutcome(path.join(folder, Job.files.outcome(token)))
      : Option.none()
    const isOver = Option.exists(outcome, ({ type }) => type === "done")
    const isAlive = id !== undefined && Option.isNone(outcome) && isKnown
    if (submission !== undefined && isHere && found === undefined && (isOver || isAlive))
      found = { folder, token, id, submission, isOurs: false }
    else yield* end(site, folder, token, id)
  }
  return found
})

interface Place {
  readonly folder: string
  readonly token: string
  readonly seen: string
}

/** Hands the task over to the engine. */
const submit = Effect.fnUntraced(function* (
  { settings, layout, watch }: Site,
  task: StepTask,
  order: Order,
  resources: Resources,
  { folder, token, seen }: Place
) {
  const disk = yield* Disk
  const { engine, command, cwd, notify } = settings
  const work = path.join(layout.work, jobWork(token))
  const submission: Job.Submission = {
    format: "Job/v1",
    token,
    task: movedTo(task, work),
    order,
    sandbox: yield* Sandbox.SandboxMode,
    seen,
    submittedBy: `${hostname()} ${process.pid}`,
    submittedMs: Date.now()
  }
  yield* disk.makeFolder(folder)
  // by the name of its own file a later run finds what a killed one leaves, so it is there first
  yield* Job.write(layout, folder, Job.files.submission(token), submission)
  yield* disk.rename(path.dirname(task.workdir), work)
  const request = {
    ...resources,
    name: Job.nameOf(layout, order.key),
    step: task.step,
    token,
    command: [...command, folder, token],
    cwd,
    env: environmentFor(engine, task),
    output: path.join(folder, Job.files.printed(token))
  }
  const note = (id: string) => Effect.as(Job.write(layout, folder, Job.files.id(token), id), id)
  const id = yield* Waiting.submitted(engine, request, notify, note)
  watch.changed()
  return { folder, token, id, submission, isOurs: true } satisfies Waiting.Submitted
})

type Check = (loaded: Executed["loaded"]) => Effect.Effect<void, StepError>

/** Has the task done by a job, or by the one that an earlier run submitted, and waits for its outcome. */
const doElsewhere = Effect.fnUntraced(function* (
  site: Site,
  task: StepTask,
  onNews: (news: News) => void,
  check: Check,
  order: Order
) {
  const { settings, layout, watch } = site
  const { detach, notify, unseenMs } = settings
  const disk = yield* Disk
  const folder = layout.job(order.key)
  const seen = yield* seenOf(task, yield* Sandbox.SandboxMode)
  const earlier = yield* findEarlier(site, folder, seen)
  if (earlier === undefined) yield* check(undefined)
  else notify(`${displayName(task.step)} goes on as job ${earlier.id ?? "?"}, which an earlier run submitted`)
  const token = earlier?.token ?? Job.newToken()
  const leave = Effect.gen(function* () {
    const id = yield* Waiting.idOf(folder, token, undefined)
    if (!detach || id === undefined) yield* end(site, folder, token, id)
    else notify(`${displayName(task.step)} goes on as job ${id}; the next run waits for it`)
  })
  const resources = resourcesOf(site, task, order)
  const waiting = Effect.gen(function* () {
    const job = earlier ?? (yield* submit(site, task, order, resources, { folder, token, seen }))
    return yield* Waiting.forOutcome({ task, job, resources, watch, notify, onNews, unseenMs })
  })
  const { loaded, sealed, ...there } = yield* waiting.pipe(
    Effect.onInterrupt(() => Effect.ignore(leave)),
    Effect.tapError(() => Effect.ignore(end(site, folder, token, undefined)))
  )
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.provideService(Job.remove(layout, folder, token), Disk, disk)))
  return { loaded: loaded ?? undefined, sealed, elsewhere: there } satisfies Executed
})

const asStepError =
  (task: StepTask) =>
  (error: { readonly message: string }): StepError =>
    error instanceof StepError
      ? error
      : new StepError({ step: task.step, fault: "stage", reason: error.message, log: null })

const make = Effect.fnUntraced(function* (settings: Settings) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const local = yield* Executor
  const slots = yield* Semaphore.make(settings.jobs)
  const site: Site = { settings, layout, watch: yield* Watch.make(settings.engine, settings.notify) }
  return Executor.of({
    elsewhere: (step) => {
      const { local = false, cores } = settings.of(step)
      return local ? undefined : { cores, slots }
    },
    execute: (task, onNews, check = () => Effect.void, order) =>
      order === undefined || settings.of(task.step).local === true
        ? local.execute(task, onNews, check)
        : doElsewhere(site, task, onNews, check, order()).pipe(
            Effect.provideService(Disk, disk),
            Effect.mapError(asStepError(task))
          )
  })
})

/** Has steps done as jobs; those that are configured as local, here. */
export const layer = (settings: Settings): Layer.Layer<Executor, never, Disk | Store> =>
  Layer.effect(Executor, make(settings)).pipe(Layer.provide(ProcessExecutor.layer))
