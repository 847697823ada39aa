/** `op-pipe sweep`: the pipeline with many settings, and a table of what came out. */
import { readFileSync } from "node:fs"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Fault from "../../../cache/identity/Fault.ts"
import { reasonOf } from "../../../cache/store/Disk.ts"
import * as Sandbox from "../../../core/executor/Sandbox.ts"
import * as Freshness from "../../../core/plan/Freshness.ts"
import { withRemote } from "../../../core/run/project/Remote.ts"
import type { RunEvent } from "../../../core/run/RunEvent.ts"
import * as RunLog from "../../../core/run/RunLog.ts"
import * as Space from "../../../core/run/sweep/Space.ts"
import * as Sweep from "../../../core/run/sweep/Sweep.ts"
import { wanted } from "../../../core/run/Wanted.ts"
import { printError, printLine, shellWord } from "../../Console.ts"
import * as Rows from "../../compare/Rows.ts"
import * as Table from "../../compare/Table.ts"
import { RunFailed, UsageError } from "../../Failure.ts"
import * as Flags from "../../Flags.ts"
import { printJson } from "../../json/Shapes.ts"
import * as On from "../../on/On.ts"
import type { Additions, Project } from "../../Project.ts"
import * as Reporter from "../../Reporter.ts"
import * as Config from "../../remote/Config.ts"
import * as Session from "../../Session.ts"
import * as Signals from "../../Signals.ts"
import { checkNames, choosing, noMetrics, print, tableOf } from "./table.ts"

const flagsOf = (additions: Pick<Additions, "flags">) => ({
  ...Flags.project,
  ...Flags.settings(additions),
  set: Flag.String("set").pipe(
    Flag.withMetavar("STEP.PARAM=VALUES"),
    Flag.withDescription(
      "Values of a parameter with commas between, or with --random ranges (0.1..0.5); may be repeated"
    ),
    Flag.atLeast(0)
  ),
  random: Flag.Int("random").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("Draw N settings instead of every combination; --seed decides which"),
    Flag.optional
  ),
  from: Flag.String("from").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("A file of settings: CSV with names in its first row, or a JSON list of records"),
    Flag.optional
  ),
  only: Flags.only,
  force: Flags.force,
  keepGoing: Flags.toggle(
    "keep-going",
    "After a failure, go on with what does not depend on it in the same setting, too"
  ),
  dryRun: Flags.toggle("dry-run", "List the settings and what each would execute; run nothing"),
  ...choosing,
  sandbox: Flags.sandbox,
  ...Config.flags,
  ...On.flags,
  quiet: Flags.toggle("quiet", "Print nothing but what went wrong, and the table"),
  json: Flags.json
})
type SweepFlags = Command.Command.Config.Infer<ReturnType<typeof flagsOf>>

const textOf = (file: string) =>
  Effect.try({
    try: () => ({ name: file, text: readFileSync(file, "utf8") }),
    catch: (cause) =>
      new UsageError({ message: `--from ${file}: expected a file of settings, but: ${reasonOf(cause)}` })
  })

/** The settings that are asked for. */
const settingsOf = (flags: SweepFlags) =>
  Effect.fnUntraced(function* ({ pipeline }: Project) {
    const random = Option.getOrUndefined(flags.random)
    if (random !== undefined && random < 1)
      return yield* new UsageError({ message: `--random ${random}: expected a whole number from 1 on` })
    const from = Option.isNone(flags.from) ? undefined : yield* textOf(flags.from.value)
    if (flags.set.length === 0 && from === undefined) {
      const message = "sweep: expected settings to try, but found neither --set STEP.PARAM=VALUES nor --from FILE"
      return yield* new UsageError({ message })
    }
    return yield* Space.settingsOf(pipeline, { set: flags.set, random, seed: flags.seed ?? pipeline.seed, from })
  })

/** Tells an event of the run of one setting as one of the sweep; people need not hear all of them. */
const publisher =
  (reporter: Reporter.Reporter, runIdOf: Map<number, string>) =>
  (number: number, event: RunEvent): void => {
    if (event.type === "RunStarted") runIdOf.set(number, event.runId)
    if (event.type === "RunStarted" || event.type === "RunFinished" || event.type === "StepCached") return
    reporter(event.type === "Notice" ? event : named(event, number, runIdOf.get(number)))
  }

type StepEvent = Exclude<RunEvent, { readonly type: "Notice" | "RunStarted" | "RunFinished" }>

/** The event with the number of its setting before the step's name. */
const named = (event: StepEvent, number: number, runId: string | undefined): StepEvent => {
  const step = `${number}: ${event.step}`
  if (event.type !== "StepFailed" || event.log === null) return { ...event, step }
  const where = `All that it printed: op-pipe logs ${shellWord(event.step)} --run ${runId}`
  return { ...event, step, reason: `${event.reason}\n${where}`, log: null }
}

interface Outlet {
  readonly report: Reporter.Reporter
  readonly publish: (number: number, event: RunEvent) => void
}

const outletOf = ({ json, quiet }: SweepFlags): Outlet => {
  const report = json ? Reporter.json : quiet ? Reporter.quiet() : Reporter.terminal()
  const asJson = (number: number, event: RunEvent): void =>
    Effect.runSync(printJson("sweep", { type: "SettingEvent", number, event }))
  return { report, publish: json ? asJson : publisher(report, new Map()) }
}

