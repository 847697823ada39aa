/** `op-pipe read STEP.OUTPUT`: what a step made, out of the store: a value, or the path of a file or folder. */

import * as path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../../../cache/identity/Digest.ts"
import { few } from "../../../cache/identity/Shown.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import type { Output, StepResult } from "../../../cache/store/ResultStore.ts"
import { Store } from "../../../cache/store/Store.ts"
import type * as Artifact from "../../../core/pipeline/Artifact.ts"
import type { Pipeline } from "../../../core/pipeline/Pipeline.ts"
import { type AnyStep, branchOf, displayName } from "../../../core/pipeline/Step.ts"
import * as OutputFolder from "../../../core/plan/OutputFolder.ts"
import { normalizeStepId } from "../../../core/plan/Settings.ts"
import { SettingsError, unknownName } from "../../../core/plan/SettingsError.ts"
import * as Template from "../../../core/plan/Template.ts"
import { NoResult } from "../../../core/run/LastResult.ts"
import { provideInput } from "../../../core/run/Materialize.ts"
import * as RunLog from "../../../core/run/RunLog.ts"
import { paint, printLine, write } from "../../Console.ts"
import { UsageError } from "../../Failure.ts"
import * as Flags from "../../Flags.ts"
import { printJson } from "../../json/Shapes.ts"
import type { Project } from "../../Project.ts"
import * as Session from "../../Session.ts"

/** A step by each name that it may be called by. */
interface Named {
  readonly name: string
  readonly id: string
}

/** The steps of the pipeline and of the run that is asked about, which may have had others. */
const namesIn = (pipeline: Pipeline, record: RunLog.RunRecord | undefined): ReadonlyArray<Named> => {
  const ids = new Set([...pipeline.steps.map(({ id }) => id), ...Object.keys(record?.keys ?? {})])
  const stages = pipeline.steps.map(({ id, stage }) => ({ name: stage.name, id }))
  return [...Array.from(ids).flatMap((id) => [id, displayName(id)].map((name) => ({ name, id }))), ...stages]
}

/** Cuts `STEP.OUTPUT`. A step's name may hold dots: the longest of `names` that the text begins with is meant. */
const parse = Effect.fnUntraced(function* (asked: string, names: ReadonlyArray<Named>) {
  const fitting = names.filter(({ name }) => asked === name || asked.startsWith(`${name}.`))
  const longest = Math.max(0, ...fitting.map(({ name }) => name.length))
  const meant = fitting.filter(({ name }) => name.length === longest)
  const ids = Array.from(new Set(meant.map(({ id }) => id)))
  const [step] = ids
  if (step === undefined) {
    // of branches there may be thousands
    const ids = names.map(({ id }) => id).filter((id) => branchOf(id) === undefined)
    const shown = Array.from(new Set(ids))
    const end = asked.lastIndexOf(".")
    const text = end < 0 ? asked : asked.slice(0, end)
    return yield* unknownName(`read ${asked}`, "steps", shown, normalizeStepId(text))
  }
  if (ids.length > 1) {
    const expected = "one step"
    return yield* new SettingsError({ asked: `read ${asked}`, expected, actual: ids.map(displayName).join(", ") })
  }
  return { step, output: asked === meant[0]?.name ? undefined : asked.slice(longest + 1) }
})

/** The result that a step had in a run, or its last one; every blob of it is there. */
const resultOf = Effect.fnUntraced(function* (step: string, record: RunLog.RunRecord | undefined) {
  const { results } = yield* Store
  if (record === undefined) {
    const last = yield* results.last(step)
    const found = Option.isNone(last) ? "absent" : yield* results.usable(last.value.key)
    return typeof found === "string" ? yield* new NoResult({ step }) : found
  }
  const key = record.keys[step]
  const asked = `${displayName(step)} of run ${record.runId}`
  const expected = "a result"
  if (key === undefined) return yield* new SettingsError({ asked, expected, actual: "none: it was no part of the run" })
  const found = yield* results.usable(key, record.outputs[step])
  if (typeof found !== "string") return found
  return yield* new SettingsError({ asked, expected, actual: "none: the store no longer has it" })
})

