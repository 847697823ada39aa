/**
 * Stamp: a report says where its numbers come from, and stays right about it.
 *
 * Keys, commits and the profile are no ingredients of a result, so no stage can know them: a cached report that
 * held them would go on naming results that were replaced by others with the same content. A report leaves places for them,
 * and they are filled each time it is laid out in `outputs/`, from the records of the very results that it was made from.
 * What the store holds stays as the stage wrote it.
 *
 * A place is an HTML comment, `<!--op-pipe OF FIELD-->`. `OF` is `self`, or an input of the stage, for the step that it is wired
 * to; fields are those of `fields`, and a parameter or a property of a toolchain by its path. `run` has `profile` and `seed`.
 *
 * Gotchas: only the file that the pipeline names as its report is stamped. Values are escaped as text of HTML. What is
 * not known (another field, a step whose result was collected) becomes a dash.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import type { AnyStep } from "../pipeline/Step.ts"
import type { Filled } from "./Outputs.ts"

/** The run that a report belongs to, and what its steps came to. */
export interface Stamped {
  readonly profile: string | null
  readonly seed: number
  /** By step id. */
  readonly results: ReadonlyMap<string, StepResult>
}

const place = /<!--op-pipe (\w+) ([\w.-]+)-->/gu
const unknown = "–"

/** Of time there is none: the same results are to give the same report. */
const fields: Readonly<Record<string, (result: StepResult) => string>> = {
  key: ({ key }) => Digest.short(key),
  versions: ({ provenance }) => `op-pipe ${provenance.opPipe}, Node.js ${provenance.node}`,
  commit: ({ provenance: { commit, dirty } }) =>
    commit === null ? "not in a git repository" : `${commit.slice(0, 12)}${dirty === true ? " with changes" : ""}`
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** The value at a path of keys, if it is one that can be said in a word. */
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

const valueOf = (reporting: AnyStep, stamped: Stamped, of: string, field: string): string | undefined => {
  if (of === "run") {
    if (field === "seed") return String(stamped.seed)
    return field === "profile" ? (stamped.profile ?? "none") : undefined
  }
  const step = stepOf(reporting, of)
  if (step === undefined) return undefined
  if (field === "step") return step.id
  const result = stamped.results.get(step.id)
  return result === undefined ? undefined : fieldOf(result, field)
}

const escaped = (value: string): string => value.replace(/[&<>"']/gu, (c) => `&#${c.charCodeAt(0)};`)

/** The bytes of a text with every place filled; `reporting` is the step that wrote it. */
export const fill = (bytes: Buffer, reporting: AnyStep, stamped: Stamped): Buffer => {
  // A character for a byte: places are ASCII, and a report of megabytes need not be decoded for them.
  const text = bytes.toString("latin1")
  const filled = text.replace(place, (_, of: string, field: string) =>
    Buffer.from(escaped(valueOf(reporting, stamped, of, field) ?? unknown)).toString("latin1")
  )
  return Buffer.from(filled, "latin1")
}

/** Whether `step` is the one whose report is stamped. */
export const isReporting = ({ report }: Pipeline, step: string): boolean =>
  report?.owner._tag === "Step" && report.owner.id === step && report.artifact.kind !== "folder"

/** The files of `step` that are laid out otherwise than they lie in the store: the report, if it is this step's and leaves places. */
export const filled = Effect.fnUntraced(function* (pipeline: Pipeline, step: string, stamped: Stamped) {
  const none: Filled = new Map()
  const { report } = pipeline
  const result = stamped.results.get(step)
  if (!isReporting(pipeline, step) || report?.owner._tag !== "Step" || result === undefined) return none
  const [entry] = result.outputs[report.output]?.entries ?? []
  if (entry?.kind !== "file") return none
  const disk = yield* Disk
  const { blobs } = yield* Store
  // one that is gone is found to be when the folder is built
  const blob = yield* blobs.verified(entry.digest)
  if (Option.isNone(blob)) return none
  const { buffer, byteOffset, byteLength } = yield* disk.read(blob.value)
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  if (!bytes.includes("<!--op-pipe ")) return none
  return new Map([[entry.path, fill(bytes, report.owner, stamped)]]) satisfies Filled
})
