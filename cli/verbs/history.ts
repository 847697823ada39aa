/** `op-pipe history`, `show`, `diff`, `restore`, `pin`, `unpin`: earlier runs. */
import * as path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Template from "../../core/plan/Template.ts"
import { materialize } from "../../core/run/Materialize.ts"
import * as RunLog from "../../core/run/RunLog.ts"
import { formatDuration, paint, printLine } from "../Console.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as Session from "../Session.ts"

const shared = { ...Flags.project, json: Flags.json }
const run = Argument.String("run").pipe(
  Argument.withDescription("A run's id, the beginning of one, or last, last~1, ...")
)

/** "seed 1", "seeds 1 to 3". */
const seedsOf = ({ seed, seeds }: RunLog.RunRecord): string =>
  seeds === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + seeds - 1}`

const when = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace("T", " ")

export const history = Command.make(
  "history",
  shared,
  Effect.fn("cli.history")(function* (flags) {
    const { runs, pins } = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        return { runs: yield* RunLog.list, pins: new Set(yield* RunLog.pins) }
      })
    )
    if (flags.json)
      return yield* printLine(JSON.stringify({ runs: runs.map((each) => ({ ...each, pinned: pins.has(each.runId) })) }))
    const isShared = new Set(runs.map(({ pipeline }) => pipeline)).size > 1
    for (const each of runs) {
      const name = isShared ? `${each.pipeline}  ` : ""
      const failed = each.failed.length === 0 ? "" : paint("red", `, ${each.failed.length} failed`)
      const state = each.state === "finished" ? "" : paint("yellow", `, ${each.state}`)
      yield* printLine(
        `${each.runId}  ${when(each.startedMs)}  ${name}${(each.profile ?? "-").padEnd(6)} ${seedsOf(each)}, ${each.executed.length} executed, ${each.cached.length} cached${failed}${state}  ${formatDuration(each.durationMs)}${pins.has(each.runId) ? "  pinned" : ""}`
      )
    }
  })
).pipe(Command.withDescription("List earlier runs"))

/** The results that a run had, as far as they are still there. */
const resultsOf = Effect.fnUntraced(function* (record: RunLog.RunRecord) {
  const { results } = yield* Store
  const found = new Map<string, StepResult>()
  for (const [step, key] of Object.entries(record.keys)) {
    const result = yield* results.withOutputs(key, record.outputs[step])
    if (Option.isSome(result)) found.set(step, result.value)
  }
  return found
})

const stateOf = (record: RunLog.RunRecord, step: string): string =>
  record.executed.includes(step) ? "executed" : record.cached.includes(step) ? "cached" : "failed"

export const show = Command.make(
  "show",
  { ...shared, run },
  Effect.fn("cli.show")(function* (flags) {
    const { record, results } = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        const record = yield* RunLog.find(flags.run)
        return { record, results: yield* resultsOf(record) }
      })
    )
    const steps = Object.entries(record.keys).map(([id, key]) => {
      const result = results.get(id)
      const { stage: _stage, code: _code, ...from } = result?.ingredients ?? { stage: "", code: undefined }
      return { id, key, state: stateOf(record, id), provenance: result?.provenance ?? null, ...from }
    })
    if (flags.json) return yield* printLine(JSON.stringify({ ...record, steps }))
    yield* printLine(
      `${paint("bold", record.runId)}  ${when(record.startedMs)}  ${formatDuration(record.durationMs)}, profile ${record.profile ?? "none"}, ${seedsOf(record)}${record.state === "finished" ? "" : `, ${record.state}`}`
    )
    for (const { id, key, state, provenance } of steps) {
      const made =
        provenance === null
          ? "collected since"
          : `made in ${formatDuration(provenance.durationMs)} by run ${provenance.runId}, op-pipe ${provenance.opPipe}, Node.js ${provenance.node}${provenance.commit === null ? "" : `, commit ${provenance.commit.slice(0, 12)}${provenance.dirty === true ? " with changes" : ""}`}`
      yield* printLine(`  ${id}  ${state}  ${paint("dim", key.slice(0, 12))}  ${made}`)
    }
  })
).pipe(Command.withDescription("Show the steps of an earlier run, with durations and versions"))

/** The JSON documents among a result's outputs, by path. */
const documentsOf = Effect.fnUntraced(function* (result: StepResult) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  const documents: Record<string, unknown> = {}
  for (const output of Object.values(result.outputs)) {
    const entry = output.entries[0]
    if (output.kind !== "json" || entry?.kind !== "file") continue
    const blob = yield* blobs.verified(entry.digest)
    if (Option.isSome(blob)) documents[output.path] = JSON.parse(yield* disk.readText(blob.value)) as unknown
  }
  return documents
})

interface StepDiff {
  readonly id: string
  readonly reasons: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
}

const mostLines = 40

const diffResults = Effect.fnUntraced(function* (a: StepResult, b: StepResult) {
  const documents = [yield* documentsOf(a), yield* documentsOf(b)] as const
  const outputs = CacheKey.diffJson(documents[0], documents[1], "")
  const more = outputs.length > mostLines ? [`... and ${outputs.length - mostLines} more`] : []
  return { reasons: CacheKey.diff(a.ingredients, b.ingredients), outputs: [...outputs.slice(0, mostLines), ...more] }
})

export const diff = Command.make(
  "diff",
  { ...shared, run, other: Argument.String("other").pipe(Argument.withDescription("The run to compare with")) },
  Effect.fn("cli.diff")(function* (flags) {
    const steps = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        const [one, two] = [yield* RunLog.find(flags.run), yield* RunLog.find(flags.other)]
        const [before, after] = [yield* resultsOf(one), yield* resultsOf(two)]
        const ids = Array.from(new Set([...before.keys(), ...after.keys()]))
        const compared: Array<StepDiff> = []
        for (const id of ids) {
          const [a, b] = [before.get(id), after.get(id)]
          const only = [`only in ${a === undefined ? two.runId : one.runId}`]
          const found = a === undefined || b === undefined ? { reasons: only, outputs: [] } : yield* diffResults(a, b)
          compared.push({ id, ...found })
        }
        return compared
      })
    )
    if (flags.json) return yield* printLine(JSON.stringify({ steps }))
    for (const { id, reasons, outputs } of steps) {
      yield* printLine(reasons.length + outputs.length === 0 ? `${id}  the same` : paint("bold", id))
      for (const line of [...reasons, ...outputs]) yield* printLine(`  ${line}`)
    }
  })
).pipe(Command.withDescription("Compare two runs: parameters, code, versions, and what their documents say"))

export const restore = Command.make(
  "restore",
  { ...shared, run },
  Effect.fn("cli.restore")(function* (flags) {
    const restored = yield* Session.withStore(flags, (project) =>
      Effect.gen(function* () {
        const { results } = yield* Store
        const record = yield* RunLog.find(flags.run)
        const usable = yield* Effect.forEach(Object.entries(record.keys), ([id, key]) =>
          Effect.map(results.usable(key, record.outputs[id]), (result) => ({ id, result }))
        )
        const gone = usable.filter((each) => typeof each.result === "string").map((each) => each.id)
        if (gone.length > 0) {
          return yield* new UsageError({
            message: `restore ${flags.run}: the store no longer has the results of ${gone.join(", ")}; nothing was changed. \`op-pipe pin RUN\` keeps a run's results`
          })
        }
        const found = usable.flatMap(({ id, result }) => (typeof result === "string" ? [] : [[id, result] as const]))
        const stamped = { ...record, results: new Map(found) }
        for (const [id, result] of found) {
          const rendered = yield* Template.rendered(project.pipeline, id, stamped)
          yield* materialize(result, path.join(project.outputsDir, id), rendered)
        }
        return { runId: record.runId, steps: usable.map((each) => each.id), outputs: project.outputsDir }
      })
    )
    if (flags.json) return yield* printLine(JSON.stringify(restored))
    yield* printLine(`The outputs of run ${restored.runId} (${restored.steps.join(", ")}) are in ${restored.outputs}`)
  })
).pipe(Command.withDescription("Lay out the outputs of an earlier run, without computing anything"))

const pinning = (name: string, pinned: boolean, description: string) =>
  Command.make(
    name,
    { ...shared, run },
    Effect.fn(`cli.${name}`)(function* (flags) {
      const runId = yield* Session.withStore(flags, () =>
        Effect.gen(function* () {
          const record = yield* RunLog.find(flags.run)
          yield* RunLog.setPinned(record, pinned)
          return record.runId
        })
      )
      if (flags.json) return yield* printLine(JSON.stringify({ runId, pinned }))
      yield* printLine(
        pinned ? `Run ${runId} is pinned: its results are never collected` : `Run ${runId} is no longer pinned`
      )
    })
  ).pipe(Command.withDescription(description))

export const pin = pinning("pin", true, "Keep an earlier run's results from being collected")
export const unpin = pinning("unpin", false, "Let an earlier run's results be collected again")
