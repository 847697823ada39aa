/**
 * Template: a report that says where its numbers come from, and stays right about it.
 *
 * Keys, commits and the profile are not ingredients of a result, so no stage can know them: a cached report with them
 * would keep naming results that others with the same content have replaced. A report has placeholders for them, which
 * get their values each time it is written to `outputs/`, from the records of the very results that it was made from.
 * What the store holds stays as the stage wrote it.
 *
 * A placeholder is an HTML comment, `<!--op-pipe OF FIELD-->`. `OF` is `self`, or an input of the stage, for the step
 * that it is wired to; fields are those of `fields`, and a parameter or a property of a toolchain by its path. `run`
 * has `profile` and `seed`.
 *
 * Gotchas: only the file that the pipeline names as its report is a template. Values are escaped as text of HTML. What
 * is not known (another field, a step whose result was collected) becomes a dash.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import type { AnyStep } from "../pipeline/Step.ts"
import type { Rendered } from "./OutputFolder.ts"
import type { Prepared } from "./Prepared.ts"

/**
 * What the placeholders of a report get their values from: the run that it belongs to, and the results of its steps.
 */
export interface ReportContext {
  readonly profile: string | null
  readonly seed: number
  /** By step id. */
  readonly results: ReadonlyMap<string, StepResult>
}

const placeholder = /<!--op-pipe (\w+) ([\w.-]+)-->/gu
const unknown = "–"

/** None is a time: the same results must give the same report. */
const fields: Readonly<Record<string, (result: StepResult) => string>> = {
  key: ({ key }) => Digest.short(key),
  versions: ({ provenance }) => `op-pipe ${provenance.opPipe}, Node.js ${provenance.node}`,
  cores: ({ provenance: { cores } }) => (cores === undefined ? unknown : `${cores} ${cores === 1 ? "core" : "cores"}`),
  walls: ({ provenance }) => (provenance.sealed === true ? "in a sandbox" : "without a sandbox"),
  commit: ({ provenance: { commit, dirty } }) =>
    commit === null ? "not in a git repository" : `${commit.slice(0, 12)}${dirty === true ? " with changes" : ""}`
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** The value at a path of keys, as text. */
const valueAt = (value: unknown, path: ReadonlyArray<string>): string | undefined => {
  const found = path.reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), value)
  if (found === undefined || typeof found === "function") return undefined
  return isRecord(found) ? JSON.stringify(found) : String(found)
}

const fieldOf = (result: StepResult, field: string): string | undefined => {
  const [first = "", ...rest] = field.split(".")
  if (first === "params") return valueAt(result.ingredients.params, rest)
  if (first === "toolchain") return valueAt(result.ingredients.toolchain, rest)
  return Object.hasOwn(fields, field) ? fields[field]?.(result) : undefined
}

const stepOf = (reporting: AnyStep, of: string): AnyStep | undefined => {
  if (of === "self") return reporting
  const owner = Object.hasOwn(reporting.inputs, of) ? reporting.inputs[of]?.owner : undefined
  return owner?._tag === "Step" ? owner : undefined
}

const valueOf = (reporting: AnyStep, context: ReportContext, of: string, field: string): string | undefined => {
  if (of === "run") {
    if (field === "seed") return String(context.seed)
    return field === "profile" ? (context.profile ?? "none") : undefined
  }
  const step = stepOf(reporting, of)
  if (step === undefined) return undefined
  if (field === "step") return step.id
  const result = context.results.get(step.id)
  return result === undefined ? undefined : fieldOf(result, field)
}

/** A text as HTML or SVG has it. */
export const escaped = (value: string): string => value.replace(/[&<>"']/gu, (c) => `&#${c.charCodeAt(0)};`)

/** The bytes of a text with a value for every placeholder; `reporting` is the step that wrote it. */
export const renderText = (bytes: Buffer, reporting: AnyStep, context: ReportContext): Buffer => {
  // latin1, one character for each byte: placeholders are ASCII, and megabytes need not be decoded for them
  const text = bytes.toString("latin1")
  const rendered = text.replace(placeholder, (_, of: string, field: string) =>
    Buffer.from(escaped(valueOf(reporting, context, of, field) ?? unknown)).toString("latin1")
  )
  return Buffer.from(rendered, "latin1")
}

/** Whether `step` is the one that writes the report. */
export const isReporting = ({ report }: Pipeline, step: string): boolean =>
  report?.owner._tag === "Step" && report.owner.id === step && report.artifact.kind !== "folder"

/**
 * The files of `step` that are in `outputs/` otherwise than in the store: the report, if it is this step's and has
 * placeholders.
 */
export const rendered = Effect.fnUntraced(function* (pipeline: Pipeline, step: string, context: ReportContext) {
  const none: Rendered = new Map()
  const { report } = pipeline
  const result = context.results.get(step)
  if (!isReporting(pipeline, step) || report?.owner._tag !== "Step" || result === undefined) return none
  const [entry] = result.outputs[report.output]?.entries ?? []
  if (entry?.kind !== "file") return none
  const disk = yield* Disk
  const { blobs } = yield* Store
  // building the folder reports a missing blob
  const blob = yield* blobs.verified(entry.digest)
  if (Option.isNone(blob)) return none
  const { buffer, byteOffset, byteLength } = yield* disk.read(blob.value)
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  if (!bytes.includes("<!--op-pipe ")) return none
  return new Map([[entry.path, renderText(bytes, report.owner, context)]]) satisfies Rendered
})

/** `rendered` for a step of this run. */
export const render = ({ pipeline, settings }: Prepared, step: string, results: ReadonlyMap<string, StepResult>) =>
  rendered(pipeline, step, { profile: settings.profile ?? null, seed: settings.seed, results })
