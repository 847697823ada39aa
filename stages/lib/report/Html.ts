/**
 * Pieces of HTML as strings: escaped text, formatted numbers, tables, figures.
 *
 * All data goes through `text`; a value of type `Html` is markup already.
 */
import { escapeXml } from "../../../charts/Xml.ts"
import * as Figures from "../Figures.ts"
import { columnsOf, type Rows, type Value } from "./rows/Csv.ts"

/** Markup that is safe to put into a page. */
export type Html = string & { readonly Html: unique symbol }

const raw = (markup: string): Html => markup as Html

/** Text as markup. */
export const text = (value: string | number): Html => raw(escapeXml(String(value)))

/** Markup from a template whose values are markup or numbers. */
export const html = (parts: TemplateStringsArray, ...values: ReadonlyArray<Html | number>): Html =>
  raw(parts.reduce((out, part, i) => out + part + (i < values.length ? String(values[i]) : ""), ""))

export const join = (parts: ReadonlyArray<Html>, between = ""): Html => raw(parts.join(between))

export const nothing: Html = raw("")

/** Markup of another module, which guarantees that it is safe: an inline SVG. */
export const trusted = (markup: string): Html => raw(markup)

/** 0.6131 -> "61.3 %". */
export const percent = (value: number, digits = 1): Html => text(Figures.percent(value, digits))

/** 0.012 -> "+1.2 points". */
export const points = (value: number): Html => text(`${Figures.signedPoints(value)}\u00a0points`)

/** Three significant digits, with a true minus sign. */
export const number = (value: number): Html => text(Figures.significant(value).replace(/^-/u, "−"))

/** 22184498 -> "22,184,498". */
export const count = (value: number): Html => text(value.toLocaleString("en-US"))

export interface Column<A> {
  readonly title: string
  readonly cell: (row: A) => Html
  /** Numbers stand flush right. */
  readonly numeric?: boolean
  /** The row's header, for screen readers. */
  readonly head?: boolean
}

/** A table with a caption; it scrolls sideways in itself on a narrow screen. */
export const table = <A>(
  caption: Html,
  columns: ReadonlyArray<Column<A>>,
  rows: ReadonlyArray<A>,
  rowClass: (row: A) => string = () => ""
): Html => {
  const heads = columns.map(
    (column) => html`<th scope="col"${trusted(column.numeric ? ' class="n"' : "")}>${text(column.title)}</th>`
  )
  const body = rows.map((row) => {
    const cells = columns.map((column) =>
      column.head
        ? html`<th scope="row">${column.cell(row)}</th>`
        : html`<td${trusted(column.numeric ? ' class="n"' : "")}>${column.cell(row)}</td>`
    )
    const name = rowClass(row)
    return html`<tr${trusted(name === "" ? "" : ` class="${name}"`)}>${join(cells)}</tr>`
  })
  const said = caption.replace(/<[^>]*>/gu, "")
  const heading = said === "" ? nothing : html`<caption>${caption}</caption>`
  // what scrolls must be reachable by keyboard, and named
  const region = trusted(`class="scroll" tabindex="0" role="group" aria-label="${said === "" ? "table" : said}"`)
  return html`<div ${region}><table>${heading}<thead><tr>${join(heads)}</tr></thead><tbody>${join(body)}</tbody></table></div>`
}

/** Stand for a figure's number until the page is whole: where it is given, and where it is said again. */
const numberHere = raw("<!--figure-->")
const sameNumber = raw("<!--same figure-->")

/** The figures' numbers, in their order on the page. */
export const numbered = (page: string): string => {
  let number = 0
  return page.replace(/<!--(same )?figure-->/gu, (_, same: string | undefined) => {
    if (same === undefined) number += 1
    return String(number)
  })
}

/** The numbers of a page's figures, by their names. */
export const numbersOf = (page: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Array.from(page.matchAll(/href="#figure-(\w+)">Figure (\d+)</gu), ([, name, number]) => [name!, Number(number)])
  )

/** A link to a table as a file beside the report. */
export const csvLink = (name: string): Html => html`<a href="tables/${text(name)}.csv" download>${text(name)}.csv</a>`

/** Rows that are written out; the file has all. */
const mostRows = 60

const plainCell = (value: Value): Html =>
  value === null ? text("–") : typeof value === "number" ? number(value) : text(String(value))

/** The rows behind a figure, folded away. */
const dataBehind = (name: string, rows: Rows): Html => {
  const columns = columnsOf(rows).map(
    (title, i): Column<Rows[number]> => ({
      title,
      head: i === 0,
      numeric: typeof rows[0]?.[title] === "number",
      cell: (row) => plainCell(row[title] ?? null)
    })
  )
  const which =
    rows.length > mostRows ? html`the first ${mostRows} of ${count(rows.length)} rows` : html`${rows.length} rows`
  return folded(
    html`Data of figure ${sameNumber}`,
    table(html`${which}; all in ${csvLink(name)}`, columns, rows.slice(0, mostRows))
  )
}

/**
 * A chart or image with its caption and a number that is a link to it; `tables` has the rows behind it under the same name,
 * or else `more` says where they are.
 */
export const figure = (
  name: string,
  content: Html,
  caption: Html,
  tables: Readonly<Record<string, Rows>> = {}
): Html => {
  const rows = tables[name]
  const id = text(`figure-${name}`)
  const behind = rows === undefined || rows.length === 0 ? nothing : dataBehind(name, rows)
  // what scrolls sideways must be reachable by keyboard, and named
  const region = html`class="chart" tabindex="0" role="group" aria-labelledby="${id}-number"`
  return html`<figure id="${id}"><div ${region}>${content}</div><figcaption><a id="${id}-number" href="#${id}">Figure ${numberHere}</a>. ${caption}</figcaption>${behind}</figure>`
}

/**
 * A placeholder, rendered when the report is written to `outputs/`: a field of the step that `of` is wired to, of
 * `self`, or of the run.
 */
export const placeholder = (of: string, field: string): Html => raw(`<!--op-pipe ${of} ${field}-->`)

const origin = (from: ReadonlyArray<string>): Html => {
  const steps = from.map(
    (of) => html`<a href="#from-${raw(of)}">${placeholder(of, "step")}</a> <code>${placeholder(of, "key")}</code>`
  )
  return html`<p class="from">From ${join(steps, ", ")}</p>`
}

/** A section of the contents; `from` names the inputs of `compare` (or `self`) whose steps made its data. */
export const section = (id: string, title: string, from: ReadonlyArray<string>, content: ReadonlyArray<Html>): Html =>
  html`<section id="${text(id)}" aria-labelledby="${text(`${id}-title`)}"><h2 id="${text(`${id}-title`)}">${text(title)}</h2>${from.length === 0 ? nothing : origin(from)}${join(content)}</section>`

export const paragraph = (content: Html): Html => html`<p>${content}</p>`

/** A verdict as a badge. Its words carry the meaning, the colour only helps. */
export const badge = (verdict: string): Html =>
  html`<span class="badge ${text(verdict.replace(/ /gu, "-"))}">${text(verdict)}</span>`

/** Something long, folded away. */
export const folded = (summary: Html, content: Html): Html =>
  html`<details><summary>${summary}</summary>${content}</details>`
