/** Main: the command `op-pipe`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { version } from "../core/Provenance.ts"
import { printError, printLine, whenWritten } from "./Console.ts"
import { ending, UsageError } from "./Failure.ts"
import { joinOptionalValues } from "./Flags.ts"
import * as Project from "./Project.ts"
import { run } from "./verbs/run.ts"

/** The verbs that the arguments may be about: all of them take longer to load than many a run. */
const verbsFor = async ([first, ...rest]: ReadonlyArray<string>) => {
  const ofAll = rest.some((each) => each.startsWith("--completions") || each.startsWith("--wizard"))
  return first === run.name && !ofAll ? [run] : [run, ...(await import("./verbs/rest.ts")).rest]
}

const root = Command.make("op-pipe").pipe(
  Command.withDescription(
    "A typed pipeline with a content-addressed cache, and the image-classification study it was made to run"
  )
)

/** Wrong usage goes to standard error, in a line or two; help goes to standard output. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function* () {
          for (const error of event.errors) yield* printError(error.message)
          yield* printError("`op-pipe --help` lists the commands, `op-pipe COMMAND --help` the flags of one.")
        })
      : CliOutput.defaultPresenter.present(event)
})

const program = (args: ReadonlyArray<string>) =>
  Effect.promise(() => verbsFor(args)).pipe(
    Effect.flatMap((verbs) =>
      Command.runWith(root.pipe(Command.withSubcommands(verbs)), { version })(joinOptionalValues(args).slice())
    ),
    Effect.catchIf(
      (error) => error instanceof CliError.ShowHelp,
      (error) => (error.errors.length === 0 ? Effect.void : Effect.fail(new UsageError({ message: "" })))
    ),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter))
  )

/**
 * Runs the command line and ends the process with its exit code. `loaders` are pipelines at hand, by file; `inSources` tells the
 * places of a trace as places in the sources.
 */
export const main = (
  args: ReadonlyArray<string>,
  loaders: Project.Loaders = {},
  inSources: (trace: string) => string = (trace) => trace
): void => {
  // A reader that has seen enough (`op-pipe dag | head -1`) is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
  })
  const json = args.includes("--json")
  NodeRuntime.runMain(Effect.provideService(program(args), Project.Loaders, loaders), {
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      const { code, message } = ending(exit, inSources)
      if (message !== undefined) {
        Effect.runSync(printError(`op-pipe: ${message}`))
        if (json) Effect.runSync(printLine(JSON.stringify({ type: "Error", exitCode: code, message })))
      }
      // Otherwise Node would wait for what its threads do for later: code that is optimized, memory that is looked through.
      if (code === 0) whenWritten(() => process.exit(0))
      else onExit(code)
    }
  })
}
