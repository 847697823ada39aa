/** `op-pipe diff`: what differs between two runs, of what went in and of what came out. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as TreeChange from "../../cache/store/tree/TreeChange.ts"
import { displayName } from "../../core/pipeline/Step.ts"
import * as Sources from "../../core/plan/Sources.ts"
import * as RunLog from "../../core/run/RunLog.ts"
import { formatBytes, paint, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import * as Session from "../Session.ts"

const namesIn = (a: object, b: object): ReadonlyArray<string> =>
  Array.from(new Set([...Object.keys(a), ...Object.keys(b)]))

/** How the inputs of a step differ: a source by its files, if the store still has the list of them. */
const diffInputs = Effect.fnUntraced(function* (a: StepResult, b: StepResult) {
  const [before, after] = [a.ingredients.inputs, b.ingredients.inputs]
  const lines: Array<string> = []
  for (const name of namesIn(before, after)) {
    const [one, other] = [before[name], after[name]]
    if (one === other) continue
    if (one === undefined || other === undefined) {
      lines.push(`input ${name} was ${one === undefined ? "added" : "removed"}`)
      continue
    }
    const trees = [yield* Sources.listed(one), yield* Sources.listed(other)] as const
    const [old, now] = trees.map(Option.getOrUndefined)
    lines.push(
      old === undefined || now === undefined
        ? `input ${name} changed`
        : `input ${name}: ${TreeChange.describe(old, now)}`
    )
  }
  return lines
})

/** The document of an output; undefined if it is none, or gone. */
const documentOf = Effect.fnUntraced(function* ({ kind, entries: [entry] }: Output) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  if (kind !== "json" || entry?.kind !== "file") return undefined
  const blob = yield* blobs.verified(entry.digest)
  return Option.isNone(blob) ? undefined : { value: JSON.parse(yield* disk.readText(blob.value)) as unknown }
})

const sizeOf = ({ entries: [entry] }: Output): string =>
  entry?.kind === "file" ? formatBytes(entry.sizeBytes) : "none"

/** How an output differs: a document by its values, a folder by its entries, a file by its size. */
const diffOutput = Effect.fnUntraced(function* (before: Output, after: Output) {
  if (before.kind !== after.kind) return [`${after.path}: a ${before.kind} -> a ${after.kind}`]
  if (before.path !== after.path) return [`${before.path} is ${after.path} now`]
  if (before.kind === "folder") {
    const changes = TreeChange.describe(before.entries, after.entries)
    return changes === "" ? [] : [`${after.path}: ${changes}`]
  }
  const [one, other] = [before.entries[0], after.entries[0]]
  if (one?.kind !== "file" || other?.kind !== "file") return [`${after.path} changed`]
  if (one.digest === other.digest)
    return one.mode === other.mode ? [] : [`${after.path}: mode ${one.mode.toString(8)} -> ${other.mode.toString(8)}`]
  const documents = [yield* documentOf(before), yield* documentOf(after)] as const
  if (documents[0] !== undefined && documents[1] !== undefined) {
    const values = CacheKey.diffJson(documents[0].value, documents[1].value, after.path)
    return values.length > 0 ? values : [`${after.path}: the same values, written otherwise`]
  }
  return [`${after.path} changed (${sizeOf(before)} -> ${sizeOf(after)})`]
})

const diffOutputs = Effect.fnUntraced(function* (a: StepResult, b: StepResult) {
  const lines: Array<string> = []
  for (const name of namesIn(a.outputs, b.outputs)) {
    const [before, after] = [a.outputs[name], b.outputs[name]]
    if (before === undefined) lines.push(`output ${name} was added`)
    else if (after === undefined) lines.push(`output ${name} was removed`)
    else lines.push(...(yield* diffOutput(before, after)))
  }
  return lines
})

interface StepDiff {
  readonly id: string
  /** How what went in differs: parameters, code, packages, programs, inputs. */
  readonly reasons: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
}

/** What a run says of a step of which there is no result to compare. */
const without = (record: RunLog.RunRecord, id: string): string => {
  if (record.keys[id] !== undefined) return `its result of ${record.runId} is no longer in the store`
  if (record.failed.includes(id)) return `failed in ${record.runId}`
  if (record.skipped.includes(id)) return `skipped in ${record.runId}`
  return `was no part of ${record.runId}`
}

const idsOf = ({ keys, failed, skipped }: RunLog.RunRecord): ReadonlyArray<string> => [
  ...Object.keys(keys),
  ...failed,
  ...skipped
]

const compare = Effect.fnUntraced(function* (one: RunLog.RunRecord, other: RunLog.RunRecord) {
  const [before, after] = [yield* Session.resultsOf(one), yield* Session.resultsOf(other)]
  return yield* Effect.forEach(new Set([...idsOf(one), ...idsOf(other)]), (id) =>
    Effect.gen(function* () {
      const [a, b] = [before.get(id), after.get(id)]
      const lacking = [...(a === undefined ? [without(one, id)] : []), ...(b === undefined ? [without(other, id)] : [])]
      if (a === undefined || b === undefined) return { id, reasons: lacking, outputs: [] } satisfies StepDiff
      const reasons = [...CacheKey.diff(a.ingredients, b.ingredients), ...(yield* diffInputs(a, b))]
      return { id, reasons, outputs: yield* diffOutputs(a, b) } satisfies StepDiff
    })
  )
})

/** So many lines of a step are shown; `--json` has all. */
const mostLines = 12

const shownLines = ({ reasons, outputs }: StepDiff): ReadonlyArray<string> => {
  const lines = [...reasons, ...outputs]
  const left = lines.length - mostLines
  // of one that is left out, there would be a line to say so
  return left <= 1 ? lines : [...lines.slice(0, mostLines), `... and ${left} more; --json has all`]
}

export const diff = Command.make(
  "diff",
  {
    ...Flags.project,
    json: Flags.json,
    run: Argument.String("run").pipe(
      Argument.withDescription("A run's id, the beginning of one, or last, last~1, ..., sweep/3")
    ),
    other: Argument.String("other").pipe(Argument.withDescription("The run to compare with"))
  },
  Effect.fn("cli.diff")(function* (flags) {
    const steps = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        return yield* compare(yield* RunLog.find(flags.run), yield* RunLog.find(flags.other))
      })
    )
    const all = steps.map((each) => ({ ...each, same: each.reasons.length + each.outputs.length === 0 }))
    if (flags.json) return yield* printJson("diff", { steps: all })
    for (const step of all) {
      yield* printLine(step.same ? `${displayName(step.id)}  the same` : paint("bold", displayName(step.id)))
      for (const line of shownLines(step)) yield* printLine(`  ${line}`)
    }
  })
).pipe(Command.withDescription("Compare two runs: what went into each step, and what came out"))
