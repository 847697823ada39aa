/**
 * Artifacts: what crosses the border between two stages, and what a stage leaves behind.
 *
 * An artifact is a *type* of content, declared once (usually in `schemas/`) and named by a tag such as
 * `"SplitManifest/v1"`. A stage lists the artifacts it reads (`inputs`) and writes (`output`); wiring a port to one with
 * another tag does not compile. Three kinds exist: a JSON document decoded by a Schema, one opaque file, one folder.
 *
 * Gotchas:
 * - `path` is relative to the step's folder in `outputs/`, with forward slashes.
 * - Fields named in `volatile` (timings and the like) are written, shown in `outputs/`, and left out of the content
 *   digest. Who reads the artifact does not see them, nor does a command in its file: what cannot be seen cannot go stale.
 * - `materialize: false` keeps an artifact in the store only; stages read it there, `outputs/` has no copy of it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"

/** A document, a file or a folder did not have the content that its artifact promises. */
export class ArtifactError extends Schema.TaggedError<ArtifactError>()("ArtifactError", {
  artifact: Schema.String,
  path: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
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
// biome-ignore lint/suspicious/noExplicitAny: existential type parameter
export type Any = JsonArtifact<string, any> | FileArtifact<string> | FolderArtifact<string>

/** As an input: the same artifact of each replica of a step (see Pipeline.ts), one for each further seed; none with one seed. */
export interface Replicas<A extends Any> {
  readonly kind: "replicas"
  readonly of: A
}

/** What a stage can declare as an input. */
export type Input = Any | Replicas<Any>

/** A document artifact: `Artifact.json({ tag: "SplitManifest/v1", path: "manifest.json", schema: SplitManifest })`. */
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

/** A one-file artifact: `Artifact.file({ tag: "Weights/v1", path: "model.safetensors" })`. */
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

/** A folder artifact: `Artifact.folder({ tag: "Shards/v1", path: "shards", materialize: false })`. */
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

/** An input of replicas: `Artifact.replicas(History)`. */
export const replicas = <const A extends Any>(of: A): Replicas<A> => ({ kind: "replicas", of })

/** How a stage reads an input: always by `path`; a document also by `read`, decoded, a file by `bytes`; of replicas one after the other. */
export type Reader<A extends Input> =
  A extends Replicas<infer Of>
    ? ReadonlyArray<Reader<Of>>
    : A extends JsonArtifact<string, infer T>
      ? { readonly path: string; readonly read: Effect.Effect<T, ArtifactError, FileSystem.FileSystem> }
      : A extends FileArtifact<string>
        ? { readonly path: string; readonly bytes: Effect.Effect<Uint8Array, ArtifactError, FileSystem.FileSystem> }
        : { readonly path: string }

/** How a stage writes an output: at `path` (a folder exists already); a document by `write`, encoded, a file by `write`, its bytes. */
export type Writer<A extends Any> =
  A extends JsonArtifact<string, infer T>
    ? { readonly path: string; readonly write: (value: T) => Effect.Effect<void, ArtifactError, FileSystem.FileSystem> }
    : A extends FileArtifact<string>
      ? {
          readonly path: string
          readonly write: (bytes: Uint8Array) => Effect.Effect<void, ArtifactError, FileSystem.FileSystem>
        }
      : { readonly path: string }

/** The value without the fields of these names, at any depth. */
export const withoutVolatile = (value: unknown, volatile: ReadonlyArray<string>): unknown => {
  if (volatile.length === 0) return value
  if (Array.isArray(value)) return value.map((item) => withoutVolatile(item, volatile))
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !volatile.includes(key))
      .map(([key, item]) => [key, withoutVolatile(item, volatile)])
  )
}

class Unreadable extends Data.TaggedError("Unreadable")<{ readonly reason: string }> {}

const parse = (text: string): Effect.Effect<unknown, Unreadable> =>
  Effect.try({ try: () => JSON.parse(text) as unknown, catch: (cause) => new Unreadable({ reason: String(cause) }) })

const readJson = <A>(artifact: JsonArtifact<string, A>, path: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(path)
    const value = withoutVolatile(yield* parse(text), artifact.volatile)
    return yield* Schema.decodeUnknownEffect(artifact.schema)(value)
  }).pipe(
    Effect.mapError(
      (cause) =>
        new ArtifactError({
          artifact: artifact.tag,
          path,
          expected: "a document that its schema accepts",
          actual: cause._tag === "Unreadable" ? cause.reason : cause.message
        })
    )
  )

const writeJson = <A>(artifact: JsonArtifact<string, A>, path: string) =>
  Effect.fnUntraced(
    function* (value: A) {
      const fs = yield* FileSystem.FileSystem
      const encoded = yield* Schema.encodeEffect(artifact.schema)(value)
      yield* fs.writeFileString(path, `${JSON.stringify(encoded, null, 2)}\n`)
    },
    Effect.mapError(
      (cause) =>
        new ArtifactError({
          artifact: artifact.tag,
          path,
          expected: "a value that its schema can encode, and room to write it",
          actual: cause.message
        })
    )
  )

/** The name under which a step keeps the input `name` of its replica number `number`, from 2 on. */
export const replicaInput = (name: string, number: number): string => `${name}#${number}`

/** The reader of the input `name`, by where the contents of all inputs lie. */
export const inputReader = <A extends Input>(
  input: A,
  name: string,
  paths: Readonly<Record<string, string>>
): Reader<A> => {
  if (input.kind !== "replicas") return reader(input, paths[name] ?? "") as Reader<A>
  const found: Array<string> = []
  for (let number = 2; ; number++) {
    const path = paths[replicaInput(name, number)]
    if (path === undefined) break
    found.push(path)
  }
  return found.map((path) => reader(input.of, path)) as unknown as Reader<A>
}

const readBytes = (artifact: FileArtifact<string>, path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFile(path)).pipe(
    Effect.mapError(
      ({ message: actual }) => new ArtifactError({ artifact: artifact.tag, path, expected: "a file to read", actual })
    )
  )

const writeBytes = (artifact: FileArtifact<string>, path: string) => (bytes: Uint8Array) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.writeFile(path, bytes)).pipe(
    Effect.mapError(({ message: actual }) => {
      const expected = `room to write ${bytes.length} bytes`
      return new ArtifactError({ artifact: artifact.tag, path, expected, actual })
    })
  )

/** The reader of `artifact` whose content lies at `path`. */
export const reader = <A extends Any>(artifact: A, path: string): Reader<A> => {
  switch (artifact.kind) {
    case "json":
      return { path, read: readJson(artifact, path) } as Reader<A>
    case "file":
      return { path, bytes: readBytes(artifact, path) } as Reader<A>
    case "folder":
      return { path } as Reader<A>
  }
}

/** The writer of `artifact` below the folder `root`; makes the folders it needs. */
export const writer = Effect.fnUntraced(function* <A extends Any>(artifact: A, root: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const path = paths.join(root, ...artifact.path.split("/"))
  yield* fs.makeDirectory(artifact.kind === "folder" ? path : paths.dirname(path), { recursive: true })
  switch (artifact.kind) {
    case "json":
      return { path, write: writeJson(artifact, path) } as Writer<A>
    case "file":
      return { path, write: writeBytes(artifact, path) } as Writer<A>
    case "folder":
      return { path } as Writer<A>
  }
})
