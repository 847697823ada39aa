/**
 * Rows: runs as rows of a table: the parameters that their results were made with, and the numbers in the documents that the
 * pipeline names as `metrics`.
 *
 * A run has a row for each variant (replica, branch) of the steps that have metrics. A variant's row has the parameters of its own
 * steps and of those without a variant. What was measured is read from the store, so results of any run count that are still there.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isRecord } from "../../cache/identity/CacheKey.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import type { Pipeline } from "../../core/pipeline/Pipeline.ts"
import { displayName } from "../../core/pipeline/Step.ts"
import type * as RunLog from "../../core/run/RunLog.ts"
import * as Session from "../Session.ts"

export type Cell = string | number | boolean | null

export interface Row {
  readonly runId: string
  readonly sweep: RunLog.RunRecord["sweep"]
  readonly state: "finished" | "failed" | "interrupted" | "running"
  /** `bn`, `bn#2`: what sets the steps of the row apart; empty where nothing does. */
  readonly variant: string
  /** By `stage.parameter`. */
  readonly params: ReadonlyMap<string, Cell>
  /** Of parameters of one variant among several, `train(bn).lr`: what they are called if all have the same, `train.lr`. */
  readonly ofVariants: ReadonlyMap<string, string>
  /** By `stage.output.name`. */
  readonly metrics: ReadonlyMap<string, Cell>
}

/** What of a value is no record, by its path; lists as JSON, or left out. */
export const leavesOf = (
  value: unknown,
  path: string,
  lists: "json" | "none"
): ReadonlyArray<readonly [string, Cell]> => {
  if (isRecord(value))
    return Object.entries(value).flatMap(([name, each]) =>
      leavesOf(each, path === "" ? name : `${path}.${name}`, lists)
    )
  if (Array.isArray(value)) return lists === "json" ? [[path, JSON.stringify(value)]] : []
  return value === undefined ? [] : [[path, value as Cell]]
}

/** `@bn#2` of `train@bn#2`: what its stage's name leaves. */
const suffixOf = (id: string, { ingredients }: StepResult): string =>
  id.startsWith(ingredients.stage) ? id.slice(ingredients.stage.length) : id

/** As people write it. */
export const variantOf = (suffix: string): string => suffix.replace(/^@/u, "")

const numbersIn = (value: unknown, path: string): ReadonlyArray<readonly [string, Cell]> =>
  leavesOf(value, path, "none").filter(([, each]) => typeof each === "number" || typeof each === "boolean")

/** The document in the store; undefined if it is gone, or none. */
export const documentOf = Effect.fnUntraced(function* ({ kind, entries: [entry] }: Output) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  if (kind !== "json" || entry?.kind !== "file") return undefined
  const blob = yield* blobs.verified(entry.digest)
  return Option.isNone(blob) ? undefined : (JSON.parse(yield* disk.readText(blob.value)) as unknown)
})

/** The documents with one of `tags` that the steps of a run made. */
export const documentsIn = Effect.fnUntraced(function* (
  results: ReadonlyMap<string, StepResult>,
  tags: ReadonlySet<string>
) {
  const outputs = Array.from(results).flatMap(([id, result]) =>
    Object.entries(result.outputs).flatMap(([name, output]) =>
      tags.has(output.tag) ? [{ stage: result.ingredients.stage, suffix: suffixOf(id, result), name, output }] : []
    )
  )
  return yield* Effect.forEach(outputs, ({ output, ...each }) =>
    Effect.map(documentOf(output), (value) => ({ ...each, value }))
  )
})

/** Whether a step of the suffix `own` says what holds in a row of `suffix`: of the same variant, or of one that it is a replica or branch of. */
const isAbout = (suffix: string, own: string): boolean =>
  own === "" || suffix === own || suffix.startsWith(`${own}#`) || suffix.startsWith(`${own}[`)

/** The parameters that a row of `suffix` is about. */
const paramsOf = (results: ReadonlyMap<string, StepResult>, suffix: string) => {
  const params = new Map<string, Cell>()
  const ofVariants = new Map<string, string>()
  const steps = Array.from(results, ([id, result]) => ({ id, result, own: suffixOf(id, result) }))
  // the more specific step of a stage says what holds
  for (const { id, result, own } of steps.sort((a, b) => a.own.length - b.own.length)) {
    const { stage, params: made } = result.ingredients
    const isOwn = isAbout(suffix, own)
    if (!isOwn && suffix !== "") continue
    for (const [path, value] of leavesOf(made, "", "json")) {
      const name = `${isOwn ? stage : displayName(id)}.${path}`
      params.set(name, value)
      if (!isOwn) ofVariants.set(name, `${stage}.${path}`)
    }
  }
  return { params, ofVariants }
}

/** What was asked for of steps that came to no result. */
const askedOf = ({ asked }: RunLog.RunRecord): ReadonlyArray<readonly [string, Cell]> =>
  asked.set.flatMap((each) => {
    const [, name, value] = /^(.+?)=(.*)$/su.exec(each) ?? []
    if (name === undefined || value === undefined) return []
    const number = Number(value)
    return [[name, value !== "" && Number.isFinite(number) ? number : value] as const]
  })

const stateOf = ({ state, failed }: RunLog.RunRecord): Row["state"] =>
  state === "finished" && failed.length > 0 ? "failed" : state

const rowsOfRun = Effect.fnUntraced(function* (record: RunLog.RunRecord, metrics: ReadonlySet<string>) {
  const results = yield* Session.resultsOf(record)
  const documents = yield* documentsIn(results, metrics)
  const suffixes = Array.from(new Set(documents.map(({ suffix }) => suffix)))
  return (suffixes.length === 0 ? [""] : suffixes).map((suffix): Row => {
    const measured = documents.filter((each) => each.suffix === suffix)
    const { params, ofVariants } = paramsOf(results, suffix)
    if (record.failed.length > 0)
      for (const [name, value] of askedOf(record)) if (!params.has(name)) params.set(name, value)
    return {
      runId: record.runId,
      sweep: record.sweep,
      state: stateOf(record),
      variant: variantOf(suffix),
      params,
      ofVariants,
      metrics: new Map(measured.flatMap(({ stage, name, value }) => numbersIn(value, `${stage}.${name}`)))
    }
  })
})

/** The tags of documents. */
export const tagsOf = (documents: Pipeline["metrics"]): ReadonlySet<string> => new Set(documents.map(({ tag }) => tag))

/** The rows of runs, in the order of the runs. */
export const of = Effect.fn("Rows.of")(function* (pipeline: Pipeline, records: ReadonlyArray<RunLog.RunRecord>) {
  const metrics = tagsOf(pipeline.metrics)
  return (yield* Effect.forEach(records, (record) => rowsOfRun(record, metrics))).flat()
})

const identityOf = ({ state, variant, params, metrics }: Row): string =>
  JSON.stringify([state, variant, Array.from(params), Array.from(metrics)])

/** Rows that measured something, if there is something to measure, and of those that say the same the latest. */
export const distinct = ({ metrics }: Pipeline, rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const latest = new Map<string, Row>()
  for (const row of rows) {
    const identity = identityOf(row)
    latest.delete(identity)
    if (row.metrics.size > 0 || metrics.length === 0) latest.set(identity, row)
  }
  return Array.from(latest.values())
}
