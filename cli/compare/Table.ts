/** Table: rows of runs as a table, for people and for programs. */
import * as Effect from "effect/Effect"
import * as Order from "../../core/pipeline/many/Order.ts"
import { nearest, SettingsError, unknownName } from "../../core/plan/SettingsError.ts"
import { padEnd, paint, widthOf } from "../Console.ts"
import type { shapes } from "../json/Shapes.ts"
import type { Cell, Row } from "./Rows.ts"

export interface Column {
  readonly kind: "param" | "metric"
  /** `train.lr`, `train.scores.accuracy`. */
  readonly name: string
  /** As much of the end of the name as tells it from those of the others: `lr`. */
  readonly label: string
}

export interface Table {
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
}

const cellOf = (row: Row, { kind, name }: Column): Cell | undefined =>
  (kind === "param" ? row.params : row.metrics).get(name)

const namesOf = (rows: ReadonlyArray<Row>, kind: "params" | "metrics"): ReadonlyArray<string> =>
  Array.from(new Set(rows.flatMap((row) => Array.from(row[kind].keys()))))

/** Whether rows that have the parameter have it in different values. */
export const differs = (rows: ReadonlyArray<Row>, name: string): boolean =>
  new Set(rows.flatMap(({ params }) => (params.has(name) ? [JSON.stringify(params.get(name))] : []))).size > 1

/** Each name's shortest end, cut at dots, that no other has. */
export const labelsOf = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const endsOf = (name: string): ReadonlyArray<string> => {
    const parts = name.split(".")
    return parts.map((_, at) => parts.slice(parts.length - 1 - at).join("."))
  }
  const counts = new Map<string, number>()
  for (const end of names.flatMap(endsOf)) counts.set(end, (counts.get(end) ?? 0) + 1)
  return names.map((name) => endsOf(name).find((end) => counts.get(end) === 1) ?? name)
}

/** A row's value of a parameter that all variants of a stage have in common; undefined if they differ, or one is missing. */
const sharedValue = ({ params }: Row, names: ReadonlyArray<string>): Cell | undefined => {
  const values = new Set(names.map((name) => params.get(name)))
  return values.size === 1 ? Array.from(values)[0] : undefined
}

/** Rows with one parameter, `train.lr`, in the place of `train(bn).lr` and `train(nobn).lr`, if these are the same in each row. */
const withShared = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const groups = new Map<string, Set<string>>()
  for (const { ofVariants } of rows)
    for (const [name, shared] of ofVariants) groups.set(shared, (groups.get(shared) ?? new Set()).add(name))
  return Array.from(groups).reduce<ReadonlyArray<Row>>((merged, [shared, group]) => {
    const names = Array.from(group)
    const about = merged.filter(({ params }) => names.some((name) => params.has(name)))
    const isShared = about.every((row) => !row.params.has(shared) && sharedValue(row, names) !== undefined)
    if (!isShared) return merged
    return merged.map((row) => {
      const value = sharedValue(row, names)
      if (value === undefined) return row
      const params = Array.from(row.params).filter(([name]) => !group.has(name))
      return { ...row, params: new Map([...params, [shared, value]]) }
    })
  }, rows)
}

/** The table of rows: parameters that differ (or all), then metrics. */
export const of = (given: ReadonlyArray<Row>, { all = false }: { readonly all?: boolean } = {}): Table => {
  const rows = withShared(given)
  const params = namesOf(rows, "params").filter((name) => all || differs(rows, name))
  const names = [
    ...params.map((name) => ({ kind: "param" as const, name })),
    ...namesOf(rows, "metrics").map((name) => ({ kind: "metric" as const, name }))
  ]
  const labels = labelsOf(names.map(({ name }) => name))
  return { columns: names.map((each, at) => ({ ...each, label: labels[at]! })), rows }
}

const isCalled = (text: string, { name, label }: Column): boolean =>
  name === text || label === text || name.endsWith(`.${text}`)

/** Or whether it belongs to a record of that name. */
const isIn = (text: string, column: Column): boolean =>
  isCalled(text, column) || `.${column.name}`.includes(`.${text}.`)

const mostNamed = 20

/** There may be hundreds. */
const unknownColumn = (flag: string, { columns }: Table, text: string): SettingsError => {
  const labels = columns.map(({ label }) => label)
  if (labels.length <= mostNamed) return unknownName(`${flag} ${text}`, "columns", labels, text)
  const meant = nearest(text, labels)
  const hint = meant === undefined ? "" : `. Did you mean "${meant}"?`
  const expected = `one of the ${labels.length} columns that \`op-pipe table --all --json\` lists`
  return new SettingsError({ asked: `${flag} ${text}`, expected, actual: `"${text}"${hint}` })
}

/** The columns that are called so, or belong to a record that is, in the order asked for. */
export const chosen = Effect.fnUntraced(function* (table: Table, names: ReadonlyArray<string>) {
  const columns: Array<Column> = []
  for (const text of names) {
    const found = table.columns.filter((column) => isIn(text, column))
    if (found.length === 0) return yield* unknownColumn("--columns", table, text)
    columns.push(...found.filter((column) => !columns.includes(column)))
  }
  return { ...table, columns }
})

const compare = (a: Cell, b: Cell): number =>
  typeof a === "string" || typeof b === "string" ? Order.compare(String(a), String(b)) : Number(a) - Number(b)

