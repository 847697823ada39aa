/** Order: what is known of a task besides how it is done, for an executor that has it done on another machine. */
import * as Schema from "effect/Schema"
import * as Digest from "../../../cache/identity/Digest.ts"

const Names = Schema.Record(Schema.String, Schema.String)

/** What a key holds of the machine that does the work. Another machine may differ in each of these. */
export const Machine = Schema.Struct({
  runtime: Names,
  /** By toolchain: what it is asked to be, and what it must be. */
  toolchains: Schema.Record(Schema.String, Schema.Struct({ params: Schema.Unknown, identity: Schema.Unknown })),
  /** Program name -> digest. */
  programs: Names,
  /** Of a Python script: its id in the pipeline, and the text of its identity. */
  python: Schema.NullOr(Schema.Struct({ id: Schema.String, identity: Schema.String })),
  /** How many cores a toolchain is told that it may use. */
  cores: Schema.Int
})
export type Machine = typeof Machine.Type

/** What is known of a task besides how it is done: for an executor that does it elsewhere. */
export const Order = Schema.Struct({
  key: Digest.Digest,
  /** The id of the step that the pipeline declares; a task may be one of many that it stands for. */
  declared: Schema.String,
  /** What it declares of each output, in words. */
  outputs: Names,
  /** Where the run's sources lie: no link in an output may lead there. */
  origins: Schema.Array(Schema.String),
  machine: Machine,
  memoryBytes: Schema.NullOr(Schema.Finite),
  gpus: Schema.NullOr(Schema.Int),
  timeoutMs: Schema.NullOr(Schema.Finite)
})
export type Order = typeof Order.Type
