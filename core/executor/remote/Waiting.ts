/** Waiting: from a submitted job to its outcome, or to what is known of a job that leaves none. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk } from "../../../cache/store/Disk.ts"
import { StepError } from "../Executor.ts"
import * as Log from "../log/Log.ts"
import type { News, StepTask } from "../StepTask.ts"
import { type Engine, EngineError, type Request, type Resources, type Seen } from "./Engine.ts"
import * as Job from "./Job.ts"
import { refusal } from "./Refusal.ts"
import * as States from "./slurm/States.ts"
import { jobOf, type Look, type Watch } from "./Watch.ts"

/** What a job is given over its step's timeout: the machine ends the step, and tells that. */
export const marginMs = 120_000

const shortestPauseMs = 100
const longestPauseMs = 2000
/** A job is looked for often at first, and seldom when it takes long: an outcome is seen this part of its time late, at most. */
const latePart = 1 / 20
/** For how long a job may wait for what may never come before that is told. */
const stuckMs = 60_000
/** How long it is waited for the end of a cancelled job. */
const goneMs = 15_000

export interface Submitted {
  readonly folder: string
  readonly token: string
  /** Unknown where the process that submitted it was killed in that very moment. */
  readonly id: string | undefined
  readonly submission: Job.Submission
  readonly isOurs: boolean
}

/** What the engine calls the job of a submission: as noted, else as the engine tells by its token. */
export const idOf = Effect.fnUntraced(function* (folder: string, token: string, look: Look | undefined) {
  const disk = yield* Disk
  const names = yield* Job.list(folder)
  const name = Job.files.id(token)
  if (names.includes(name)) return (yield* disk.readText(path.join(folder, name))).trim()
  return Array.from(look?.jobs.values() ?? []).find((seen) => seen.token === token)?.id
})

/** What to do about a refusal in words that are not known here. */
const change = "Change what it asks for in op-pipe.json, or in its stage or step"

const retryMs = [1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000]

/**
 * Submits a job; while the engine does not answer, again and again. Fails where it refuses. Nothing interrupts it between the
 * engine's answer and `note`.
 */
export const submitted = <E, R>(
  engine: Engine,
  request: Request,
  notify: (text: string) => void,
  note: (id: string) => Effect.Effect<string, E, R>
) => {
  const submit = Effect.uninterruptible(Effect.flatMap(engine.submit(request), note))
  const attempt = (number: number): Effect.Effect<string, E | StepError, R> =>
    Effect.catch(submit, (error) => {
      if (!(error instanceof EngineError)) return Effect.fail(error)
      const { isRefusal, message } = error
      const waitMs = retryMs[number]
      if (isRefusal || waitMs === undefined) {
        const { reason, toDo = isRefusal ? change : "Run again later" } = error
        const did = isRefusal ? "it refused" : "it has not yet"
        const why = `expected the cluster to take its job, but ${did}: ${reason}. ${toDo}`
        const fault = isRefusal ? "input" : "stage"
        return Effect.fail(new StepError({ step: request.step, fault, reason: why, log: null }))
      }
      if (number === 3) notify(`${request.step}: its job cannot be submitted yet (${message}); trying again`)
      return Effect.andThen(Effect.sleep(waitMs), attempt(number + 1))
    })
  return attempt(0)
}

/** Ends a job, and waits until the engine says that it has ended. */
export const cancel = Effect.fnUntraced(function* (
  engine: Engine,
  watch: Watch,
  job: { readonly id: string; readonly token: string }
) {
  const startedMs = Date.now()
  while (Date.now() - startedMs < goneMs) {
    const look = yield* watch.since(Date.now())
    const seen = jobOf(look, job)
    if (look !== undefined && (seen === undefined || States.isEnded(seen))) return
    yield* Effect.ignore(engine.cancel(job.id))
    yield* Effect.sleep(200)
  }
})

/** Lets the log of this run be that of the run that submitted the job. */
const shareLog = Effect.fnUntraced(function* (task: StepTask, { submission, isOurs }: Submitted) {
  const disk = yield* Disk
  if (isOurs || submission.task.log === task.log) return
  yield* Effect.ignore(disk.makeFolder(path.dirname(task.log)))
  yield* Effect.ignore(disk.link(submission.task.log, task.log))
})

