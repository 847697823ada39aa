/**
 * Shapes: what each verb prints with `--json`, as Schemas. `scripts/build.ts` writes them as JSON Schema into the package
 * (`dist/json/VERB.json`), so that a program can check and type what it reads.
 *
 * Fields may be added in any version; one that is there keeps its name and meaning within a major version.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RunEvent } from "../../core/run/RunEvent.ts"
import { RunRecord } from "../../core/run/RunLog.ts"
import { SweepEvent } from "../../core/run/sweep/SweepEvent.ts"
import { printLine } from "../Console.ts"

const Strings = Schema.Array(Schema.String)
const Names = Schema.Record(Schema.String, Schema.String)
const Values = Schema.Record(Schema.String, Schema.Unknown)
const State = Schema.Literals(["fresh", "stale", "pending", "never run"])

const Status = {
  id: Schema.String,
  state: State,
  reasons: Strings,
  /** Null of a step without a result. */
  sealed: Schema.NullOr(Schema.Boolean)
}

/** Of a step that stands for branches: each of these, once they are known. */
const Branches = Schema.optionalKey(Schema.Array(Schema.Struct(Status)))

const Provenance = Schema.Struct({
  runId: Schema.String,
  startedAt: Schema.String,
  durationMs: Schema.Finite,
  host: Schema.String,
  opPipe: Schema.String,
  node: Schema.String,
  commit: Schema.NullOr(Schema.String),
  dirty: Schema.NullOr(Schema.Boolean),
  /** How many cores the step was given. */
  cores: Schema.optionalKey(Schema.Finite),
  sealed: Schema.optionalKey(Schema.Boolean),
  /** Why attempts failed before the one that made the result. */
  failedAttempts: Schema.optionalKey(Strings)
})

const CheckRow = Schema.Struct({
  name: Schema.String,
  available: Schema.Boolean,
  versions: Names,
  detail: Schema.String,
  howToGet: Schema.String
})

const ShownStep = Schema.Struct({
  id: Schema.String,
  key: Schema.String,
  state: Schema.String,
  /** Null if the result is no longer in the store; so are the fields below absent then. */
  provenance: Schema.NullOr(Provenance),
  params: Schema.optionalKey(Values),
  inputs: Schema.optionalKey(Names),
  toolchain: Schema.optionalKey(Values),
  runtime: Schema.optionalKey(Names),
  programs: Schema.optionalKey(Names)
})

/** A step that a cluster does, or has done, and whose result no run has taken yet. */
const JobRow = Schema.Struct({
  step: Schema.String,
  key: Schema.String,
  /** Of the submission. */
  token: Schema.String,
  /** Null of one that was never submitted: its run was killed in that moment. */
  id: Schema.NullOr(Schema.String),
  /** In the cluster's words; `DONE` and `REFUSED` are op-pipe's, `UNKNOWN` of a job that the cluster does not know. */
  state: Schema.String,
  /** Why it waits, in the cluster's words. */
  reason: Schema.String,
  host: Schema.String,
  submittedBy: Schema.String,
  submittedAt: Schema.String
})

const Table = Schema.Struct({
  columns: Schema.Array(
    Schema.Struct({ kind: Schema.Literals(["param", "metric"]), name: Schema.String, label: Schema.String })
  ),
  rows: Schema.Array(
    Schema.Struct({
      runId: Schema.String,
      sweep: Schema.NullOr(Schema.Struct({ id: Schema.String, number: Schema.Int, of: Schema.Int })),
      state: Schema.Literals(["finished", "failed", "interrupted", "running"]),
      variant: Schema.String,
      /** By the column's name; null of a row that has none. */
      values: Schema.Record(Schema.String, Schema.NullOr(Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])))
    })
  )
})

