/**
 * Freshness: whether a step has a result to use, and if not, why it must run.
 *
 * - *fresh*: the store has the result that the step would make.
 * - *stale*: the store has no such result, but the step had one before.
 * - *pending*: unknown until an upstream step has run.
 * - *never run*: the step never had a result.
 * - *unknown*: the quick answer only; the full answer is one of the others.
 *
 * Run, dry run, `status`, `why` and `dag` all ask here. Each reason to run has one predicate; a new reason is one more
 * entry of the list `decisive` or `comparisons`.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import type * as Digest from "../../cache/identity/Digest.ts"
import { few } from "../../cache/identity/Shown.ts"
import type { Disk, DiskError, SyncDisk } from "../../cache/store/Disk.ts"
import { type LastKeys, noLastKeys, type StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import { type AnyStep, displayName, upstream } from "../pipeline/Step.ts"
import * as Ingredients from "./Ingredients.ts"
import * as Branches from "./many/Branches.ts"
import * as OutputFolder from "./OutputFolder.ts"
import { declaredId, missingOf, type Prepared } from "./Prepared.ts"
import * as Sources from "./Sources.ts"
import * as StoredResult from "./StoredResult.ts"
import * as Template from "./Template.ts"

export type State = "fresh" | "stale" | "pending" | "never run"

export interface Assessment {
  readonly step: AnyStep
  readonly state: State
  /** Why the step must run; empty for a fresh one. */
  readonly reasons: ReadonlyArray<string>
  /** Known once all inputs are. */
  readonly key: Digest.Digest | undefined
  readonly result: StepResult | undefined
  /**
   * How the files of a fresh step in `outputs/` differ from its result, and whether they are the user's; only if they
   * were compared.
   */
  readonly outputs?: { readonly difference: string; readonly isOccupied: boolean }
  /** Of a step that stands for one for each of many: what is true of each, once these are known. */
  readonly branches?: ReadonlyArray<Assessment>
}

/** What the answer depends on besides the step. */
export interface Known {
  /** Results of upstream steps, by id; the step waits for those without one. */
  readonly results: ReadonlyMap<string, StepResult>
  /** Ids of the steps that run even if their result is there. */
  readonly forced: ReadonlySet<string>
}

/** Whether `step` runs even if its result is there: it was asked for, or the step was that it was placed for. */
export const isForced = (forced: Known["forced"], step: AnyStep): boolean =>
  forced.has(step.id) || forced.has(declaredId(step))

/** The facts that the reasons of one step follow from. */
interface Evidence {
  /** Why the store has no result to use; undefined while the key is not known. */
  readonly unusable: StoredResult.Unusable | undefined
  readonly hadResult: boolean
  /** What the last result was made from, if it is in the store. */
  readonly before: CacheKey.Ingredients | undefined
  readonly now: CacheKey.Ingredients
  /** How inputs that the step had before differ, in words. */
  readonly inputChanges: ReadonlyArray<string>
  readonly waitsFor: ReadonlyArray<string>
}

/** A reason to run, in words; empty if it does not apply. */
type Reason = (evidence: Evidence) => ReadonlyArray<string>

const isDamaged: Reason = ({ unusable }) =>
  unusable === "damaged" ? ["a stored file of the result is missing or damaged"] : []
const isRefused: Reason = ({ unusable }) =>
  unusable === "refused" ? ["its record in the store is damaged, or not one that op-pipe wrote, and is not used"] : []
const isOutdated: Reason = ({ unusable }) =>
  unusable === "outdated" ? ["a stored document of the result no longer fits its schema"] : []
const wasUnsealed: Reason = ({ unusable }) => (unusable === "unsealed" ? ["made without a sandbox"] : [])
const waitsForOthers: Reason = ({ before, waitsFor }) =>
  before === undefined && waitsFor.length > 0 ? [`waits for ${waitsFor.join(", ")}`] : []
const neverRan: Reason = ({ before, hadResult }) => (before === undefined && !hadResult ? ["first run"] : [])
const lostLastResult: Reason = ({ before, hadResult }) =>
  before === undefined && hadResult ? ["the last result is no longer in the store"] : []

