/**
 * Curves: the series in the documents that a pipeline names as `plots`, each of several runs.
 *
 * A series is a list of numbers, or one field of a list of records; then the field called `epoch`, `step`, ... is where its points lie.
 */
import * as Effect from "effect/Effect"
import { isRecord } from "../../cache/identity/CacheKey.ts"
import type { Pipeline } from "../../core/pipeline/Pipeline.ts"
import type * as RunLog from "../../core/run/RunLog.ts"
import * as Session from "../Session.ts"
import * as Rows from "./Rows.ts"
import * as Table from "./Table.ts"

export type Point = readonly [x: number, y: number]

/** One series of one run, or of one variant in it. */
export interface Curve {
  readonly runId: string
  readonly variant: string
  readonly points: ReadonlyArray<Point>
}

export interface Chart {
  /** `train.history.loss`. */
  readonly name: string
  readonly label: string
  /** What x is: `epoch`, or `index` of a list without such a field. */
  readonly x: string
  readonly curves: ReadonlyArray<Curve>
}

/** A curve's run and variant, and how its settings differ from those of the others. */
export interface Name {
  readonly runId: string
  readonly variant: string
  readonly label: string
}

interface Series {
  readonly name: string
  readonly x: string
  readonly points: ReadonlyArray<Point>
}

/** Names of fields that say where a point lies, the first ones first. */
const places = ["epoch", "step", "iteration", "iter", "batch", "round", "time", "x"]

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

/** The numbers in a record, by their paths. */
const numbersIn = (value: unknown, path: string): ReadonlyArray<readonly [string, number]> => {
  if (isNumber(value)) return [[path, value]]
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([name, each]) => numbersIn(each, path === "" ? name : `${path}.${name}`))
}

const ofRecords = (records: ReadonlyArray<Readonly<Record<string, unknown>>>, path: string): ReadonlyArray<Series> => {
  const place = places.find((name) => records.every((record) => isNumber(record[name])))
  const series = new Map<string, Array<Point>>()
  for (const [at, record] of records.entries()) {
    const x = place === undefined ? at + 1 : Number(record[place])
    for (const [name, y] of numbersIn(record, "")) {
      if (name === place) continue
      const points = series.get(name) ?? []
      points.push([x, y])
      series.set(name, points)
    }
  }
  const nameOf = (name: string): string => (path === "" ? name : `${path}.${name}`)
  return Array.from(series, ([name, points]) => ({ name: nameOf(name), x: place ?? "index", points }))
}

/** All series in a document. */
export const seriesIn = (value: unknown, path = ""): ReadonlyArray<Series> => {
  if (Array.isArray(value)) {
    if (value.length === 0) return []
    if (value.every(isNumber)) return [{ name: path, x: "index", points: value.map((y, at) => [at + 1, y] as const) }]
    return value.every(isRecord) ? ofRecords(value, path) : []
  }
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([name, each]) => seriesIn(each, path === "" ? name : `${path}.${name}`))
}

const joined = (...parts: ReadonlyArray<string>): string => parts.filter((part) => part !== "").join(".")

/** The curves of one run. */
const ofRun = Effect.fnUntraced(function* (record: RunLog.RunRecord, plots: ReadonlySet<string>) {
  const documents = yield* Rows.documentsIn(yield* Session.resultsOf(record), plots)
  return documents.flatMap(({ stage, suffix, name, value }) =>
    seriesIn(value).map((series) => ({
      ...series,
      name: joined(stage, name, series.name),
      curve: { runId: record.runId, variant: Rows.variantOf(suffix), points: series.points } satisfies Curve
    }))
  )
})

/** What sets each curve apart: the variant, and the parameters that differ; or the run. */
const namesOf = (rows: ReadonlyArray<Rows.Row>): ReadonlyArray<Name> => {
  const { columns } = Table.of(rows)
  // what a variant's name says already differs between variants alone
  const variants = Array.from(new Set(rows.map(({ variant }) => variant)))
  const isSetting = ({ kind, name }: Table.Column): boolean =>
    kind === "param" &&
    variants.some((variant) =>
      Table.differs(
        rows.filter((row) => row.variant === variant),
        name
      )
    )
  const params = columns.filter(isSetting)
  const isOneRun = new Set(rows.map(({ runId }) => runId)).size === 1
  const labels = rows.map((row) => {
    const settings = params.flatMap(({ name, label }) =>
      row.params.has(name) ? [`${label}=${String(row.params.get(name))}`] : []
    )
    return [row.variant, ...settings].filter((part) => part !== "").join(" ")
  })
  // runs that differ in no parameter, but in data or code
  const isClear = (label: string): boolean => label !== "" && labels.filter((each) => each === label).length === 1
  return rows.map(({ runId, variant }, at) => {
    const label = labels[at]!
    const whole = isClear(label) ? label : [label, isOneRun ? "" : runId].filter((part) => part !== "").join(" ")
    return { runId, variant, label: whole || runId }
  })
}

/** The charts of runs: one for each series, a curve for each run and variant. */
export const of = Effect.fn("Curves.of")(function* (pipeline: Pipeline, records: ReadonlyArray<RunLog.RunRecord>) {
  const plots = Rows.tagsOf(pipeline.plots)
  const found = (yield* Effect.forEach(records, (record) => ofRun(record, plots))).flat()
  const charts = new Map<string, Array<(typeof found)[number]>>()
  for (const each of found) charts.set(each.name, [...(charts.get(each.name) ?? []), each])
  const labels = Table.labelsOf(Array.from(charts.keys()))
  const rows = yield* Rows.of({ ...pipeline, metrics: pipeline.plots }, records)
  return {
    names: namesOf(
      rows.filter(({ runId, variant }) => found.some(({ curve }) => curve.runId === runId && curve.variant === variant))
    ),
    charts: Array.from(charts, ([name, series], at): Chart => {
      const x = new Set(series.map((each) => each.x))
      return { name, label: labels[at]!, x: Array.from(x).join(" / "), curves: series.map(({ curve }) => curve) }
    })
  }
})
