/** `op-pipe jobs`, `op-pipe jobs cancel STEP`: the steps that a cluster does. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Store } from "../../../cache/store/Store.ts"
import * as Listing from "../../../core/executor/remote/Listing.ts"
import * as Slurm from "../../../core/executor/remote/slurm/Slurm.ts"
import * as Waiting from "../../../core/executor/remote/Waiting.ts"
import * as Watch from "../../../core/executor/remote/Watch.ts"
import { displayName } from "../../../core/pipeline/Step.ts"
import { unknownName } from "../../../core/plan/SettingsError.ts"
import { paint, printError, printLine } from "../../Console.ts"
import { RunFailed, UsageError } from "../../Failure.ts"
import * as Flags from "../../Flags.ts"
import { printJson } from "../../json/Shapes.ts"
import * as Clusters from "../../on/Clusters.ts"
import type * as Project from "../../Project.ts"
import * as Session from "../../Session.ts"

const shared = { ...Flags.project, json: Flags.json }

const slurm = Slurm.make({
  ...{ partition: undefined, account: undefined, qos: undefined, constraint: undefined },
  extra: []
})

/** What the cluster says of this user's jobs; nothing where it cannot be asked, which is told. */
const seen = Effect.gen(function* () {
  if (Clusters.missingPrograms().length > 0) return []
  const answer = yield* Effect.result(slurm.look)
  if (answer._tag === "Success") return answer.success
  yield* printError(`the cluster does not answer, so states are those of before: ${answer.failure.message}`)
  return []
})

const rows = Effect.gen(function* () {
  const { layout } = yield* Store
  return yield* Listing.all(layout, yield* seen)
})

const agoOf = (iso: string): string => {
  const minutes = Math.round((Date.now() - Date.parse(iso)) / 60_000)
  if (minutes < 60) return `${minutes} min ago`
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h ago` : `${Math.round(minutes / 1440)} days ago`
}

const colourOf = (state: string): "green" | "red" | "yellow" =>
  state === "DONE" || state === "RUNNING" ? "green" : state === "PENDING" ? "yellow" : "red"

const lineOf = ({ step, id, state, reason, host, submittedAt }: Listing.Row): string => {
  const why = reason === "" ? "" : ` (${reason})`
  const on = host === "" ? "" : ` on ${host}`
  const job = id === null ? "never submitted" : `job ${id}`
  return `${paint("bold", displayName(step))}  ${paint(colourOf(state), state)}${why}${on}, ${job}, ${agoOf(submittedAt)}`
}

const list = Effect.fn("cli.jobs")(function* (flags: Project.ProjectFlags & { readonly json: boolean }) {
  const jobs = yield* Session.withStore(flags, () => rows)
  if (flags.json) return yield* printJson("jobs", { jobs })
  if (jobs.length === 0) return yield* printLine("No step of this pipeline is done by a cluster now.")
  for (const job of jobs) yield* printLine(lineOf(job))
})

/** Cancels the jobs of `rows` and waits for their ends. Their files stay: a run that waits for one is told by them. */
const end = Effect.fnUntraced(function* (rows: ReadonlyArray<Listing.Row>) {
  const watch = yield* Watch.make(slurm, () => undefined)
  const cancel = ({ id, token }: Listing.Row) => Waiting.cancel(slurm, watch, { id: id ?? "", token })
  yield* Effect.forEach(rows, cancel, { concurrency: 16, discard: true })
})

const cancel = Command.make(
  "cancel",
  { ...shared, step: Argument.String("step").pipe(Argument.withDescription("The step whose jobs are to be ended")) },
  Effect.fn("cli.jobs.cancel")(function* (flags) {
    const missing = Clusters.missingPrograms()
    if (missing.length > 0) {
      const message = `expected Slurm's programs on PATH, but found no ${missing.join(", ")}. Cancel jobs where they were submitted`
      return yield* new UsageError({ message })
    }
    const { cancelled, going } = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        const all = yield* rows
        const names = all.map(({ step }) => step)
        const asked = all.filter(({ step }) => [step, displayName(step)].includes(flags.step))
        if (asked.length === 0)
          return yield* unknownName(`jobs cancel ${flags.step}`, "steps with jobs", names, flags.step)
        yield* Effect.scoped(end(asked.filter(({ id }) => id !== null)))
        const after = yield* rows
        const isGoing = ({ id }: Listing.Row): boolean =>
          after.some((each) => each.id === id && ["PENDING", "RUNNING", "COMPLETING"].includes(each.state))
        return { cancelled: asked.filter((each) => !isGoing(each)), going: asked.filter(isGoing) }
      })
    )
    if (flags.json) yield* printJson("jobs-cancel", { cancelled })
    else for (const { step, id } of cancelled) yield* printLine(`${displayName(step)}: job ${id ?? "(none)"} has ended`)
    if (going.length === 0) return
    const message = `expected the cluster to end ${going.map(({ id }) => `job ${id}`).join(", ")}, but it has not yet. Look again in a while: op-pipe jobs`
    yield* printError(message)
    return yield* new RunFailed({ fault: "stage", message })
  })
).pipe(Command.withDescription("End the jobs of a step; a run that waits for one is told"))

export const jobs = Command.make("jobs", shared, list).pipe(
  Command.withDescription("The steps that a cluster does: list them, end those of a step"),
  Command.withSubcommands([cancel])
)