/** The output of a result that is asked for; the only one, if none is. */
const outputOf = Effect.fnUntraced(function* (
  asked: string,
  name: string | undefined,
  result: StepResult,
  declared: Readonly<Record<string, Artifact.Any>>
) {
  const made = Object.keys(result.outputs)
  const [only] = made
  if (name === undefined && made.length === 1 && only !== undefined) return only
  if (name !== undefined && made.includes(name)) return name
  if (name !== undefined && declared[name] !== undefined) {
    const actual = "none: the step left it out"
    return yield* new SettingsError({ asked: `read ${asked}`, expected: `the output ${name}`, actual })
  }
  if (name !== undefined) return yield* unknownName(`read ${asked}`, "outputs", made, name)
  const expected = `one of the outputs ${made.map((each) => `${asked}.${each}`).join(", ")}`
  return yield* new SettingsError({ asked: `read ${asked}`, expected, actual: "no name of one" })
})

/** Where an output lies in `outputs/`, if what is there is this result. */
const placeInOutputs = Effect.fnUntraced(function* (
  { pipeline, outputsDir }: Project,
  step: string,
  result: StepResult,
  output: Output
) {
  if (!output.layOut) return undefined
  const latest = Option.getOrUndefined(yield* RunLog.latest)
  const results = latest === undefined ? new Map<string, StepResult>() : yield* Session.resultsOf(latest)
  const context = { profile: latest?.profile ?? null, seed: latest?.seed ?? pipeline.seed, results }
  const rendered = yield* Template.rendered(pipeline, step, context)
  const folder = OutputFolder.of(outputsDir, step)
  const isThere = Option.isNone(yield* OutputFolder.difference(result, folder, rendered))
  return isThere ? path.join(folder, output.path) : undefined
})

/** Where the one file of an output lies in the store. */
const blobOf = Effect.fnUntraced(function* (step: string, { entries: [entry] }: Output) {
  const { blobs } = yield* Store
  const blob = entry?.kind === "file" ? yield* blobs.verified(entry.digest) : Option.none<string>()
  return Option.isNone(blob) ? yield* new NoResult({ step }) : blob.value
})

const isTaken = (to: string, expected: string, found: string): UsageError =>
  new UsageError({ message: `--to ${to}: expected ${expected}, but found ${found}. Name another, or remove it` })

/** Fails for a file whose bytes are nowhere else: one that no step made. */
const checkReplaced = Effect.fnUntraced(function* (to: string) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  if (!(yield* disk.exists(to))) return
  const ofUser = isTaken(to, "a place where nothing is, or what a step made", "something else")
  const bytes = yield* Effect.mapError(disk.read(to), () => ofUser)
  if (Option.isNone(yield* blobs.verified(Digest.ofBytes(bytes)))) return yield* ofUser
})

/** Writes a copy of an output: a file in the place of another that a step made, a folder where nothing is. */
const copyTo = Effect.fnUntraced(function* (step: string, output: Output, to: string) {
  const disk = yield* Disk
  const [entry] = output.entries
  if (entry?.kind === "file") {
    yield* checkReplaced(to)
    yield* Session.replaceFile(to, yield* disk.read(yield* blobOf(step, output)))
    return yield* disk.setMode(to, entry.mode)
  }
  if (yield* disk.exists(to)) return yield* isTaken(to, "a place where nothing is", "something")
  const aside = `${to}.${process.pid}.new`
  const copy = Effect.gen(function* () {
    yield* disk.makeFolder(path.dirname(to))
    const artifact: Artifact.Any = { kind: "folder", tag: "", path: output.path, materialize: true, optional: false }
    yield* disk.rename(yield* provideInput(output, artifact, aside, "Command"), to)
  })
  yield* Effect.ensuring(copy, Effect.ignore(disk.remove(aside)))
})

const notLaidOut = (asked: string): UsageError =>
  new UsageError({
    message: `read ${asked}: expected a folder in outputs/, but this one is in the store alone. Name a place for a copy by --to`
  })

