/** `op-pipe history`, `show`, `restore`, `pin`, `unpin`: earlier runs. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import type { Provenance } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { displayName } from "../../core/pipeline/Step.ts"
import * as OutputFolder from "../../core/plan/OutputFolder.ts"
import * as Template from "../../core/plan/Template.ts"
import { materialize } from "../../core/run/Materialize.ts"
import * as BranchFolders from "../../core/run/outputs/BranchFolders.ts"
import * as RunLog from "../../core/run/RunLog.ts"
import { formatDuration, padEnd, paint, printError, printLine, widthOf } from "../Console.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import * as Reporter from "../Reporter.ts"
import * as Session from "../Session.ts"

const shared = { ...Flags.project, json: Flags.json }
const run = Argument.String("run").pipe(
  Argument.withDescription("A run's id, the beginning of one, or last, last~1, ..., sweep/3")
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
      return yield* printJson("history", { runs: runs.map((each) => ({ ...each, pinned: pins.has(each.runId) })) })
    const isShared = new Set(runs.map(({ pipeline }) => pipeline)).size > 1
    for (const each of runs) {
      const name = isShared ? `${each.pipeline}  ` : ""
      const failed = each.failed.length === 0 ? "" : paint("red", `, ${each.failed.length} failed`)
      const setting = each.sweep === undefined ? "" : `  setting ${each.sweep.number} of ${each.sweep.id}`
      const state = each.state === "finished" ? "" : paint("yellow", `, ${each.state}`)
      yield* printLine(
        `${each.runId}  ${when(each.startedMs)}  ${name}${(each.profile ?? "-").padEnd(6)} ${seedsOf(each)}, ${each.executed.length} executed, ${each.cached.length} cached${failed}${state}  ${formatDuration(each.durationMs)}${setting}${pins.has(each.runId) ? "  pinned" : ""}`
      )
    }
  })
).pipe(Command.withDescription("List earlier runs"))

const stateOf = (record: RunLog.RunRecord, step: string): string =>
  record.executed.includes(step) ? "executed" : record.cached.includes(step) ? "cached" : "failed"

interface ShownStep {
  readonly id: string
  readonly state: string
  readonly provenance: Provenance | null
}

const versionsOf = ({ opPipe, node, commit, dirty }: Provenance): string =>
  `op-pipe ${opPipe}, Node.js ${node}${commit === null ? "" : `, commit ${commit.slice(0, 12)}${dirty === true ? " with changes" : ""}`}`

/** A run: what it was asked for, a line for each step, and with what the results were made. */
const shownRun = (record: RunLog.RunRecord, steps: ReadonlyArray<ShownStep>): ReadonlyArray<string> => {
  const { runId, startedMs, durationMs, state, profile } = record
  const end = state === "finished" ? "" : `, ${state}`
  const asked = `profile ${profile ?? "none"}, ${seedsOf(record)}${end}`
  const names = steps.map(({ id }) => displayName(id))
  const width = Math.max(0, ...names.map(widthOf))
  const rows = steps.map(({ state, provenance }, at) => {
    const name = `  ${padEnd(names[at]!, width)}  ${state.padEnd(8)}`
    if (provenance === null) return `${name}  its result is no longer in the store`
    const by = provenance.runId === runId ? "" : `  by run ${provenance.runId}`
    const failed = provenance.failedAttempts?.length ?? 0
    const tried = failed === 0 ? "" : `  after ${failed} failed ${failed === 1 ? "attempt" : "attempts"}`
    return `${name}  ${formatDuration(provenance.durationMs).padStart(10)}${tried}${paint("dim", by)}`
  })
  const made = new Set(steps.flatMap(({ provenance }) => (provenance === null ? [] : [versionsOf(provenance)])))
  return [
    `${paint("bold", runId)}  ${when(startedMs)}  ${formatDuration(durationMs)}, ${asked}`,
    ...rows,
    ...Array.from(made, (versions) => paint("dim", `made with ${versions}`))
  ]
}

export const show = Command.make(
  "show",
  { ...shared, run },
  Effect.fn("cli.show")(function* (flags) {
    const { record, results } = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        const record = yield* RunLog.find(flags.run)
        return { record, results: yield* Session.resultsOf(record) }
      })
    )
    const steps = Object.entries(record.keys).map(([id, key]) => {
      const result = results.get(id)
      const { stage: _stage, code: _code, ...from } = result?.ingredients ?? { stage: "", code: undefined }
      return { id, key, state: stateOf(record, id), provenance: result?.provenance ?? null, ...from }
    })
    if (flags.json) return yield* printJson("show", { ...record, steps })
    for (const line of shownRun(record, steps)) yield* printLine(line)
  })
).pipe(Command.withDescription("Show the steps of an earlier run, with durations and versions"))

export const restore = Command.make(
  "restore",
  { ...shared, run },
  Effect.fn("cli.restore")(function* (flags) {
    const moved: Array<string> = []
    const kept = (text: string): void => void moved.push(text)
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
            message: `restore ${flags.run}: the store no longer has the results of ${Reporter.fewSteps(gone)}; nothing was changed. \`op-pipe pin RUN\` keeps a run's results`
          })
        }
        const found = usable.flatMap(({ id, result }) => (typeof result === "string" ? [] : [[id, result] as const]))
        const recorded = { ...record, results: new Map(found) }
        yield* BranchFolders.prepare(
          project.outputsDir,
          found.map(([id]) => id),
          kept
        )
        for (const [id, result] of found) {
          const rendered = yield* Template.rendered(project.pipeline, id, recorded)
          yield* materialize(result, OutputFolder.of(project.outputsDir, id), rendered, {
            waits: () => undefined,
            kept
          })
        }
        return { runId: record.runId, steps: usable.map((each) => each.id), outputs: project.outputsDir }
      })
    )
    for (const text of moved) yield* printError(text)
    if (flags.json) return yield* printJson("restore", restored)
    yield* printLine(
      `The outputs of run ${restored.runId} (${Reporter.fewSteps(restored.steps)}) are in ${restored.outputs}`
    )
  })
).pipe(Command.withDescription("Put back the outputs of an earlier run, without computing anything"))

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
      if (flags.json) return yield* printJson("pin", { runId, pinned })
      yield* printLine(
        pinned ? `Run ${runId} is pinned: its results are never collected` : `Run ${runId} is no longer pinned`
      )
    })
  ).pipe(Command.withDescription(description))

export const pin = pinning("pin", true, "Keep an earlier run's results from being collected")
export const unpin = pinning("unpin", false, "Let an earlier run's results be collected again")
