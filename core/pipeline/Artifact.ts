/**
 * Artifacts: what crosses the border between two stages, and what a stage leaves behind.
 *
 * An artifact is a *type* of content, declared once (usually in `schemas/`) and named by a tag such as
 * `"SplitManifest/v1"`. A stage lists the artifacts it reads (`inputs`) and writes (`output`); wiring a port to one
 * with another tag does not compile. Five kinds exist: a JSON document decoded by a Schema, a text, bytes, one opaque file, one
 * folder. Any of them may be optional.
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
import * as Options from "./checks/Options.ts"

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

interface Common<Tag extends string, Optional extends boolean> {
  readonly tag: Tag
  readonly path: string
  readonly materialize: boolean
  /** Whether a step may leave it out. */
  readonly optional: Optional
}

/** A JSON document whose value is described by `schema`. */
export interface JsonArtifact<Tag extends string, A, Optional extends boolean = false> extends Common<Tag, Optional> {
  readonly kind: "json"
  readonly schema: Schema.Codec<A, unknown>
  readonly volatile: ReadonlyArray<string>
}

/** A text in UTF-8, read and written whole. */
export interface TextArtifact<Tag extends string, Optional extends boolean = false> extends Common<Tag, Optional> {
  readonly kind: "text"
}

/** Bytes, read and written whole. */
export interface BytesArtifact<Tag extends string, Optional extends boolean = false> extends Common<Tag, Optional> {
  readonly kind: "bytes"
}

/** One file whose bytes are the business of those who write and read it. */
export interface FileArtifact<Tag extends string, Optional extends boolean = false> extends Common<Tag, Optional> {
  readonly kind: "file"
}

/** A folder with everything below it. */
export interface FolderArtifact<Tag extends string, Optional extends boolean = false> extends Common<Tag, Optional> {
  readonly kind: "folder"
}

/** Any artifact that is there, or of each that may be left out. */
type Each<Optional extends boolean> =
  // The schema's codec is invariant in its type, so "any artifact" has to accept any value type.
  // biome-ignore lint/suspicious/noExplicitAny: existential type parameter
  | JsonArtifact<string, any, Optional>
  | TextArtifact<string, Optional>
  | BytesArtifact<string, Optional>
  | FileArtifact<string, Optional>
  | FolderArtifact<string, Optional>

/** Any artifact. */
export type Any = Each<boolean>
/** Any artifact but optional ones. */
export type Required = Each<false>

/** The same artifact, optional or not. */
export type As<A extends Any, Optional extends boolean> =
  A extends JsonArtifact<infer Tag, infer T, boolean>
    ? JsonArtifact<Tag, T, Optional>
    : A extends TextArtifact<infer Tag, boolean>
      ? TextArtifact<Tag, Optional>
      : A extends BytesArtifact<infer Tag, boolean>
        ? BytesArtifact<Tag, Optional>
        : A extends FileArtifact<infer Tag, boolean>
          ? FileArtifact<Tag, Optional>
          : A extends FolderArtifact<infer Tag, boolean>
            ? FolderArtifact<Tag, Optional>
            : never

/** What stands for an optional artifact that is not there. */
type Absent<A extends Any> = A extends { readonly optional: false } ? never : undefined

type Content<A extends Any> =
  A extends JsonArtifact<string, infer T, boolean>
    ? T
    : A extends TextArtifact<string, boolean>
      ? string
      : A extends BytesArtifact<string, boolean> | FileArtifact<string, boolean>
        ? Uint8Array
        : { readonly path: string }

/** The content of an artifact: a document's value, a text, bytes (of a file too), a folder's path; `undefined` of an optional one that is not there. */
export type Value<A extends Any> = Content<A> | Absent<A>

/** As an input: any number of the same artifact, each under a name. */
export interface Many<A extends Required> {
  readonly kind: "many"
  readonly of: A
}

/** What a stage can declare as an input. */
export type Input = Any | Many<Required>

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
}): JsonArtifact<Tag, A> => {
  const ofAll = common(options)
  Options.ofDocument(options)
  const { schema, volatile = [] } = options
  return { kind: "json", ...ofAll, schema: schema as Schema.Codec<A, unknown>, volatile }
}

/** What an artifact is declared by, besides what its kind needs. */
interface Declared<Tag extends string> {
  readonly tag: Tag
  readonly path: string
  readonly materialize?: boolean
}

const common = <Tag extends string>(options: Declared<Tag>): Common<Tag, false> => {
  Options.ofArtifact(options)
  const { tag, path, materialize = true } = options
  return { tag, path, materialize, optional: false }
}

/**
 * A text in UTF-8: a stage `read`s it as a string and `write`s it. What a step leaves there must be UTF-8.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Stage } from "op-pipe"
 * import { runStage } from "op-pipe/testing"
 *
 * const Note = Artifact.text({ tag: "Note/v1", path: "note.txt" })
 * const shout = Stage.make({
 *   name: "shout",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { quiet: Note },
 *   output: { loud: Note },
 *   run: ({ inputs, output }) => Effect.flatMap(inputs.quiet.read, (text) => output.loud.write(text.toUpperCase()))
 * })
 *
 * const run = runStage(shout, { inputs: { quiet: { value: "hello" } } })
 * console.log((await Effect.runPromise(Effect.scoped(run))).output.loud) // HELLO
 * ```
 */