/** The rows by a column, from the least on or, `descending`, from the greatest; those without a value are the last. */
export const sorted = Effect.fnUntraced(function* (table: Table, by: string, descending: boolean) {
  const column = table.columns.find((each) => isCalled(by, each))
  if (column === undefined) return yield* unknownColumn("--sort", table, by)
  const rows = table.rows.toSorted((a, b) => {
    const [one, other] = [cellOf(a, column) ?? null, cellOf(b, column) ?? null]
    if (one === null || other === null) return Number(one === null) - Number(other === null)
    return descending ? compare(other, one) : compare(one, other)
  })
  return { ...table, rows }
})

/** A number as people compare them: four digits that count. */
const rounded = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)))

const mostInCell = 24

const cut = (text: string): string => {
  const line = text.replace(/\s+/gu, " ")
  return line.length > mostInCell ? `${line.slice(0, mostInCell - 1)}…` : line
}

const shownCell = (value: Cell | undefined, kind: Column["kind"]): string => {
  if (value === undefined || value === null) return "-"
  return typeof value === "number" ? (kind === "metric" ? rounded(value) : String(value)) : cut(String(value))
}

interface Text {
  readonly head: string
  readonly cells: ReadonlyArray<string>
  readonly isNumber: boolean
}

/** What tells the rows apart: the run, or the setting of a sweep; the variant; how it ended, if one did not end well. */
const leading = ({ rows }: Table): ReadonlyArray<Text> => {
  const isSweep =
    rows.length > 0 && new Set(rows.map(({ sweep }) => sweep?.id)).size === 1 && rows[0]?.sweep !== undefined
  const first: Text = isSweep
    ? { head: "#", cells: rows.map(({ sweep }) => String(sweep?.number)), isNumber: true }
    : { head: "run", cells: rows.map(({ runId }) => runId), isNumber: false }
  const textOf = (head: "variant" | "state", blank: string): ReadonlyArray<Text> =>
    rows.every((row) => row[head] === blank)
      ? []
      : [{ head, cells: rows.map((row) => row[head] || "-"), isNumber: false }]
  return [first, ...textOf("variant", ""), ...textOf("state", "finished")]
}

const textsOf = (table: Table): ReadonlyArray<Text> =>
  table.columns.map((column) => {
    const values = table.rows.map((row) => cellOf(row, column))
    return {
      head: column.label,
      cells: values.map((value) => shownCell(value, column.kind)),
      isNumber: values.every((value) => value === undefined || value === null || typeof value === "number")
    }
  })

const gap = 2

const columnsOf = ({ head, cells }: Text): number => Math.max(...[head, ...cells].map(widthOf))

const padded = (text: string, width: number, isNumber: boolean): string => {
  const space = padEnd("", width - widthOf(text))
  return isNumber ? space + text : text + space
}

/** Columns in as many groups as the width asks for, each with the leading columns: nothing is left out. */
const groupsOf = (first: ReadonlyArray<Text>, others: ReadonlyArray<Text>, columns: number) => {
  const spaceOf = (texts: ReadonlyArray<Text>): number => texts.reduce((sum, text) => sum + columnsOf(text) + gap, 0)
  const groups: Array<Array<Text>> = [[]]
  for (const text of others) {
    const group = groups.at(-1)!
    const isFull = spaceOf([...first, ...group, text]) - gap > columns
    if (isFull && group.length > 0) groups.push([text])
    else group.push(text)
  }
  return groups.map((group) => [...first, ...group])
}

/** Lines for people, of at most `columns` characters where a cell allows it. */
export const toText = (table: Table, columns = Number.POSITIVE_INFINITY): ReadonlyArray<string> => {
  if (table.rows.length === 0) return []
  const groups = groupsOf(leading(table), textsOf(table), columns)
  return groups.flatMap((texts, at) => {
    const line = (cellsOf: (text: Text) => string): string =>
      texts
        .map((text) => padded(cellsOf(text), columnsOf(text), text.isNumber))
        .join(" ".repeat(gap))
        .trimEnd()
    const lines = table.rows.map((_, row) => line(({ cells }) => cells[row]!))
    return [
      ...(at === 0 ? [] : [""]),
      paint(
        "bold",
        line(({ head }) => head)
      ),
      ...lines
    ]
  })
}

/** A table in Markdown. */
export const toMarkdown = (table: Table): ReadonlyArray<string> => {
  const texts = [...leading(table), ...textsOf(table)]
  const row = (cells: ReadonlyArray<string>): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  return [
    row(texts.map(({ head }) => head)),
    row(texts.map(({ isNumber }) => (isNumber ? "--:" : "---"))),
    ...table.rows.map((_, at) => row(texts.map(({ cells }) => cells[at]!)))
  ]
}

const csvCell = (value: string): string => (/[",\r\n]/u.test(value) ? `"${value.replaceAll('"', '""')}"` : value)

/** A table as comma-separated values (RFC 4180), numbers in full. */
export const toCsv = (table: Table): ReadonlyArray<string> => {
  const head = ["run", "variant", "state", ...table.columns.map(({ name }) => name)]
  const rows = table.rows.map((row) => [
    row.runId,
    row.variant,
    row.state,
    ...table.columns.map((column) => String(cellOf(row, column) ?? ""))
  ])
  return [head, ...rows].map((cells) => cells.map(csvCell).join(","))
}

/** A table for programs. */
export const toJson = ({ columns, rows }: Table): (typeof shapes)["table"]["Type"] => ({
  columns: columns.map(({ kind, name, label }) => ({ kind, name, label })),
  rows: rows.map((row) => ({
    runId: row.runId,
    sweep: row.sweep ?? null,
    state: row.state,
    variant: row.variant,
    values: Object.fromEntries(columns.map((column) => [column.name, cellOf(row, column) ?? null]))
  }))
})
