/** Document: the file of a JSON artifact, and its digest. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type * as Artifact from "./Artifact.ts"
import * as ArtifactIO from "./ArtifactIO.ts"
import { thrownBy } from "./checks/Schemas.ts"

/** The file does not hold what its artifact declares. */
export class DocumentInvalid extends Data.TaggedError("DocumentInvalid")<{
  readonly expected: string
  readonly actual: string
}> {
  override get message(): string {
    return `expected ${this.expected}, but found ${this.actual}`
  }
}

/** The text of a document as steps read it: its own, to the byte, or written anew without its volatile fields. */
export const handedOn = (
  { volatile }: Pick<Artifact.JsonArtifact<string, unknown, boolean>, "volatile">,
  bytes: Uint8Array
): Uint8Array => {
  if (volatile.length === 0) return bytes
  const value = ArtifactIO.withoutVolatile(JSON.parse(Buffer.from(bytes).toString()), volatile)
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
}

/** The digest of the document in `file` as steps read it, if its schema accepts it. */
export const digest = Effect.fnUntraced(function* (
  artifact: Artifact.JsonArtifact<string, unknown, boolean>,
  file: string
) {
  const disk = yield* Disk
  const bytes = yield* disk.read(file)
  const value = yield* Effect.try({
    try: () => JSON.parse(Buffer.from(bytes).toString()) as unknown,
    catch: (cause) => new DocumentInvalid({ expected: "a JSON document", actual: String(cause) })
  })
  yield* Schema.decodeUnknownEffect(artifact.schema)(value).pipe(
    Effect.mapError(
      ({ message }) => new DocumentInvalid({ expected: "a document that its schema accepts", actual: message })
    ),
    Effect.catchDefect((defect) =>
      Effect.fail(
        new DocumentInvalid({ expected: "a Schema that decodes or says what does not fit", actual: thrownBy(defect) })
      )
    )
  )
  return Digest.ofBytes(handedOn(artifact, bytes))
})
