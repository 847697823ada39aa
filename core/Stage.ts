/**
 * Stages: the definition of one kind of work.
 *
 * A stage is one declaration: its name, the module it stands in, its parameters (a Schema whose fields all have
 * defaults), the artifacts it reads and writes, and `run`. It holds no state and closes over nothing: the executor loads
 * the module in another process and calls `run` there, so whatever the stage depends on is in its imports (part of its
 * code identity), its params, its inputs, or its toolchain. Placing a stage in a pipeline makes a *step*; one stage may
 * be placed several times with a variant (`train@bn`, `train@nobn`).
 *
 * Gotchas:
 * - The module must export the stage; the executor finds it by `name` among the exports.
 * - `run` may fail only with `StageFailure` (what went wrong, in words) or `ArtifactError`; anything else is a bug and is reported so.
 * - Files are written below `output.*.path` or `workdir`; nothing else is kept.
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Artifact from "./Artifact.ts"
import type * as Toolchain from "./Toolchain.ts"

/** A stage could not do its work: bad data, a diverged training. `badInput` means the user's input is at fault (exit code 2). */
export class StageFailure extends Schema.TaggedError<StageFailure>()("StageFailure", {
  reason: Schema.String,
  expected: Schema.optionalKey(Schema.String),
  actual: Schema.optionalKey(Schema.String),
  toDo: Schema.optionalKey(Schema.String),
  badInput: Schema.optionalKey(Schema.Boolean)
}) {
  override get message(): string {
    const versus =
      this.expected === undefined ? "" : ` (expected ${this.expected}, but found ${this.actual ?? "something else"})`
    return `${this.reason}${versus}${this.toDo === undefined ? "" : `. ${this.toDo}`}`
  }
}

/** How far a long stage is. Rates and the time left are computed by whoever shows it. */
export interface Progress {
  /** What is going on, in a word or two: "scan", "epoch 3/24". */
  readonly label: string
  readonly done: number
  readonly total: number
  /** What `done` counts: "pictures", "images". */
  readonly unit: string
  /** Figures worth a glance: `{ loss: 1.23 }`. */
  readonly figures?: Readonly<Record<string, number>>
}

/** State of an unfinished stage that survives a kill. Keyed by the step's cache key; gone once the result is committed. */
export interface Checkpoint {
  readonly load: Effect.Effect<Uint8Array | undefined>
  /** Replaces the checkpoint by the pieces, one after the other. They must not change until it is done; the stage may go on meanwhile. */
  readonly save: (...pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void, StageFailure>
}

export interface Context<P, I extends Artifacts, O extends Artifacts, T extends Toolchains> {
  readonly params: P
  readonly inputs: { readonly [K in keyof I]: Artifact.Reader<I[K]> }
  readonly output: { readonly [K in keyof O]: Artifact.Writer<O[K]> }
  /** The identities that `identify` gave, by the toolchain's name. */
  readonly toolchain: { readonly [K in keyof T]: Toolchain.IdentityOf<T[K]> }
  /** Where toolchains keep what they built. */
  readonly toolchainDir: string
  /** A private scratch folder, removed afterwards. */
  readonly workdir: string
  /** How many cores the step was given. */
  readonly cores: number
  readonly progress: (progress: Progress) => Effect.Effect<void>
  readonly checkpoint: Checkpoint
}

export type Artifacts = Readonly<Record<string, Artifact.Any>>
export type Toolchains = Readonly<Record<string, Toolchain.Any>>
export type Failure = StageFailure | Artifact.ArtifactError
export type Requirements = FileSystem.FileSystem | Path.Path | Scope.Scope

export interface Stage<
  Name extends string,
  P,
  I extends Artifacts,
  O extends Artifacts,
  T extends Toolchains = Readonly<Record<never, never>>
> {
  readonly _tag: "Stage"
  readonly name: Name
  /** `import.meta.url` of the module that exports the stage. */
  readonly source: string
  readonly params: Schema.Codec<P, unknown>
  readonly inputs: I
  readonly output: O
  readonly toolchain: T
  readonly run: (context: Context<P, I, O, T>) => Effect.Effect<void, Failure, Requirements>
}

// biome-ignore lint/suspicious/noExplicitAny: existential type parameters
export type Any = Stage<string, any, any, any, any>

export const make = <
  const Name extends string,
  P,
  PI,
  const I extends Artifacts,
  const O extends Artifacts,
  const T extends Toolchains = Readonly<Record<never, never>>
>(options: {
  readonly name: Name
  readonly source: string
  readonly params: Schema.Codec<P, PI>
  readonly inputs: I
  readonly output: O
  readonly toolchain?: T
  readonly run: (context: Context<P, I, O, T>) => Effect.Effect<void, Failure, Requirements>
}): Stage<Name, P, I, O, T> => ({
  _tag: "Stage",
  name: options.name,
  source: options.source,
  params: options.params as Schema.Codec<P, unknown>,
  inputs: options.inputs,
  output: options.output,
  toolchain: (options.toolchain ?? {}) as T,
  run: options.run
})

/** True of a value that `Stage.make` returned. */
export const isStage = (value: unknown): value is Any =>
  typeof value === "object" && value !== null && (value as { readonly _tag?: unknown })._tag === "Stage"