/** The first of these that applies is the only reason: there is nothing to compare then. */
const decisive: ReadonlyArray<Reason> = [
  isDamaged,
  isRefused,
  isOutdated,
  wasUnsealed,
  waitsForOthers,
  neverRan,
  lostLastResult
]

const differs =
  (changes: (before: CacheKey.Ingredients, now: CacheKey.Ingredients) => ReadonlyArray<string>): Reason =>
  ({ before, now }) =>
    before === undefined ? [] : changes(before, now)

const parametersChanged = differs(CacheKey.changes.parameters)
const codeChanged = differs(CacheKey.changes.code)
const packagesChanged = differs(CacheKey.changes.packages)
const toolchainChanged = differs(CacheKey.changes.toolchain)
const runtimeChanged = differs(CacheKey.changes.runtime)
const programsChanged = differs(CacheKey.changes.programs)
const inputsAdded = differs((before, now) =>
  Object.keys(now.inputs)
    .filter((name) => !(name in before.inputs))
    .map((name) => `input ${name} was added`)
)
const inputsChanged: Reason = ({ inputChanges }) => inputChanges
const inputsRemoved = differs((before, now) =>
  Object.keys(before.inputs)
    .filter((name) => !(name in now.inputs))
    .map((name) => `input ${name} was removed`)
)
const upstreamWaits: Reason = ({ waitsFor }) => (waitsFor.length > 0 ? [`waits for ${waitsFor.join(", ")}`] : [])

/** Each of these that applies is a reason. */
const comparisons: ReadonlyArray<Reason> = [
  ...[parametersChanged, codeChanged, packagesChanged, toolchainChanged, runtimeChanged, programsChanged],
  ...[inputsAdded, inputsChanged, inputsRemoved, upstreamWaits]
]

const reasonsOf = (evidence: Evidence): ReadonlyArray<string> => {
  const [first] = decisive.flatMap((reason) => reason(evidence))
  if (first !== undefined) return [first]
  const found = comparisons.flatMap((reason) => reason(evidence))
  return found.length > 0 ? found : ["the result is no longer in the store"]
}

/** How each input that existed before differs, in words. */
const describeInputs = (prepared: Prepared, step: AnyStep, before: CacheKey.Ingredients, now: CacheKey.Ingredients) =>
  Effect.forEach(
    Object.entries(step.inputs).flatMap(([name, port]) => {
      const digest = before.inputs[name]
      return digest === undefined || digest === now.inputs[name] ? [] : [{ name, port, digest }]
    }),
    ({ name, port, digest }) => {
      if (digest === Ingredients.absent) return Effect.succeed(`input ${Sources.portName(port)} is there now`)
      if (now.inputs[name] === Ingredients.absent)
        return Effect.succeed(`input ${Sources.portName(port)} is absent now`)
      return Sources.describeInput(prepared, port, digest)
    }
  )

/**
 * The answer for a step that has no result to use. `now` is what its result would be made from; undefined while an
 * input is unknown.
 */
const assessStale = Effect.fnUntraced(function* (
  prepared: Prepared,
  step: AnyStep,
  now: CacheKey.KeyParts | undefined,
  { key, unusable, waitsFor }: Pick<Assessment, "key"> & Pick<Evidence, "unusable" | "waitsFor">
) {
  const { results } = yield* Store
  const lastKey = yield* results.lastKey(step.id)
  const hadResult = lastKey !== undefined
  const before = hadResult ? Option.getOrUndefined(yield* results.read(lastKey))?.ingredients : undefined
  const inputs = before?.inputs ?? {}
  const recorded = Ingredients.recordedParts(prepared, step, now ?? { ...Ingredients.ownParts(prepared, step), inputs })
  const inputChanges =
    before === undefined || now === undefined ? [] : yield* describeInputs(prepared, step, before, recorded)
  const reasons = reasonsOf({ unusable, hadResult, before, now: recorded, inputChanges, waitsFor })
  const state = !hadResult ? "never run" : key === undefined ? "pending" : "stale"
  return { step, state, reasons, key, result: undefined } satisfies Assessment
})