/** By the verb's name; `run` prints one event a line, and the last of a command that failed may be an `error`. */
export const shapes = {
  run: RunEvent,
  status: Schema.Struct({ steps: Schema.Array(Schema.Struct({ ...Status, branches: Branches })) }),
  why: Schema.Struct({
    steps: Schema.Array(
      Schema.Struct({
        ...Status,
        key: Schema.NullOr(Schema.String),
        uncountedPrograms: Strings,
        absentOutputs: Strings
      })
    )
  }),
  dag: Schema.Struct({
    pipeline: Schema.String,
    nodes: Schema.Array(
      Schema.Struct({
        id: Schema.String,
        kind: Schema.Literals(["source", "step"]),
        needs: Strings,
        state: Schema.NullOr(State),
        /** Of a step that stands for branches: how many these are, once they are known and states were asked for. */
        branches: Schema.optionalKey(Schema.Int),
        params: Values
      })
    )
  }),
  logs: Schema.Struct({
    step: Schema.String,
    runId: Schema.NullOr(Schema.String),
    file: Schema.NullOr(Schema.String),
    text: Schema.String
  }),
  read: Schema.Struct({
    step: Schema.String,
    output: Schema.String,
    kind: Schema.Literals(["json", "text", "bytes", "file", "folder"]),
    key: Schema.String,
    path: Schema.String,
    /** Of a document or a text. */
    value: Schema.optionalKey(Schema.Unknown)
  }),
  table: Table,
  sweep: Schema.Union([
    SweepEvent,
    /** An event of the run of one setting. */
    Schema.Struct({ type: Schema.Literal("SettingEvent"), number: Schema.Int, event: RunEvent }),
    Schema.Struct({ type: Schema.Literal("SweepFinished"), id: Schema.String, table: Table })
  ]),
  plots: Schema.Struct({
    file: Schema.String,
    charts: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        label: Schema.String,
        x: Schema.String,
        curves: Schema.Array(
          Schema.Struct({
            runId: Schema.String,
            variant: Schema.String,
            points: Schema.Array(Schema.Tuple([Schema.Finite, Schema.Finite]))
          })
        )
      })
    )
  }),
  history: Schema.Struct({ runs: Schema.Array(Schema.Struct({ ...RunRecord.fields, pinned: Schema.Boolean })) }),
  show: Schema.Struct({ ...RunRecord.fields, steps: Schema.Array(ShownStep) }),
  diff: Schema.Struct({
    steps: Schema.Array(Schema.Struct({ id: Schema.String, reasons: Strings, outputs: Strings, same: Schema.Boolean }))
  }),
  restore: Schema.Struct({ runId: Schema.String, steps: Strings, outputs: Schema.String }),
  pin: Schema.Struct({ runId: Schema.String, pinned: Schema.Boolean }),
  unpin: Schema.Struct({ runId: Schema.String, pinned: Schema.Boolean }),
  clean: Schema.Struct({ removed: Strings, dryRun: Schema.Boolean }),
  "cache-stats": Schema.Struct({
    results: Schema.Int,
    blobs: Schema.Int,
    bytes: Schema.Finite,
    runs: Schema.Int,
    pinned: Schema.Int
  }),
  "cache-verify": Schema.Struct({
    blobs: Schema.Int,
    results: Schema.Int,
    bytes: Schema.Finite,
    damaged: Strings
  }),
  "cache-gc": Schema.Struct({
    results: Strings,
    blobs: Strings,
    checkpoints: Strings,
    left: Strings,
    freedBytes: Schema.Finite,
    before: Schema.Struct({ results: Schema.Int, blobs: Schema.Int, bytes: Schema.Finite }),
    dryRun: Schema.Boolean
  }),
  "remote-status": Schema.Struct({
    url: Schema.String,
    /** Why it cannot be read; null if it can. */
    problem: Schema.NullOr(Schema.String),
    latencyMs: Schema.Finite,
    write: Schema.Boolean,
    trust: Strings,
    /** The public key that uploads are signed with. */
    signedBy: Schema.NullOr(Schema.String)
  }),
  /** Steps of a run, or keys of results. */
  "remote-push": Schema.Struct({ pushed: Strings, present: Strings, missing: Strings }),
  "remote-pull": Schema.Struct({ pulled: Strings, present: Strings, missing: Strings }),
  "remote-keygen": Schema.Struct({ publicKey: Schema.String, signingKey: Schema.String }),
  jobs: Schema.Struct({ jobs: Schema.Array(JobRow) }),
  "jobs-cancel": Schema.Struct({ cancelled: Schema.Array(JobRow) }),
  doctor: Schema.Struct({
    machine: Schema.Struct({
      opPipe: Schema.String,
      node: Schema.String,
      cores: Schema.Int,
      processor: Schema.String,
      memoryBytes: Schema.Finite,
      /** As CUDA names them. */
      gpus: Strings
    }),
    sandbox: Schema.Struct({ available: Schema.Boolean, detail: Schema.String, howToGet: Schema.String }),
    /** Where `run --on` may have steps done. */
    executors: Schema.Array(CheckRow),
    toolchains: Schema.Record(Schema.String, Schema.Array(CheckRow))
  }),
  init: Schema.Struct({ written: Strings }),
  error: Schema.Struct({ type: Schema.Literal("Error"), exitCode: Schema.Int, message: Schema.String })
} as const

export type Shape = keyof typeof shapes

/** Prints what a verb has to say to machines, in its shape. */
export const printJson = <S extends Shape>(_shape: S, value: (typeof shapes)[S]["Type"]): Effect.Effect<void> =>
  printLine(JSON.stringify(value))
