/** `op-pipe table`: runs beside each other, with the parameters that differ and the metrics. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Prepared } from "../../../core/plan/Prepared.ts"
import * as RunLog from "../../../core/run/RunLog.ts"
import { printError, printLine } from "../../Console.ts"
import * as Columns from "../../compare/Columns.ts"
import * as Rows from "../../compare/Rows.ts"
import * as Table from "../../compare/Table.ts"
import * as Flags from "../../Flags.ts"
import { printJson } from "../../json/Shapes.ts"
import * as Session from "../../Session.ts"

const formats = ["text", "md", "csv", "json"] as const

/** Which columns there are, and in which order rows are. */
export const choosing = {
  columns: Flag.String("columns").pipe(
    Flag.withMetavar("NAMES"),
    Flag.withDescription("Only these, with commas between; default: parameters that differ, and metrics"),
    Flag.optional
  ),
  sort: Flag.String("sort").pipe(
    Flag.withMetavar("COLUMN"),
    Flag.withDescription("Rows by this metric or parameter, the least first"),
    Flag.optional
  ),
  descending: Flags.toggle("descending", "With --sort: the greatest first")
}

type Choosing = Command.Command.Config.Infer<typeof choosing>

const namesIn = ({ columns }: Choosing): ReadonlyArray<string> | undefined =>
  Option.getOrUndefined(columns)
    ?.split(",")
    .map((name) => name.trim())

/** The table of rows as it is asked for. */
export const tableOf = Effect.fnUntraced(function* (rows: ReadonlyArray<Rows.Row>, asked: Choosing, all = false) {
  if (rows.length === 0) return Table.of(rows)
  const names = namesIn(asked)
  const by = Option.getOrUndefined(asked.sort)
  // also by a parameter that is the same in all rows, and no column
  const sorted =
    by === undefined ? rows : (yield* Table.sorted(Table.of(rows, { all: true }), by, asked.descending)).rows
  const whole = Table.of(sorted, { all: all || names !== undefined })
  return names === undefined ? whole : yield* Table.chosen(whole, names)
})

/** Refuses names of columns that no run of the pipeline can have. */
export const checkNames = Effect.fnUntraced(function* (prepared: Prepared, asked: Choosing) {
  if (Option.isNone(asked.columns) && Option.isNone(asked.sort)) return
  const earlier = yield* Rows.of(prepared.pipeline, yield* RunLog.findAll([]))
  const expected = Columns.expected(prepared, Table.of(earlier, { all: true }))
  if (expected === undefined) return
  if (Option.isSome(asked.sort)) yield* Table.sorted(expected, asked.sort.value, false)
  yield* Table.chosen(expected, namesIn(asked) ?? [])
})

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
    ...choosing,
    all: Flags.toggle("all", "Also parameters that are the same in all rows"),
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
    yield* print(yield* tableOf(rows, flags, flags.all), flags.json ? "json" : flags.format)
    if (pipeline.metrics.length === 0) return yield* printError(noMetrics)
    if (rows.length === 0) yield* printError("No run has measured anything yet: `op-pipe run` comes first")
  })
).pipe(Command.withDescription("Show runs beside each other: the parameters that differ, and the metrics"))
