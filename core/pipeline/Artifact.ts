/**
 * Artifacts: what crosses the border between two stages, and what a stage leaves behind.
 *
 * An artifact is a *type* of content, declared once (usually in `schemas/`) and named by a tag such as
 * `"SplitManifest/v1"`. A stage lists the artifacts it reads (`inputs`) and writes (`output`); wiring a port to one
 * with another tag does not compile. Three kinds exist: a JSON document decoded by a Schema, one opaque file, one
 * folder.
 *
 * Gotchas:
 * - `path` is relative to the step's folder in `outputs/`, with forward slashes.
 * - Fields named in `volatile` (timings and the like) are written, shown in `outputs/`, and left out of the content
 *   digest. Who reads the artifact does not see them, nor does a command in its file: what cannot be seen cannot go
 *   stale.
 * - `materialize: false` keeps an artifact in the store only; stages read it there, `outputs/` has no copy of it.
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"

/**
 * A document, a file or a folder does not have the content that its artifact promises, or there is no room to write it.
 *
 * A stage need not catch it: the step fails and says so.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Stage } from "op-pipe"
 * import { runStage } from "op-pipe/testing"
 *
 * const Names = Artifact.json({ tag: "Names/v1", path: "names.json", schema: Schema.Array(Schema.String) })
 * const count = Stage.make({
 *   name: "count",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { names: Names },
 *   output: { copy: Names },
 *   run: ({ inputs, output }) =>
 *     inputs.names.read.pipe(
 *       Effect.catchTag("ArtifactError", () => Effect.succeed([])),
 *       Effect.flatMap(output.copy.write)
 *     )
 * })
 *
 * const run = runStage(count, { inputs: { names: { path: "no-such-file.json" } } })
 * console.log((await Effect.runPromise(Effect.scoped(run))).output.copy.length) // 0
 * ```
 */
