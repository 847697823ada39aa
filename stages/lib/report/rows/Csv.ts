/** Rows of values as CSV (RFC 4180): commas, quotes where they are needed, lines that end in CRLF. */

export type Value = string | number | boolean | null
export type Rows = ReadonlyArray<Readonly<Record<string, Value>>>

/** Characters that a spreadsheet would take for the start of a formula. */
const formula = /^[=+\-@\t\r]/u

const cell = (value: Value): string => {
  if (value === null) return ""
  if (typeof value !== "string") return String(value)
  // the apostrophe keeps a spreadsheet from running the name of a folder
  const safe = formula.test(value) ? `'${value}` : value
  return /[",\r\n]/u.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** The names of all columns, in the order in which they first come. */
export const columnsOf = (rows: Rows): ReadonlyArray<string> => [...new Set(rows.flatMap((row) => Object.keys(row)))]

export const toCsv = (rows: Rows): string => {
  const columns = columnsOf(rows)
  const lines = [columns.map(cell), ...rows.map((row) => columns.map((column) => cell(row[column] ?? null)))]
  return lines.map((line) => `${line.join(",")}\r\n`).join("")
}