export const text = <const Tag extends string>(options: Declared<Tag>): TextArtifact<Tag> => ({
  kind: "text",
  ...common(options)
})

/**
 * Bytes: a stage `read`s them as a `Uint8Array` and `write`s them. What a program opens by its path is rather a `file`.
 *
 * @example
 * ```ts
 * import { Artifact } from "op-pipe"
 *
 * const Table = Artifact.bytes({ tag: "Table/v1", path: "table.bin" })
 * console.log(Table.kind) // bytes
 * ```
 */
export const bytes = <const Tag extends string>(options: Declared<Tag>): BytesArtifact<Tag> => ({
  kind: "bytes",
  ...common(options)
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
export const file = <const Tag extends string>(options: Declared<Tag>): FileArtifact<Tag> => ({
  kind: "file",
  ...common(options)
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
export const folder = <const Tag extends string>(options: Declared<Tag>): FolderArtifact<Tag> => ({
  kind: "folder",
  ...common(options)
})

/**
 * The same artifact, which a step may leave out: that it is not there is part of the result.
 *
 * It can be wired to an input that is optional too. There, `inputs.x` is `undefined` while it is absent, and a command's
 * variable is empty. An input that is optional takes an output that is always there as well. A stage does not write what it
 * leaves out; a folder is not made for it.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Stage } from "op-pipe"
 * import { runStage } from "op-pipe/testing"
 *
 * const Rejects = Artifact.optional(Artifact.text({ tag: "Rejects/v1", path: "rejects.txt" }))
 * const Count = Artifact.json({ tag: "Count/v1", path: "count.json", schema: Schema.Int })
 * const count = Stage.make({
 *   name: "count",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { rejects: Rejects },
 *   output: { count: Count },
 *   run: ({ inputs, output }) =>
 *     Effect.gen(function* () {
 *       const text = inputs.rejects === undefined ? "" : yield* inputs.rejects.read
 *       yield* output.count.write(text.split("\n").length - 1)
 *     })
 * })
 *
 * const run = runStage(count, { inputs: { rejects: undefined } })
 * console.log((await Effect.runPromise(Effect.scoped(run))).output.count) // 0
 * ```
 */
export const optional = <const A extends Any>(of: A): As<A, true> =>
  ({ ...of, optional: true }) as unknown as As<A, true>

/**
 * An input that takes any number of the same artifact, each under a name: of the steps that `Pipeline.each` places, of steps
 * gathered by `Pipeline.gather`, of each further seed.
 *
 * A stage reads them as a list in the order of their names. A command finds a folder with one folder for each: `$scores/a/score.json`.
 * Optional ones that are not there are left out. There may be none.
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
 *   inputs: { scores: Artifact.many(Score) },
 *   output: { best: Score },
 *   run: ({ inputs, output }) =>
 *     Effect.gen(function* () {
 *       const scores = yield* Effect.forEach(inputs.scores, ({ read }) => read)
 *       yield* output.best.write(Math.max(...scores))
 *     })
 * })
 *
 * const run = runStage(best, { inputs: { scores: { ann: { value: 3 }, bob: { value: 2 } } } })
 * console.log((await Effect.runPromise(Effect.scoped(run))).output.best) // 3
 * ```
 */
export const many = <const A extends Required>(of: A): Many<A> => ({ kind: "many", of })

type Read<A extends Any> =
  A extends JsonArtifact<string, infer T, boolean>
    ? { readonly read: Effect.Effect<T, ArtifactError, FileSystem.FileSystem> }
    : A extends TextArtifact<string, boolean>
      ? { readonly read: Effect.Effect<string, ArtifactError, FileSystem.FileSystem> }
      : A extends BytesArtifact<string, boolean>
        ? { readonly read: Effect.Effect<Uint8Array, ArtifactError, FileSystem.FileSystem> }
        : A extends FileArtifact<string, boolean>
          ? { readonly bytes: Effect.Effect<Uint8Array, ArtifactError, FileSystem.FileSystem> }
          : unknown

/**
 * How a stage reads an input: always by `path`; a document, a text and bytes also by `read`, a file by `bytes`; of many
 * one after the other, each with its `name`. An optional one that is not there is `undefined`.
 */
export type Reader<A extends Input> =
  A extends Many<infer Of>
    ? ReadonlyArray<Reader<Of> & { readonly name: string }>
    : A extends Any
      ? (Read<A> & { readonly path: string }) | Absent<A>
      : never

/**
 * How a stage writes an output: at `path` (a folder exists already, unless it is optional); all but a folder also by `write`: a
 * document's value, a text, bytes. An optional one need not be written.
 */
export type Writer<A extends Any> =
  A extends FolderArtifact<string, boolean>
    ? { readonly path: string }
    : {
        readonly path: string
        readonly write: (content: Content<A>) => Effect.Effect<void, ArtifactError, FileSystem.FileSystem>
      }