/** The full answer for one step. */
export const of = Effect.fnUntraced(function* (prepared: Prepared, step: AnyStep, { results, forced }: Known) {
  const parts = Ingredients.keyParts(prepared, step, results)
  if (parts === undefined) {
    const waitsFor = new Set(upstream(step).flatMap(({ id }) => (results.has(id) ? [] : [displayName(id)])))
    const waiting = { key: undefined, unusable: undefined, waitsFor: Array.from(waitsFor) }
    return yield* assessStale(prepared, step, undefined, waiting)
  }
  const key = yield* CacheKey.of(displayName(step.id), parts)
  const found = yield* StoredResult.find(step, key)
  if (typeof found === "string")
    return yield* assessStale(prepared, step, parts, { key, unusable: found, waitsFor: [] })
  const isAsked = isForced(forced, step)
  const assessment: Assessment = {
    step,
    state: isAsked ? "stale" : "fresh",
    reasons: isAsked ? ["forced"] : [],
    key,
    result: found
  }
  return assessment
})

/** How the files of a fresh step differ from its result, if they do. */
const compareOutputs = Effect.fnUntraced(function* (
  prepared: Prepared,
  { id }: AnyStep,
  result: StepResult,
  folder: string,
  results: ReadonlyMap<string, StepResult>
) {
  const rendered = yield* Template.render(prepared, id, results)
  const difference = yield* OutputFolder.difference(result, folder, rendered)
  if (Option.isNone(difference)) return undefined
  return { difference: difference.value, isOccupied: yield* OutputFolder.isOccupied(result, folder) }
})

export interface AssessOptions {
  readonly forced?: ReadonlySet<string>
  /** Of steps that `each` placed: the names of those branches that alone are asked about. */
  readonly wanted?: ReadonlyMap<string, ReadonlySet<string>>
  /** Compare the files in this folder too. */
  readonly outputsDir?: string
}

/** A step whose content, or for what it stands, is not known before others have run. */
const pending = (step: AnyStep, reasons: ReadonlyArray<string>): Assessment => ({
  step,
  state: "pending",
  reasons,
  key: undefined,
  result: undefined
})

/** How many of the branches are in which state: `2 of 312 stale: a, b`. */
const counted = (branches: ReadonlyArray<Assessment>): ReadonlyArray<string> =>
  (["stale", "never run", "pending"] as const).flatMap((state) => {
    const names = branches.flatMap(({ step, state: own }) => (own === state ? [step.branch?.name ?? step.id] : []))
    return names.length === 0 ? [] : [`${names.length} of ${branches.length} ${state}: ${few(names)}`]
  })

/** The answer for a step that stands for `branches`: the first of these states that one of them is in. */
export const together = (step: AnyStep, branches: ReadonlyArray<Assessment>): Assessment => {
  const states = (["pending", "stale", "never run"] as const).filter((state) =>
    branches.some((each) => each.state === state)
  )
  return { ...pending(step, counted(branches)), state: states[0] ?? "fresh", branches }
}

/** The full answer for each of `steps` (upstream first). */
export const assess = Effect.fn("Freshness.assess")(function* (
  prepared: Prepared,
  steps: ReadonlyArray<AnyStep>,
  { forced = new Set(), wanted, outputsDir }: AssessOptions = {}
) {
  const results = new Map<string, StepResult>()
  const branches = new Map<string, ReadonlyArray<AnyStep>>()
  const one = Effect.fnUntraced(function* (step: AnyStep) {
    const found = yield* of(prepared, step, { results, forced })
    if (found.state === "fresh" && found.result !== undefined) results.set(step.id, found.result)
    return found
  })
  const assessments: Array<Assessment> = []
  for (const step of steps) {
    const missing = missingOf(prepared, step)
    if (missing !== undefined) {
      assessments.push(pending(step, [missing.message]))
      continue
    }
    if (step.each !== undefined) {
      const placed = yield* Branches.of(prepared, step, { results, branches })
      if (placed !== undefined) branches.set(step.id, placed)
      const asked = placed && (yield* Branches.named(step, { names: wanted?.get(step.id), forced }, placed))
      const found = asked && (yield* Effect.forEach(asked, one))
      assessments.push(found === undefined ? pending(step, [Branches.waitsFor(step)]) : together(step, found))
      continue
    }
    const settled = yield* Branches.settled(prepared, step, { results, branches })
    assessments.push(settled === undefined ? pending(step, waitsForMany(step)) : yield* one(settled))
  }
  if (outputsDir === undefined) return assessments
  const compared: (assessment: Assessment) => Effect.Effect<Assessment, DiskError, Disk | Store> = (assessment) => {
    const { step, state, result, branches: each } = assessment
    if (each !== undefined)
      return Effect.map(Effect.forEach(each, compared), (branches): Assessment => ({ ...assessment, branches }))
    if (state !== "fresh" || result === undefined) return Effect.succeed(assessment)
    return Effect.map(
      compareOutputs(prepared, step, result, OutputFolder.of(outputsDir, step.id), results),
      (outputs): Assessment => (outputs === undefined ? assessment : { ...assessment, outputs })
    )
  }
  return yield* Effect.forEach(assessments, compared)
})

