/**
 * ArtifactIO: how a stage reads its inputs and writes its outputs, made from what it declares.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type Any, ArtifactError, type Input, type JsonArtifact, type Reader, type Writer } from "./Artifact.ts"

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

const readJson = <A>(artifact: JsonArtifact<string, A, boolean>, path: string) =>
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

const writeJson = <A>(artifact: JsonArtifact<string, A, boolean>, path: string) =>
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

/** One artifact of an input that takes many: its name, and its path below that of the input. */
export interface Entry {
  readonly name: string
  readonly path: string
}

/** Where the contents of a step's inputs lie: of an input that takes many, the folder around all, and each of them. */
interface Lying {
  readonly inputs: Readonly<Record<string, string>>
  readonly entries: Readonly<Record<string, ReadonlyArray<Entry>>>
}

/** The reader of the input `name`; none of an optional one that is not there. */
export const inputReader = <A extends Input>(input: A, name: string, { inputs, entries }: Lying): Reader<A> => {
  const path = inputs[name]
  if (input.kind !== "many")
    return (path === undefined && input.optional ? undefined : reader(input, path ?? "")) as Reader<A>
  const found = (entries[name] ?? []).map((each) => ({ ...reader(input.of, `${path}/${each.path}`), name: each.name }))
  return found as unknown as Reader<A>
}

const readBytes = (artifact: Any, path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFile(path)).pipe(
    Effect.mapError(
      ({ message: actual }) => new ArtifactError({ artifact: artifact.tag, path, expected: "a file to read", actual })
    )
  )

const writeBytes = (artifact: Any, path: string) => (bytes: Uint8Array) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.writeFile(path, bytes)).pipe(
    Effect.mapError(({ message: actual }) => {
      const expected = `room to write ${bytes.length} bytes`
      return new ArtifactError({ artifact: artifact.tag, path, expected, actual })
    })
  )

/** The text of bytes, a byte order mark included; undefined of what is not UTF-8. */
export const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const readText = (artifact: Any, path: string) =>
  Effect.flatMap(readBytes(artifact, path), (bytes) => {
    const text = textOf(bytes)
    if (text !== undefined) return Effect.succeed(text)
    return Effect.fail(
      new ArtifactError({ artifact: artifact.tag, path, expected: "a text in UTF-8", actual: "other bytes" })
    )
  })

const writeText = (artifact: Any, path: string) => (text: string) =>
  text.isWellFormed()
    ? writeBytes(artifact, path)(new TextEncoder().encode(text))
    : Effect.fail(
        new ArtifactError({
          artifact: artifact.tag,
          path,
          expected: "a text that UTF-8 can hold",
          actual: "one with half of a surrogate pair"
        })
      )

/** The reader of `artifact` whose content lies at `path`. */
export const reader = <A extends Any>(artifact: A, path: string): Exclude<Reader<A>, undefined> => {
  const made = (reading: object) => ({ path, ...reading }) as Exclude<Reader<A>, undefined>
  switch (artifact.kind) {
    case "json":
      return made({ read: readJson(artifact, path) })
    case "text":
      return made({ read: readText(artifact, path) })
    case "bytes":
      return made({ read: readBytes(artifact, path) })
    case "file":
      return made({ bytes: readBytes(artifact, path) })
    case "folder":
      return made({})
  }
}

/** Whether an output is there before the work begins: a folder, unless it may be left out. */
export const isMade = ({ kind, optional }: Pick<Any, "kind" | "optional">): boolean => kind === "folder" && !optional

/** The writer of `artifact` below the folder `root`; makes the folders it needs. */
export const writer = Effect.fnUntraced(function* <A extends Any>(artifact: A, root: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const path = paths.join(root, ...artifact.path.split("/"))
  yield* fs.makeDirectory(isMade(artifact) ? path : paths.dirname(path), { recursive: true })
  switch (artifact.kind) {
    case "json":
      return { path, write: writeJson(artifact, path) } as Writer<A>
    case "text":
      return { path, write: writeText(artifact, path) } as unknown as Writer<A>
    case "bytes":
    case "file":
      return { path, write: writeBytes(artifact, path) } as unknown as Writer<A>
    case "folder":
      return { path } as Writer<A>
  }
})