export interface Wait {
  readonly task: StepTask
  readonly job: Submitted
  readonly resources: Resources
  readonly watch: Watch
  readonly notify: (text: string) => void
  readonly onNews: (news: News) => void
  readonly unseenMs: number
}

/** Tells what the job has said since the last time. */
const listener = ({ job, onNews }: Wait) => {
  let heard = ""
  let noticed = 0
  return Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const latest = Job.latestSaid(names, job.token)
    if (latest === undefined || latest === heard) return
    const said = yield* Job.readSaid(path.join(job.folder, latest))
    if (Option.isNone(said)) return
    heard = latest
    const { progress, notices } = said.value
    for (const text of notices.slice(noticed)) onNews({ type: "notice", text })
    noticed = notices.length
    if (progress !== null) onNews(progress)
  })
}

/** When a job was first seen in its end, and whether it waits for what may never come. */
const observer = ({ job, task, watch, notify }: Wait) => {
  const beganMs = Date.now()
  let endedMs: number | undefined
  let stuckSinceMs: number | undefined
  let isTold = false
  const noteStuck = (seen: Seen | undefined): void => {
    const reason = seen === undefined ? undefined : States.stuckBy(seen)
    if (reason === undefined) {
      stuckSinceMs = undefined
      return
    }
    stuckSinceMs ??= Date.now()
    if (isTold || Date.now() - stuckSinceMs < stuckMs) return
    isTold = true
    notify(
      `${task.step}: its job ${job.id} waits, since the cluster says ${reason}. If that does not pass, change what it asks for in op-pipe.json, and cancel it (\`op-pipe jobs cancel ${task.step}\`)`
    )
  }
  return Effect.map(watch.current, (look) => {
    const isLate = look !== undefined && look.atMs > beganMs + 1000
    const seen = jobOf(look, job)
    noteStuck(seen)
    const isOver = seen === undefined ? isLate : States.isEnded(seen)
    endedMs = isOver ? (endedMs ?? Date.now()) : undefined
    return { seen, endedMs }
  })
}

const fromOutcome = ({ task }: Wait, outcome: Job.Outcome) => {
  const { step, log } = task
  if (outcome.type === "done") return Effect.succeed(outcome)
  if (outcome.type === "refused") return Effect.fail(refusal(step, outcome))
  const { fault, reason, isLogged } = outcome
  return Effect.fail(new StepError({ step, fault, reason, log: isLogged ? log : null }))
}

const fromEnd = ({ task, job, resources }: Wait, seen: Seen | undefined): StepError => {
  const printed = { file: path.join(job.folder, Job.files.printed(job.token)) }
  const words = [printed, { file: task.log }].map((each) => Log.lastWords(each).replace(/^\. Its last words:\n/u, ""))
  const { isLost, reason } = States.ofEnded(seen, resources, task.step, words.filter((each) => each !== "").join("\n"))
  return new StepError({ step: task.step, fault: "stage", reason, log: Log.printed({ file: task.log }), lost: isLost })
}

const takenByAnother = ({ step }: StepTask): StepError =>
  new StepError({ step, fault: "stage", reason: "another run has taken the outcome of its job", log: null, lost: true })

/** Waits for the outcome of a job. Its folder is listed, and no file is looked for that is not in the list. */
export const forOutcome = Effect.fnUntraced(function* (wait: Wait) {
  const { job, task, unseenMs } = wait
  const [listen, observe] = [listener(wait), observer(wait)]
  yield* shareLog(task, job)
  const beganMs = performance.now()
  for (;;) {
    const names = yield* Job.list(job.folder)
    yield* listen(names)
    if (names.includes(Job.files.outcome(job.token))) {
      const outcome = yield* Job.readOutcome(path.join(job.folder, Job.files.outcome(job.token)))
      yield* shareLog(task, job)
      if (Option.isSome(outcome)) return yield* fromOutcome(wait, outcome.value)
    }
    // another run has waited for it, too, and has its result by now: the next attempt finds that
    if (!names.includes(Job.files.submission(job.token))) return yield* takenByAnother(task)
    const { seen, endedMs } = yield* observe
    if (endedMs !== undefined && Date.now() - endedMs >= unseenMs) return yield* fromEnd(wait, seen)
    const pauseMs = Math.min(longestPauseMs, (performance.now() - beganMs) * latePart)
    yield* Effect.sleep(endedMs === undefined ? Math.max(shortestPauseMs, pauseMs) : shortestPauseMs)
  }
})
