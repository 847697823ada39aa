/**
 * Worker: carries out a job on the machine that a scheduler has given it to, and writes what came of it.
 *
 * The work is done as on one machine, by the same executor, and its outputs are taken into the store here, so that nobody has to
 * read them over a network. Before that, the machine must be as the key says; the outcome is the last thing that is written.
 */
import { hostname } from "node:os"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Fault from "../../../cache/identity/Fault.ts"
import { Store } from "../../../cache/store/Store.ts"
import { beat } from "../../../cache/store/Sweep.ts"
import { Executor, StepError } from "../../executor/Executor.ts"
import * as Mask from "../../executor/log/Mask.ts"
import * as Job from "../../executor/remote/Job.ts"
import type { Order } from "../../executor/remote/Order.ts"
import * as Sandbox from "../../executor/Sandbox.ts"
import type { News, StepTask } from "../../executor/StepTask.ts"
import type { Pipeline } from "../../pipeline/Pipeline.ts"
import * as Attempts from "../step/Attempts.ts"
import { declaredOutputs } from "../step/Elsewhere.ts"
import * as Taken from "../step/Taken.ts"
import * as Differences from "./Differences.ts"

/** What a job was called with is none. */
export class NoJob extends Data.TaggedError("NoJob")<{ readonly folder: string; readonly token: string }> {
  readonly fault = "input"

  override get message(): string {
    const name = Job.files.submission(this.token)
    return `expected a job in ${this.folder}, but it holds no ${name} that can be read. \`op-pipe job\` is called by a cluster, with what \`op-pipe run --on\` wrote there`
  }
}

/** So seldom is it written what a step says, but for the first: each time a file is made, which others look for over a network. */
const everyMs = 2000
const firstMs = 100
/** Files with what it said earlier that stay: whoever reads one now comes to its end. */
const keptFiles = 3

/** Whether nobody waits for the job any more: its run took it for lost, or was ended. What is written now would stay for ever. */
const isGivenUp = (folder: string, token: string) =>
  Job.list(folder).pipe(
    Effect.map((names) => !names.includes(Job.files.submission(token))),
    Effect.orElseSucceed(() => false)
  )

/** Writes what a step says while it goes on. */
const sayer = Effect.fnUntraced(function* (folder: string, token: string) {
  const { layout } = yield* Store
  let said: Job.Said = { progress: null, notices: [] }
  let [isNew, count, nextMs] = [false, 0, 0]
  const write = Effect.gen(function* () {
    if (!isNew || (yield* isGivenUp(folder, token))) return
    isNew = false
    count++
    nextMs = performance.now() + everyMs
    yield* Job.write(layout, folder, Job.files.said(token, count), said)
    yield* Job.forget(folder, Job.files.said(token, count - keptFiles))
    // it saves nobody's work
  }).pipe(Effect.ignore)
  const hear = (news: News): void => {
    isNew = true
    said = news.type === "progress" ? { ...said, progress: news } : { ...said, notices: [...said.notices, news.text] }
  }
  const writeInTime = Effect.suspend(() => (performance.now() < nextMs ? Effect.void : write))
  const loop = Effect.forever(Effect.andThen(Effect.sleep(firstMs), writeInTime))
  return { hear, write, loop }
})

/** What a step says, without its secrets: it is written to a file. */
const masked = (secrets: StepTask["secrets"], news: News): News =>
  news.type === "progress"
    ? { ...news, label: Mask.inText(secrets, news.label) }
    : { ...news, text: Mask.inText(secrets, news.text) }

/** The task as it is done here. */
const onThisMachine = (task: StepTask, toolchainsDir: string): StepTask =>
  task.work.type === "module" ? { ...task, work: { ...task.work, toolchainsDir } } : task

const failed =
  ({ secrets }: StepTask) =>
  (error: { readonly message: string }): Job.Outcome => ({
    type: "failed",
    host: hostname(),
    fault: Fault.of(error),
    reason: Mask.inText(secrets, error instanceof StepError ? error.reason : error.message),
    isLogged: error instanceof StepError && error.log !== null
  })

/** The step that the pipeline declares. */
const declaredStep = Effect.fnUntraced(function* ({ steps }: Pipeline, { declared, outputs }: Order) {
  const step = steps.find(({ id }) => id === declared)
  const now = step === undefined ? {} : declaredOutputs(step.stage)
  const changed = Object.keys({ ...outputs, ...now }).find((name) => outputs[name] !== now[name])
  if (step !== undefined && changed === undefined) return step
  const actual = step === undefined ? "it does not place it" : `its output ${changed} is declared otherwise`
  const reason = `expected the pipeline as it was when the job was submitted, but now ${actual}. It was edited meanwhile: run again`
  return yield* new StepError({ step: declared, fault: "input", reason, log: null })
})

/** What is thrown is a fault of ours, and told as one. */
const asBug = (step: string, defect: unknown): StepError => {
  const reason = defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)
  return new StepError({ step, fault: "bug", reason, log: null })
}

const doTask = Effect.fnUntraced(function* (
  submission: Job.Submission,
  pipeline: Pipeline,
  hear: (news: News) => void
) {
  const executor = yield* Executor
  const { layout } = yield* Store
  const { order, sandbox } = submission
  const { stage } = yield* declaredStep(pipeline, order)
  const task = onThisMachine(submission.task, layout.toolchains)
  const startedMs = Date.now()
  const executing = Effect.andThen(beat(path.dirname(task.workdir)), executor.execute(task, hear))
  const working = Sandbox.inMode(sandbox)(Effect.scoped(executing))
  const executed = yield* Attempts.inTime(order.timeoutMs ?? undefined, task, working)
  const sealed = executed.sealed === true
  // who hears it says of which step it is
  const tell = (text: string): void => hear({ type: "notice", text: text.replace(`${task.step}: `, "") })
  const outputs = yield* Taken.outputsOf(task, stage.output, { sealed, origins: order.origins }, tell)
  const outcome: Job.Outcome = {
    type: "done",
    host: hostname(),
    node: process.versions.node,
    startedMs,
    durationMs: Date.now() - startedMs,
    loaded: executed.loaded ?? null,
    sealed,
    outputs
  }
  return outcome
})

/** Does the job `token` in `folder` for `pipeline`, whose folder is `root`, and writes its outcome there, which it gives back. */
export const work = Effect.fn("Worker.work")(function* (
  folder: string,
  token: string,
  { pipeline, root }: { readonly pipeline: Pipeline; readonly root: string }
) {
  const { layout } = yield* Store
  const read = yield* Job.readSubmission(path.join(folder, Job.files.submission(token)))
  if (Option.isNone(read)) return yield* new NoJob({ folder, token })
  const { task, order } = read.value
  const { hear: note, write, loop } = yield* sayer(folder, token)
  const hear = (news: News): void => note(masked(task.secrets, news))
  const deciding = Effect.gen(function* () {
    const notify = (text: string): void => hear({ type: "notice", text })
    const differences = yield* Differences.of(pipeline, root, task, order.machine, notify)
    const refused: Job.Outcome = { type: "refused", host: hostname(), differences }
    return differences.length > 0 ? refused : yield* doTask(read.value, pipeline, hear)
  }).pipe(Effect.catchDefect((defect) => Effect.fail(asBug(task.step, defect))))
  const said = yield* Effect.forkChild(loop)
  const outcome = Result.match(yield* Effect.result(deciding), { onSuccess: (each) => each, onFailure: failed(task) })
  said.interruptUnsafe()
  yield* write
  if (!(yield* isGivenUp(folder, token))) yield* Job.write(layout, folder, Job.files.outcome(token), outcome)
  return outcome
})