/** The bytes of a document or a text; a terminal gets no orders from them. */
const print = (bytes: Uint8Array): Effect.Effect<void> =>
  Effect.sync(() => {
    const text = new TextDecoder().decode(bytes)
    if (process.stdout.isTTY === true) write(text.endsWith("\n") ? text : `${text}\n`)
    else process.stdout.write(bytes)
  })

/** The step as it is declared: a branch by the step that stands for it, a replica by the one that it repeats. */
const declaredStep = ({ steps }: Pipeline, id: string): AnyStep | undefined => {
  const of = branchOf(id)?.of ?? id
  return steps.find((step) => step.id === of) ?? steps.find((step) => step.id === of.replace(/#\d+$/u, ""))
}

const mostNamed = 5

/** Refuses a step that stands for branches: each has outputs of its own. */
const checkBranch = Effect.fnUntraced(function* (
  asked: string,
  step: AnyStep | undefined,
  id: string,
  names: ReadonlyArray<Named>
) {
  if (step?.each === undefined || branchOf(id) !== undefined) return
  const branches = Array.from(new Set(names.map((each) => each.id))).filter((each) => branchOf(each)?.of === id)
  if (branches.length === 0) return yield* new NoResult({ step: id })
  return yield* new SettingsError({
    asked: `read ${asked}`,
    expected: `one of its branches ${few(branches.map(displayName), mostNamed)}`,
    actual: "all"
  })
})

interface Asked {
  readonly from: string
  readonly run: Option.Option<string>
  readonly to: Option.Option<string>
  readonly json: boolean
}

const readFrom = Effect.fnUntraced(function* (project: Project, { from, run, to, json }: Asked) {
  const disk = yield* Disk
  const { pipeline } = project
  const record = Option.isNone(run) ? undefined : yield* RunLog.find(run.value)
  const latest = record ?? Option.getOrUndefined(yield* RunLog.latest)
  const names = namesIn(pipeline, latest)
  const { step, output: asked } = yield* parse(from, names)
  const placed = declaredStep(pipeline, step)
  yield* checkBranch(from, placed, step, names)
  const declared = (placed?.stage.output ?? {}) as Record<string, Artifact.Any>
  const result = yield* resultOf(step, record)
  const name = yield* outputOf(from, asked, result, declared)
  const output = result.outputs[name]!
  const kind = declared[name]?.kind ?? output.kind
  const place = Option.getOrUndefined(Option.map(to, (each) => path.resolve(each)))
  if (place !== undefined) yield* copyTo(step, output, place)
  const isValue = kind === "json" || kind === "text"
  const lies = place ?? (yield* placeInOutputs(project, step, result, output))
  const at = lies ?? (kind === "folder" ? undefined : yield* blobOf(step, output))
  if (at === undefined) return yield* notLaidOut(from)
  const bytes = isValue ? yield* disk.read(yield* blobOf(step, output)) : new Uint8Array()
  if (json) {
    const text = new TextDecoder().decode(bytes)
    const value = kind === "json" ? { value: JSON.parse(text) as unknown } : kind === "text" ? { value: text } : {}
    return yield* printJson("read", { step, output: name, kind, key: result.key, path: at, ...value })
  }
  if (place !== undefined) return yield* printLine(`${paint("dim", "wrote")} ${path.relative(process.cwd(), place)}`)
  yield* isValue ? print(bytes) : printLine(at)
})

export const read = Command.make(
  "read",
  {
    ...Flags.project,
    run: Flag.String("run").pipe(
      Flag.withMetavar("RUN"),
      Flag.withDescription("The run whose result it is; default: the step's last result"),
      Flag.optional
    ),
    to: Flag.String("to").pipe(Flag.withMetavar("PATH"), Flag.withDescription("Write a copy there"), Flag.optional),
    json: Flags.json,
    from: Argument.String("STEP.OUTPUT").pipe(
      Argument.withDescription("The output's name may be left out where a step has one output")
    )
  },
  Effect.fn("cli.read")(function* (flags) {
    yield* Session.withStore(flags, (project) => readFrom(project, flags))
  })
).pipe(
  Command.withDescription(
    "Print a document or a text that a step made, or the path of a file or folder; also of what is not in outputs/"
  )
)
