/** Document: the file of a JSON artifact, and the digest of its value. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as CanonicalJson from "../../cache/identity/CanonicalJson.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type * as Artifact from "./Artifact.ts"
import * as ArtifactIO from "./ArtifactIO.ts"

/** The file does not hold what its artifact declares. */
export class DocumentInvalid extends Data.TaggedError("DocumentInvalid")<{
  readonly expected: string
  readonly actual: string
}> {
  override get message(): string {
    return `expected ${this.expected}, but found ${this.actual}`
  }
}

/** The digest of the document in `file`, without its volatile fields, if its schema accepts it. */
export const digest = Effect.fnUntraced(function* (artifact: Artifact.JsonArtifact<string, unknown>, file: string) {
  const disk = yield* Disk
  const text = yield* disk.readText(file)
  const value = yield* Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: (cause) => new DocumentInvalid({ expected: "a JSON document", actual: String(cause) })
  })
  yield* Schema.decodeUnknownEffect(artifact.schema)(value).pipe(
    Effect.mapError(
      ({ message }) => new DocumentInvalid({ expected: "a document that its schema accepts", actual: message })
    )
  )
  // parsed JSON always has a canonical text
  return Digest.ofJson("Document/v1", ArtifactIO.withoutVolatile(value, artifact.volatile) as CanonicalJson.Json)
})
