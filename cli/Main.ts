/** Main: the command `op-pipe`. */
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Verb } from "../core/pipeline/Pipeline.ts"
import { nearest } from "../core/plan/SettingsError.ts"
import { version } from "../core/run/Provenance.ts"
import { printError, printLine, whenWritten } from "./Console.ts"
import { ending, type Places, UsageError } from "./Failure.ts"
import { joinOptionalValues } from "./Flags.ts"
import * as Presenter from "./Presenter.ts"
import * as Project from "./Project.ts"
import * as FlagsPlatform from "./platform/FlagsPlatform.ts"
import * as Signals from "./Signals.ts"
import { run } from "./verbs/run.ts"

type PlatformServices = Layer.Success<typeof FlagsPlatform.layer>

interface Loaded {
  readonly verbs: ReadonlyArray<Verb>
  readonly platform: Layer.Layer<PlatformServices>
}

/** The verbs that the arguments may be about, and what they stand on: to load all takes longer than many a run, and a run needs one. */
const load = async ([first, ...others]: ReadonlyArray<string>, loaders: Project.Loaders): Promise<Loaded> => {
  const additions = await Project.additions(loaders)
  const running = run(additions)
  const wantsAll = others.some((each) => /^(-h$|--(help|completions|wizard))/u.test(each))
  if (first === running.name && !wantsAll) return { verbs: [running], platform: FlagsPlatform.layer }
  // a cluster calls it for each step
  if (first === "job" && !wantsAll)
    return { verbs: [(await import("./verbs/cluster/job.ts")).job], platform: FlagsPlatform.layer }
  const [{ rest }, Platform] = await Promise.all([import("./verbs/rest.ts"), import("./platform/Platform.ts")])
  const ours: ReadonlyArray<Verb> = [running, ...rest(additions)]
  const taken = new Set(ours.map(({ name }) => name))
  // a verb of the pipeline's that has a name of ours would hide it
  const theirs = (await additions.commands()).filter(({ name }) => !taken.has(name))
  return { verbs: [...ours, ...theirs], platform: Platform.layer }
}

const root = Command.make("op-pipe").pipe(
  Command.withDescription("Declarative, typed pipelines with a content-addressed cache")
)

/** The library shows the help of the whole for `op-pipe VERB --help`, whatever VERB is. */
const refuseUnknown = (first: string | undefined, verbs: ReadonlyArray<Verb>): Effect.Effect<void, UsageError> => {
  const names = verbs.map(({ name }) => name)
  if (first === undefined || first.startsWith("-") || names.includes(first)) return Effect.void
  const meant = nearest(first, names)
  const hint = meant === undefined ? "" : ` Did you mean "${meant}"?`
  const message = `expected a command, but found "${first}".${hint} \`op-pipe --help\` lists the commands`
  return Effect.fail(new UsageError({ message }))
}

const program = (args: ReadonlyArray<string>, loaders: Project.Loaders) =>
  Effect.promise(() => load(args, loaders)).pipe(
    Effect.tap(({ verbs }) => refuseUnknown(args[0], verbs)),
    Effect.flatMap(({ verbs, platform }) => {
      const whole = Command.runWith(root.pipe(Command.withSubcommands(verbs)), { version })
      // The verbs of a pipeline are of any type; they get the whole platform.
      const typed = whole(joinOptionalValues(args).slice()) as Effect.Effect<void, unknown, PlatformServices>
      return Effect.provide(typed, Layer.merge(platform, Presenter.layer))
    }),
    Effect.catchIf(
      (error) => error instanceof CliError.ShowHelp,
      ({ errors }) => (errors.length === 0 ? Effect.void : Effect.fail(Presenter.usage(errors)))
    )
  )

/**
 * Runs the command line and ends the process with its exit code. `loaders` are pipelines at hand, by file; `places` tells where
 * in the sources a trace is.
 */
export const main = (args: ReadonlyArray<string>, loaders: Project.Loaders, places: Places): void => {
  Signals.watchOutput()
  const json = args.includes("--json")
  Signals.runMain(Effect.provideService(program(args, loaders), Project.Loaders, loaders), {
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      const { code, message } = ending(exit, places, Signals.exitCode())
      // who watches a run ends it when something changed, and says so
      const isReplaced = Signals.exitCode() !== undefined && process.env["OP_PIPE_WATCHED"] !== undefined
      if (message !== undefined && !isReplaced) {
        Effect.runSync(printError(`op-pipe: ${message}`))
        if (json) Effect.runSync(printLine(JSON.stringify({ type: "Error", exitCode: code, message })))
      }
      // Otherwise Node would wait for what its threads do for later: code that is optimized, memory that is looked through.
      if (code === 0) whenWritten(() => process.exit(0))
      else onExit(code)
    }
  })
}