/** What each setting would execute. */
const plan = Effect.fnUntraced(function* (trials: ReadonlyArray<Sweep.Trial>, report: Reporter.Reporter) {
  for (const [at, { prepared, steps, forced, branches, asked }] of trials.entries()) {
    const found = yield* Freshness.assess(prepared, steps, { forced, wanted: branches })
    const idsOf = (isFresh: boolean): ReadonlyArray<string> =>
      found.filter(({ state }) => (state === "fresh") === isFresh).map(({ step }) => step.id)
    report({ type: "SettingPlanned", number: at + 1, set: asked.set, stale: idsOf(false), fresh: idsOf(true) })
  }
})

/** The table of the sweep, at its end. */
const tell = Effect.fnUntraced(function* (id: string, { pipeline }: Project, flags: SweepFlags) {
  const rows = yield* Rows.of(pipeline, yield* RunLog.findAll([id]))
  const asked = yield* Effect.result(tableOf(rows, flags))
  // what was run is shown also where a column that was asked for is none
  const table = Result.getOrElse(asked, () => Table.of(rows))
  yield* show(id, table, pipeline, flags)
  if (Result.isFailure(asked)) return yield* asked.failure
})

const show = Effect.fnUntraced(function* (
  id: string,
  table: Table.Table,
  pipeline: Project["pipeline"],
  flags: SweepFlags
) {
  if (flags.json) return yield* printJson("sweep", { type: "SweepFinished", id, table: Table.toJson(table) })
  if (!flags.quiet) yield* printLine("")
  yield* print(table, "text")
  if (pipeline.metrics.length === 0) yield* printError(noMetrics)
  if (flags.quiet) return
  yield* printLine("")
  for (const line of [
    `This was ${id}; outputs/ is as it was.`,
    "`op-pipe restore sweep/N` puts the outputs of setting N there,",
    "`op-pipe table --runs sweep` prints this table again."
  ])
    yield* printLine(line)
})

const bringUpToDate = Effect.fnUntraced(function* (
  plans: ReadonlyArray<Session.Planned>,
  project: Project,
  flags: SweepFlags,
  jobs: number | undefined
) {
  const { report, publish } = outletOf(flags)
  const { data } = yield* Session.askedOf(project, flags)
  const trials = yield* Effect.forEach(plans, ({ prepared, set }) =>
    Effect.map(
      wanted(prepared.pipeline, { only: flags.only, from: [], until: [], force: flags.force }),
      ({ steps, forced, branches }): Sweep.Trial => ({ prepared, steps, forced, branches, asked: { set, data } })
    )
  )
  const [first] = trials
  if (first !== undefined) yield* checkNames(first.prepared, flags)
  report({ type: "SweepStarted", settings: trials.map(({ asked }) => asked.set) })
  if (flags.dryRun) return yield* plan(trials, report)
  const finish = (number: number, event: RunEvent): void => {
    publish(number, event)
    if (event.type !== "RunFinished") return
    const { type: _type, report: _report, ...finished } = event
    report({ type: "SettingFinished", number, of: trials.length, set: trials[number - 1]!.asked.set, ...finished })
  }
  const options = { cores: project.cores, atOnce: jobs ?? project.cores, keepGoing: flags.keepGoing, publish: finish }
  const notify = (text: string): void => report({ type: "Notice", text })
  const remote = yield* Config.settings(project.root, flags)
  const { id, summaries } = yield* Signals.atWork(withRemote(remote, notify)(Sweep.run(trials, options)))
  yield* Session.keepBounded(notify)
  yield* tell(id, project, flags)
  const failures = summaries.flatMap((summary) => summary.failures)
  if (failures.length === 0) return
  const failed = summaries.filter((summary) => summary.failures.length > 0).length
  if (!flags.json) yield* printError(`op-pipe: ${failed} of ${trials.length} settings failed`)
  return yield* new RunFailed({ fault: Fault.worst(failures.map((each) => each.fault)), message: "settings failed" })
})

export const sweep = (additions: Pick<Additions, "flags">) =>
  Command.make(
    "sweep",
    flagsOf(additions),
    Effect.fn("cli.sweep")(function* (flags) {
      const notify = (line: string): void => Effect.runSync(printError(line))
      const { executor, cores, jobs } = yield* On.executorOf(flags, notify)
      const use = (plans: ReadonlyArray<Session.Planned>, project: Project) =>
        bringUpToDate(plans, project, flags, jobs).pipe(Effect.provide(executor(project)))
      const purpose = { mayMake: !flags.dryRun, selection: { only: flags.only, from: [], until: [] } }
      yield* Session.withEachPrepared({ ...flags, cores }, notify, settingsOf(flags), use, purpose).pipe(
        Sandbox.inMode(flags.sandbox)
      )
    })
  ).pipe(
    Command.withDescription(
      "Run the pipeline with many settings, side by side; what is there already is not made again. Prints a table"
    ),
    Command.withExamples([
      {
        command: "op-pipe sweep --set train.rate=0.001,0.01 --set train.dropout=0.2,0.4",
        description: "Every combination: four settings"
      },
      {
        command: "op-pipe sweep --random 20 --set train.rate=0.0001..0.1:log",
        description: "Twenty settings, drawn from a range"
      },
      { command: "op-pipe sweep --from settings.csv --sort accuracy", description: "The settings of a file" }
    ])
  )
