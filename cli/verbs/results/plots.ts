/** `op-pipe plots RUN RUN`: the curves of runs over each other, as a page. */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as RunLog from "../../../core/run/RunLog.ts"
import { printLine } from "../../Console.ts"
import * as Curves from "../../compare/Curves.ts"
import * as Page from "../../compare/Page.ts"
import { UsageError } from "../../Failure.ts"
import * as Flags from "../../Flags.ts"
import { printJson } from "../../json/Shapes.ts"
import * as Session from "../../Session.ts"

const noPlots =
  "plots: expected documents with curves, but the pipeline declares none. Name some: plots: [History] in Pipeline.make"

/** Fails if there is a file of somebody's own. */
const checkFree = (to: string, file: string): Effect.Effect<void, UsageError> => {
  if (!existsSync(file) || readFileSync(file, "utf8").startsWith(Page.mark)) return Effect.void
  const message = `--to ${to}: expected a page that op-pipe wrote, or none, but found another file. Name another`
  return Effect.fail(new UsageError({ message }))
}

export const plots = Command.make(
  "plots",
  {
    ...Flags.project,
    to: Flag.String("to").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("The page to write"),
      Flag.withDefault("plots.html")
    ),
    json: Flags.json,
    runs: Argument.String("run").pipe(
      Argument.withDescription("Runs, or sweeps for all of their runs; default: last"),
      Argument.variadic()
    )
  },
  Effect.fn("cli.plots")(function* (flags) {
    const file = path.resolve(flags.to)
    yield* checkFree(flags.to, file)
    yield* Session.withStore(flags, ({ pipeline }) =>
      Effect.gen(function* () {
        if (pipeline.plots.length === 0) return yield* new UsageError({ message: noPlots })
        const records = yield* RunLog.findAll(flags.runs.length === 0 ? ["last"] : flags.runs)
        const { charts, names } = yield* Curves.of(pipeline, records)
        if (charts.length === 0) {
          const message = `plots ${flags.runs.join(" ")}: expected runs with curves, but their results have none or are no longer in the store`
          return yield* new UsageError({ message })
        }
        const page = Page.of({ pipeline: pipeline.name, names, charts })
        yield* Session.replaceFile(file, new TextEncoder().encode(page))
        if (flags.json) return yield* printJson("plots", { file, charts })
        const count = `${charts.length} ${charts.length === 1 ? "chart" : "charts"}`
        const curves = `${names.length} ${names.length === 1 ? "curve" : "curves"}`
        yield* printLine(`${path.relative(process.cwd(), file) || file}  ${count} of ${curves}`)
      })
    )
  })
).pipe(Command.withDescription("Draw the curves of runs over each other, as one page"))
