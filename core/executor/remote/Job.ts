/**
 * Job: one submission of a step to a scheduler, as files in `jobs/<key>/` of the store.
 *
 * The folder is named by the key of the step, so that a later run finds what an earlier one left there. Names hold the token of
 * the submission: what a machine writes that was given up for lost belongs to no other submission. Each file is written once,
 * whole, under a name that nobody has looked for: the folder is listed, since a name that was looked for before it was there may
 * stay absent for a minute on NFS.
 */
import { randomBytes } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../../../cache/identity/Digest.ts"
import { Fault } from "../../../cache/identity/Fault.ts"
import * as Commit from "../../../cache/store/Commit.ts"
import { Disk, orAbsent } from "../../../cache/store/Disk.ts"
import type { Layout } from "../../../cache/store/Layout.ts"
import { areOutputs } from "../../../cache/store/ResultStore.ts"
import { jobWork } from "../../../cache/store/Sweep.ts"
import { modes } from "../Sandbox.ts"
import { Message, StepTask } from "../StepTask.ts"
import { Order } from "./Order.ts"

/** What a machine is given to do. */
export const Submission = Schema.Struct({
  format: Schema.Literal("Job/v1"),
  token: Schema.String,
  task: StepTask,
  order: Order,
  sandbox: Schema.Literals(modes),
  /** What the task reads from outside of the store, as it was looked at before: a later run may take the outcome if that is equal. */
  seen: Schema.String,
  submittedBy: Schema.String,
  submittedMs: Schema.Finite
})
export type Submission = typeof Submission.Type

/** What came of it, as the machine that did it says. */
export const Outcome = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("done"),
    host: Schema.String,
    node: Schema.String,
    startedMs: Schema.Finite,
    durationMs: Schema.Finite,
    loaded: Schema.NullOr(Schema.Record(Schema.String, Schema.String)),
    sealed: Schema.Boolean,
    /** They are in the store; a record of them is not. */
    outputs: Schema.declare(areOutputs)
  }),
  Schema.Struct({
    type: Schema.Literal("failed"),
    host: Schema.String,
    fault: Fault,
    reason: Schema.String,
    /** Whether it printed anything. */
    isLogged: Schema.Boolean
  }),
  /** The machine is not as the key says, so it did nothing. */
  Schema.Struct({
    type: Schema.Literal("refused"),
    host: Schema.String,
    differences: Schema.Array(Schema.Struct({ what: Schema.String, expected: Schema.String, actual: Schema.String }))
  })
])
export type Outcome = typeof Outcome.Type

/** What a step has said so far: how far it is, and each notice. */
export const Said = Schema.Struct({
  progress: Schema.NullOr(Message.members[0]),
  notices: Schema.Array(Schema.String)
})
export type Said = typeof Said.Type

export const newToken = (): string => randomBytes(8).toString("hex")

export const files = {
  submission: (token: string): string => `task-${token}.json`,
  /** Holds the scheduler's name for the job. */
  id: (token: string): string => `id-${token}`,
  outcome: (token: string): string => `outcome-${token}.json`,
  said: (token: string, count: number): string => `events-${token}-${String(count).padStart(6, "0")}.json`,
  /** What the scheduler, and op-pipe itself, print on the machine. */
  printed: (token: string): string => `printed-${token}.txt`
} as const

/** The token of a submission's own file; undefined of another name. */
export const tokenOf = (name: string): string | undefined => /^task-([0-9a-f]+)\.json$/u.exec(name)?.[1]

/** The latest of `names` that tells what the submission said. */
export const latestSaid = (names: ReadonlyArray<string>, token: string): string | undefined =>
  names.filter((name) => name.startsWith(`events-${token}-`)).at(-1)

/** What the scheduler calls the job of a key: another in each store, since of jobs with one name it does one at a time. */
export const nameOf = ({ root }: Layout, key: string): string =>
  `op-pipe-${key.slice(0, 16)}-${Digest.ofText(root).slice(0, 8)}`

const texts = {
  submission: Schema.fromJsonString(Submission),
  outcome: Schema.fromJsonString(Outcome),
  said: Schema.fromJsonString(Said)
} as const

const readAs = <A>(schema: Schema.Codec<A, string>) =>
  Effect.fnUntraced(function* (file: string) {
    const disk = yield* Disk
    const text = yield* orAbsent(disk.readText(file))
    return Option.flatMap(text, Schema.decodeUnknownOption(schema))
  })

export const readSubmission = readAs(texts.submission)
export const readOutcome = readAs(texts.outcome)
export const readSaid = readAs(texts.said)

/** Writes a file of a job's, whole and durably. */
export const write = (layout: Layout, folder: string, name: string, value: Submission | Outcome | Said | string) =>
  Commit.writeWhole(layout, path.join(folder, name), typeof value === "string" ? value : JSON.stringify(value))

/** What lies in a job's folder; nothing if there is none. */
export const list = Effect.fnUntraced(function* (folder: string) {
  const disk = yield* Disk
  const entries = yield* orAbsent(disk.list(folder))
  return Option.getOrElse(entries, () => []).map(({ name }) => name)
})

/** Removes all that a submission left. */
export const remove = Effect.fnUntraced(function* (layout: Layout, folder: string, token: string) {
  const disk = yield* Disk
  yield* Effect.ignore(disk.remove(path.join(layout.work, jobWork(token))))
  const names = yield* list(folder)
  // its own file last: as long as that is there, a later run finds what is left
  const own = names.filter((name) => name.includes(`-${token}`) && name !== files.submission(token))
  for (const name of [...own, files.submission(token)]) yield* Effect.ignore(disk.remove(path.join(folder, name)))
  const isEmpty = own.length + 1 >= names.length && (yield* list(folder)).length === 0
  if (isEmpty) yield* Effect.ignore(disk.remove(folder))
})

/** Removes one file of a job's. */
export const forget = (folder: string, name: string) =>
  Effect.flatMap(Disk, (disk) => disk.remove(path.join(folder, name)))
