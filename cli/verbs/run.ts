/** `op-pipe run`: bring the pipeline, or a part of it, up to date. */
import * as path from "node:path"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Fault from "../../cache/identity/Fault.ts"
import { Rehash } from "../../cache/store/StatMemo.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import { type AnyStep, displayName } from "../../core/pipeline/Step.ts"
import * as Freshness from "../../core/plan/Freshness.ts"
import type { Prepared } from "../../core/plan/Prepared.ts"
import { withRemote } from "../../core/run/project/Remote.ts"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import { RunEvents } from "../../core/run/RunEvents.ts"
import * as Runner from "../../core/run/Runner.ts"
import { wanted } from "../../core/run/Wanted.ts"
import { RunFailed, UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as Logs from "../Logs.ts"
import * as On from "../on/On.ts"
import * as Project from "../Project.ts"
import * as Reporter from "../Reporter.ts"
import * as Config from "../remote/Config.ts"
import * as Session from "../Session.ts"
import * as Signals from "../Signals.ts"

const idsOf = (steps: ReadonlyArray<AnyStep>): string => steps.map((step) => displayName(step.id)).join(", ")

const flagsOf = (additions: Pick<Project.Additions, "flags">) => ({
  ...Flags.project,
  ...Flags.settings(additions),
  only: Flags.only,
  from: Flags.from,
  until: Flags.until,
  force: Flags.force,
  keepGoing: Flags.toggle("keep-going", "After a failure, go on with what does not depend on it"),
  verify: Flags.toggle("verify", "Make results that are there again, and compare: is each stage deterministic?"),
  dryRun: Flags.toggle("dry-run", "Tell what would run, and why; run nothing"),
  watch: Flags.toggle("watch", "Run again whenever sources or code change, until Ctrl-C"),
  rehash: Flags.rehash,
  sandbox: Flags.sandbox,
  ...Config.flags,
  ...On.flags,
  verbose: Flags.toggle("verbose", "Show what steps print, while they print it"),
  quiet: Flags.toggle("quiet", "Print nothing but what went wrong"),
  json: Flags.json
})
type RunFlags = Command.Command.Config.Infer<ReturnType<typeof flagsOf>>

/** Runs again and again, each time in a process of its own. */
const watched = ({ file, quiet }: RunFlags) =>
  Effect.gen(function* () {
    const root = path.dirname(yield* Project.locate(file))
    const { watch } = yield* Effect.promise(() => import("../watch/Watch.ts"))
    const args = process.argv.slice(2).filter((each) => !/^--watch(=|$)/u.test(each))
    return yield* watch({ root, args, quiet })
  })

/** Tells a process that watches this run what it is made from. */
const tellWatcher = (prepared: Prepared, project: Project.Project) =>
  process.env["OP_PIPE_WATCHED"] === undefined
    ? Effect.void
    : Effect.flatMap(
        Effect.promise(() => import("../watch/Places.ts")),
        ({ tell }) => tell(prepared, project)
      )

const bringUpToDate = Effect.fnUntraced(function* (
  prepared: Prepared,
  project: Project.Project,
  flags: RunFlags,
  reporter: Reporter.Reporter
) {
  const notify = (text: string): void => reporter({ type: "Notice", text })
  const { asked, needed, steps, branches, forced } = yield* wanted(prepared.pipeline, flags)
  if (flags.dryRun) {
    for (const assessment of yield* Freshness.assess(prepared, steps, { forced, wanted: branches }))
      reporter(Reporter.planned(assessment))
    return
  }
  if (needed.length > 0) {
    const what = asked.length === 1 ? "what it needs" : "what they need"
    notify(`${idsOf(asked)} and ${what}: ${idsOf(needed)}`)
  }
  const { keepGoing, verify } = flags
  // that it has finished is the last thing it says
  const tell = (event: RunEvent): void => (event.type === "RunFinished" ? undefined : reporter(event))
  const { layout } = yield* Store
  const events = RunEvents.to(flags.verbose ? Logs.verbose(layout, tell) : tell)
  const { outputsDir } = project
  const options = {
    steps,
    branches,
    forced,
    keepGoing,
    verify,
    outputsDir,
    asked: yield* Session.askedOf(project, flags)
  }
  const running = Effect.provide(Runner.run(prepared, options), events)
  const remote = yield* Config.settings(project.root, flags)
  const summary = yield* Signals.atWork(withRemote(remote, notify)(running))
  if (summary.finished.executed.length > 0) {
    yield* Session.keepBounded(notify)
    const { available, detail, howToGet } = Sandbox.availability()
    // what a cluster's machines have is not known here
    const isHere = flags.on === undefined || flags.on === "local"
    if (flags.sandbox === "auto" && !available && isHere)
      notify(`made without a sandbox, since ${detail}. ${howToGet}`.trim())
  }
  if (steps.length === prepared.pipeline.steps.length) yield* Session.tellLeftovers(prepared, project, notify)
  if (summary.finished.cached.length < steps.length) yield* Effect.sync(() => Logs.prune(layout))
  reporter(summary.finished)
  if (summary.failures.length === 0) return
  return yield* new RunFailed({
    fault: Fault.worst(summary.failures.map((each) => each.fault)),
    message: "steps failed"
  })
})

export const run = (additions: Pick<Project.Additions, "flags">) =>
  Command.make(
    "run",
    flagsOf(additions),
    Effect.fn("cli.run")(function* (flags) {
      const [one, other] = ["json", "quiet", "verbose"].filter((name) => flags[name as "json" | "quiet" | "verbose"])
      if (flags.quiet && other !== undefined)
        return yield* new UsageError({ message: `--${one} and --${other}: expected one of these, but found both` })
      if (flags.watch) return yield* watched(flags)
      const reporter = flags.json
        ? Reporter.json
        : flags.quiet
          ? Reporter.quiet()
          : Reporter.terminal({ eachBranch: flags.verbose })
      const notify = (text: string): void => reporter({ type: "Notice", text })
      const { executor, cores } = yield* On.executorOf(flags, notify)
      const use = (prepared: Prepared, project: Project.Project) =>
        Effect.andThen(tellWatcher(prepared, project), bringUpToDate(prepared, project, flags, reporter)).pipe(
          Effect.provide(executor(project)),
          Sandbox.inMode(flags.sandbox)
        )
      const purpose = { mayMake: true, selection: flags, keepGoing: flags.keepGoing || flags.dryRun }
      yield* Session.withPrepared({ ...flags, cores }, notify, use, purpose).pipe(
        Effect.provideService(Rehash, flags.rehash)
      )
    })
  ).pipe(
    Command.withDescription(
      "Bring the pipeline up to date: execute what changed and what depends on it, and nothing else"
    ),
    Command.withExamples([
      { command: "op-pipe run", description: "All steps, with the pipeline's default profile" },
      {
        command: "op-pipe run --data my-data --set count.minimum=3",
        description: "Data of your own, one parameter changed"
      },
      { command: "op-pipe run --only count", description: "One step, and the steps that it needs" },
      { command: "op-pipe run --seeds 3", description: "Steps that depend on chance, from three seeds" }
    ])
  )
