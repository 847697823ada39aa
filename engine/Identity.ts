/**
 * Parameters that choose an engine, the identity that goes into cache keys, and the errors.
 *
 * Two trainings whose identities are equal give the same bits; so the identity has everything that can change a result,
 * such as the precision, and nothing else. The number of threads is in it for engines whose sums depend on it.
 */
import * as Schema from "effect/Schema"
import { AtLeastOne, Count } from "../schemas/Numbers.ts"

export const EngineName = Schema.Literals(["native", "tensorflow", "webgpu", "cpu"])
export type EngineName = typeof EngineName.Type

export const Precision = Schema.Literals(["fp32", "bf16"])
export type Precision = typeof Precision.Type

/** The engine's parameters: `--set engine.name=cpu`. */
export const EngineParams = Schema.Struct({
  /** `auto` takes the first of native, tensorflow and cpu that works here. */
  name: Schema.Literals(["auto", ...EngineName.literals]),
  /** bf16 keeps fp32 weights, loss and statistics, and multiplies in bf16. Only `native` has it. */
  precision: Precision,
  /** 0: as many as the run may use. */
  threads: Count
}).annotate({ identifier: "EngineParams", description: "Which engine trains and infers, and how" })
export type EngineParams = typeof EngineParams.Type

export const defaultEngineParams: EngineParams = { name: "auto", precision: "fp32", threads: 0 }

/** The engine that computes. Plain JSON, part of the cache key of every stage that uses an engine. */
export const EngineIdentity = Schema.Struct({
  name: EngineName,
  /** The library that does the arithmetic: "op-pipe kernels + oneDNN", "tfjs-backend-cpu", ... */
  library: Schema.NonEmptyString,
  version: Schema.NonEmptyString,
  /** Instruction set or adapter. */
  device: Schema.NonEmptyString,
  /** Null where no result depends on their number. */
  threads: Schema.NullOr(AtLeastOne),
  precision: Precision,
  /** SHA-256 of the addon's sources, compiler and flags; null for engines without one. */
  addon: Schema.NullOr(Schema.String)
}).annotate({ identifier: "EngineIdentity", description: "What a network is computed with" })
export type EngineIdentity = typeof EngineIdentity.Type

/** An engine is not available or failed: what was expected, what was found, and what to do. */
export class EngineError extends Schema.TaggedError<EngineError>()("EngineError", {
  engine: Schema.String,
  expected: Schema.String,
  actual: Schema.String,
  toDo: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `engine ${this.engine}: expected ${this.expected}, but ${this.actual}. ${this.toDo}`
  }
}

/** A network needs more memory than is free. Raised before anything is allocated. */
export class EngineOutOfMemory extends Schema.TaggedError<EngineOutOfMemory>()("EngineOutOfMemory", {
  engine: Schema.String,
  /** What the memory was for. */
  purpose: Schema.String,
  requestedBytes: Schema.Finite,
  availableBytes: Schema.Finite
}) {
  override get message(): string {
    const mb = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`
    return (
      `engine ${this.engine}: ${this.purpose} needs ${mb(this.requestedBytes)}, but ${mb(this.availableBytes)} are free. ` +
      "Take a smaller batch or image size, or free memory."
    )
  }
}

/** The message of whatever was thrown. */
export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
