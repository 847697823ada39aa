/** `op-pipe table`: runs beside each other, with the parameters that differ and the metrics. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RunLog from "../../../core/run/RunLog.ts"
import { printError, printLine } from "../../Console.ts"
import * as Rows from "../../compare/Rows.ts"
import * as Table from "../../compare/Table.ts"
import * as Flags from "../../Flags.ts"
import { printJson } from "../../json/Shapes.ts"
import * as Session from "../../Session.ts"

const formats = ["text", "md", "csv", "json"] as const

/** In which order rows are. */
export const sorting = {
  sort: Flag.String("sort").pipe(
    Flag.withMetavar("COLUMN"),
    Flag.withDescription("Rows by this metric or parameter, the least first"),
    Flag.optional
  ),
  descending: Flag.Boolean("descending").pipe(
    Flag.withDescription("With --sort: the greatest first"),
    Flag.withDefault(false)
  )
}

/** How to declare metrics, for a pipeline that has none. */
export const noMetrics =
  "The pipeline declares no metrics. Name documents whose numbers belong here: metrics: [Scores] in Pipeline.make"

/** Prints a table in a format. */
export const print = Effect.fnUntraced(function* (table: Table.Table, format: (typeof formats)[number]) {
  if (format === "json") return yield* printJson("table", Table.toJson(table))
  const lines =
    format === "text"
      ? Table.toText(table, process.stdout.columns)
      : format === "md"
        ? Table.toMarkdown(table)
        : Table.toCsv(table)
  for (const line of lines) yield* printLine(line)
})

export const table = Command.make(
  "table",
  {
    ...Flags.project,
    runs: Flag.String("runs").pipe(
      Flag.withMetavar("RUN"),
      Flag.withDescription(
        "A run, or the id of a sweep for all of its runs; may be repeated. Default: every run that measured something else"
      ),
      Flag.atLeast(0)
    ),
    ...sorting,
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Also parameters that are the same in all rows"),
      Flag.withDefault(false)
    ),
    format: Flag.Literals("format", formats).pipe(Flag.withDescription("How to write it"), Flag.withDefault("text")),
    json: Flags.json
  },
  Effect.fn("cli.table")(function* (flags) {
    const { pipeline, rows } = yield* Session.withStore(flags, ({ pipeline }) =>
      Effect.gen(function* () {
        const rows = yield* Rows.of(pipeline, yield* RunLog.findAll(flags.runs))
        return { pipeline, rows: flags.runs.length === 0 ? Rows.distinct(pipeline, rows) : rows }
      })
    )
    const whole = Table.of(rows, { all: flags.all })
    const by = Option.getOrUndefined(flags.sort)
    const sorted = by === undefined || rows.length === 0 ? whole : yield* Table.sorted(whole, by, flags.descending)
    yield* print(sorted, flags.json ? "json" : flags.format)
    if (pipeline.metrics.length === 0) return yield* printError(noMetrics)
    if (rows.length === 0) yield* printError("No run has measured anything yet: `op-pipe run` comes first")
  })
).pipe(Command.withDescription("Show runs beside each other: the parameters that differ, and the metrics"))