/** For what a step waits that takes many which are not known. */
const waitsForMany = (step: AnyStep): ReadonlyArray<string> => {
  // more than one output of a step may be read
  const waitsFor = new Set(upstream(step).flatMap(({ id, each }) => (each === undefined ? [] : [displayName(id)])))
  return [`waits for ${Array.from(waitsFor).join(", ")}`]
}

/** All answers, of branches one by one. */
export const flat = (assessments: ReadonlyArray<Assessment>): ReadonlyArray<Assessment> =>
  assessments.flatMap((each) => each.branches ?? [each])

/** What can be known of a step in no time: it is fresh and its files in `outputs/` are in place, or this is unknown. */
export type QuickAnswer = { readonly state: "fresh"; readonly result: StepResult } | { readonly state: "unknown" }

const unknown: QuickAnswer = { state: "unknown" }

/**
 * The quick answer, by synchronous stats alone: most steps of most runs are as the last run left them (ADR 0010). It is
 * *fresh* if the full answer is *fresh*, the step's folder in `outputsDir` holds the result and is marked, and the
 * result is the step's last one: a run has nothing to do then. `history` saves to read which that is.
 */
export const quick = Effect.fnUntraced(function* (
  prepared: Prepared,
  outputsDir: string,
  history: LastKeys = noLastKeys
) {
  const { memo, results: stored } = yield* Store
  const known = yield* stored.known(history)
  // once for all steps in a folder, of which there may be thousands
  const marks = new Map<string, ReadonlySet<string>>()
  const isMarked = (folder: string, sync: SyncDisk): boolean => {
    const cut = folder.lastIndexOf(path.sep)
    const around = folder.slice(0, cut)
    const names = marks.get(around) ?? new Set(sync.names(OutputFolder.marksIn(around)))
    marks.set(around, names)
    return names.has(folder.slice(cut + 1))
  }
  const answer = (step: AnyStep, { results, forced }: Known, sync: SyncDisk): QuickAnswer => {
    // of what is missing the key would hold nothing
    if (missingOf(prepared, step) !== undefined) return unknown
    if (isForced(forced, step) || Template.isReporting(prepared.pipeline, step.id)) return unknown
    const parts = Ingredients.keyParts(prepared, step, results)
    const key = parts === undefined ? undefined : Result.getOrUndefined(CacheKey.attempt(parts))
    const found = key === undefined ? undefined : known(step.id, key, sync)
    if (found === undefined || StoredResult.decodesDocuments(step)) return unknown
    const result = StoredResult.asDeclared(step, found)
    const folder = OutputFolder.of(outputsDir, step.id)
    const tree = Tree.known(folder, memo, sync)
    if (tree === undefined || !Tree.isSame(tree, OutputFolder.expectedTree(result))) return unknown
    return isMarked(folder, sync) ? { state: "fresh", result } : unknown
  }
  return (step: AnyStep, of: Known, sync: SyncDisk): QuickAnswer => {
    try {
      return answer(step, of, sync)
    } catch {
      // the full answer reports problems of the disk
      return unknown
    }
  }
})
