/**
 * ArtifactIO: how a stage reads its inputs and writes its outputs, made from what it declares.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import {
  type Any,
  ArtifactError,
  type FileArtifact,
  type Input,
  type JsonArtifact,
  type Reader,
  type Writer
} from "./Artifact.ts"

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