export class ArtifactError extends Schema.TaggedError<ArtifactError>()("ArtifactError", {
  artifact: Schema.String,
  path: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  readonly fault = "stage"

  override get message(): string {
    return `${this.artifact} at ${this.path}: expected ${this.expected}, but found ${this.actual}`
  }
}

interface Common<Tag extends string> {
  readonly tag: Tag
  readonly path: string
  readonly materialize: boolean
}

/** A JSON document whose value is described by `schema`. */
export interface JsonArtifact<Tag extends string, A> extends Common<Tag> {
  readonly kind: "json"
  readonly schema: Schema.Codec<A, unknown>
  readonly volatile: ReadonlyArray<string>
}

/** One file whose bytes are the business of those who write and read it. */
export interface FileArtifact<Tag extends string> extends Common<Tag> {
  readonly kind: "file"
}

/** A folder with everything below it. */
export interface FolderArtifact<Tag extends string> extends Common<Tag> {
  readonly kind: "folder"
}

// The schema's codec is invariant in its type, so "any artifact" has to accept any value type.
/** Any artifact. */
// biome-ignore lint/suspicious/noExplicitAny: existential type parameter
export type Any = JsonArtifact<string, any> | FileArtifact<string> | FolderArtifact<string>

/** The content of an artifact: the value of a document, the bytes of a file, the path of a folder. */
export type Value<A extends Any> =
  A extends JsonArtifact<string, infer T> ? T : A extends FileArtifact<string> ? Uint8Array : { readonly path: string }

/**
 * As an input: the same artifact of each replica of a step (see Pipeline.ts), one for each further seed; none with one
 * seed.
 */
export interface Replicas<A extends Any> {
  readonly kind: "replicas"
  readonly of: A
}

/** What a stage can declare as an input. */
export type Input = Any | Replicas<Any>

/**
 * A JSON document that `schema` describes.
 *
 * Fields named in `volatile` are no part of the content; with `materialize: false` the document stays in the store.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Artifact } from "op-pipe"
 *
 * const Scores = Artifact.json({
 *   tag: "Scores/v1",
 *   path: "scores.json",
 *   schema: Schema.Struct({ scores: Schema.Array(Schema.Finite), seconds: Schema.Finite }),
 *   volatile: ["seconds"]
 * })
 * console.log(Scores.kind) // json
 * ```
 */
export const json = <const Tag extends string, A, I>(options: {
  readonly tag: Tag
  readonly path: string
  readonly schema: Schema.Codec<A, I>
  readonly volatile?: ReadonlyArray<string>
  readonly materialize?: boolean
}): JsonArtifact<Tag, A> => ({
  kind: "json",
  tag: options.tag,
  path: options.path,
  schema: options.schema as Schema.Codec<A, unknown>,
  volatile: options.volatile ?? [],
  materialize: options.materialize ?? true
})

/**
 * One file: a stage reads its `bytes` and writes them by `write`, or opens it by its `path`.
 *
 * @example
 * ```ts
 * import { Artifact } from "op-pipe"
 *
 * const Weights = Artifact.file({ tag: "Weights/v1", path: "model.safetensors" })
 * console.log(Weights.path) // model.safetensors
 * ```
 */
export const file = <const Tag extends string>(options: {
  readonly tag: Tag
  readonly path: string
  readonly materialize?: boolean
}): FileArtifact<Tag> => ({
  kind: "file",
  tag: options.tag,
  path: options.path,
  materialize: options.materialize ?? true
})

/**
 * One folder with everything below it; `path: "."` is the step's own folder, or the whole of a source.
 *
 * @example
 * ```ts
 * import { Artifact } from "op-pipe"
 *
 * const Shards = Artifact.folder({ tag: "Shards/v1", path: "shards", materialize: false })
 * console.log(Shards.materialize) // false
 * ```
 */
export const folder = <const Tag extends string>(options: {
  readonly tag: Tag
  readonly path: string
  readonly materialize?: boolean
}): FolderArtifact<Tag> => ({
  kind: "folder",
  tag: options.tag,
  path: options.path,
  materialize: options.materialize ?? true
})

/**
 * An input that takes the artifact of each further seed of a step; a list, which is empty with one seed.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Stage } from "op-pipe"
 * import { runStage } from "op-pipe/testing"
 *
 * const Score = Artifact.json({ tag: "Score/v1", path: "score.json", schema: Schema.Finite })
 * const best = Stage.make({
 *   name: "best",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { first: Score, others: Artifact.replicas(Score) },
 *   output: { best: Score },
 *   run: ({ inputs, output }) =>
 *     Effect.gen(function* () {
 *       const others = yield* Effect.forEach(inputs.others, ({ read }) => read)
 *       yield* output.best.write(Math.max(yield* inputs.first.read, ...others))
 *     })
 * })
 *
 * const run = runStage(best, { inputs: { first: { value: 1 }, others: [{ value: 3 }, { value: 2 }] } })
 * console.log((await Effect.runPromise(Effect.scoped(run))).output.best) // 3
 * ```
 */
export const replicas = <const A extends Any>(of: A): Replicas<A> => ({ kind: "replicas", of })

/**
 * How a stage reads an input: always by `path`; a document also by `read`, decoded, a file by `bytes`; of replicas one
 * after the other.
 */
export type Reader<A extends Input> =
  A extends Replicas<infer Of>
    ? ReadonlyArray<Reader<Of>>
    : A extends JsonArtifact<string, infer T>
      ? { readonly path: string; readonly read: Effect.Effect<T, ArtifactError, FileSystem.FileSystem> }
      : A extends FileArtifact<string>
        ? { readonly path: string; readonly bytes: Effect.Effect<Uint8Array, ArtifactError, FileSystem.FileSystem> }
        : { readonly path: string }

/**
 * How a stage writes an output: at `path` (a folder exists already); a document by `write`, encoded, a file by `write`,
 * its bytes.
 */
export type Writer<A extends Any> =
  A extends JsonArtifact<string, infer T>
    ? { readonly path: string; readonly write: (value: T) => Effect.Effect<void, ArtifactError, FileSystem.FileSystem> }
    : A extends FileArtifact<string>
      ? {
          readonly path: string
          readonly write: (bytes: Uint8Array) => Effect.Effect<void, ArtifactError, FileSystem.FileSystem>
        }
      : { readonly path: string }
