/**
 * Toolchains: what a stage computes with that is neither code nor data, such as the engine that runs a network.
 *
 * A stage that computes with a toolchain declares it; only then does the toolchain's identity (name, version, device,
 * threads, precision) count in the stage's cache key. Its parameters are set as a step's are: `--set
 * engine.precision=bf16`.
 *
 * `identify` runs in the command line's process and must be cheap when nothing changed. It may build or download on
 * first use, saying so through `notify`.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A toolchain that was asked for cannot be had; `toDo` says how to get it.
 *
 * @example
 * ```ts
 * import { Toolchain } from "op-pipe"
 *
 * const error = new Toolchain.ToolchainError({
 *   toolchain: "solver",
 *   expected: "the solver that was asked for",
 *   actual: "it is not installed",
 *   toDo: "Install it, or use --set solver.name=plain"
 * })
 * console.log(error.message.split(". ")[1]) // Install it, or use --set solver.name=plain
 * ```
 */
export class ToolchainError extends Schema.TaggedError<ToolchainError>()("ToolchainError", {
  toolchain: Schema.String,
  expected: Schema.String,
  actual: Schema.String,
  toDo: Schema.String
}) {
  readonly fault = "input"

  override get message(): string {
    return `${this.toolchain}: expected ${this.expected}, but ${this.actual}. ${this.toDo}`
  }
}

/** What `identify` is given besides the parameters. */
export interface IdentifyOptions {
  /** How many cores the run may use. */
  readonly cores: number
  /** A folder of the toolchain's own, for what it builds. */
  readonly cacheDir: string
  /** Prints a line for the person who waits. */
  readonly notify: (line: string) => void
}

/** What `cores` is given besides the identity. */
export interface CoresOptions<out P> {
  readonly params: P
  /** How many cores the run may use. */
  readonly cores: number
}

/** One thing that a toolchain needs or can use, as `op-pipe doctor` shows it. */
export interface CheckRow {
  readonly name: string
  readonly available: boolean
  /** Component -> version, for what was found. */
  readonly versions: Readonly<Record<string, string>>
  readonly detail: string
  /** How to get what is missing; empty when nothing is. */
  readonly howToGet: string
}

/** A toolchain, as `make` returns it. */
export interface Toolchain<out Name extends string, in out P, in out Id> {
  readonly name: Name
  readonly params: Schema.Codec<P, unknown>
  readonly identity: Schema.Codec<Id, unknown>
  readonly identify: (params: P, options: IdentifyOptions) => Effect.Effect<Id, ToolchainError>
  /** How many cores a step keeps busy with it: as many threads as count in the identity, else what `given` says. */
  readonly cores: (identity: Id, given: CoresOptions<P>) => number
}

/** What a `Check` is given. */
export interface CheckOptions {
  /** The folder that `identify` is given. */
  readonly cacheDir: string
}

/** Tells `op-pipe doctor` what a toolchain has here and what is missing. Builds and loads nothing. */
export type Check = (options: CheckOptions) => Effect.Effect<ReadonlyArray<CheckRow>>

/** Any toolchain. */
// biome-ignore lint/suspicious/noExplicitAny: existential type parameters
export type Any = Toolchain<string, any, any>

/** The identity of a toolchain. */
export type IdentityOf<T> = T extends Toolchain<string, infer _P, infer Id> ? Id : never

/**
 * Declares a toolchain. `identity` is the Schema of what `identify` gives, which counts in the keys of the stages that declare it.
 *
 * `identify` fails with `ToolchainError` if what was asked for cannot be had.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Pipeline, Stage, Toolchain } from "op-pipe"
 *
 * const solver = Toolchain.make({
 *   name: "solver",
 *   params: Schema.Struct({ digits: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(4))) }),
 *   identity: Schema.Struct({ version: Schema.String, digits: Schema.Int }),
 *   identify: ({ digits }) => Effect.succeed({ version: "1.2.0", digits }),
 *   cores: () => 1
 * })
 *
 * const Root = Artifact.json({ tag: "Root/v1", path: "root.json", schema: Schema.Finite })
 * export const solve = Stage.make({
 *   name: "solve",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: {},
 *   output: { root: Root },
 *   toolchain: { solver },
 *   run: ({ toolchain, output }) => output.root.write(+Math.SQRT2.toFixed(toolchain.solver.digits))
 * })
 *
 * export default Pipeline.make({ name: "roots", steps: [Pipeline.step(solve, { inputs: {} })] })
 * ```
 */
export const make = <const Name extends string, P, PI, Id, IdI>(options: {
  readonly name: Name
  readonly params: Schema.Codec<P, PI>
  readonly identity: Schema.Codec<Id, IdI>
  readonly identify: (params: P, options: IdentifyOptions) => Effect.Effect<Id, ToolchainError>
  readonly cores: (identity: Id, given: CoresOptions<P>) => number
}): Toolchain<Name, P, Id> => options as unknown as Toolchain<Name, P, Id>
