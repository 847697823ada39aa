/**
 * What `logits` takes and gives: raw outputs of both best networks over the whole data set.
 *
 * `logits.arrow` is an Arrow IPC file, uncompressed, one record batch, one row per original picture: `path`, `class`,
 * `split` (utf8), `label` (int32), `logitsBn` and `logitsNobn` (fixed-size list of float32, one per class). The schema's
 * metadata has `classes` (a JSON array) and `format`. Rows: train, validation, test, each in the order of the index.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"

export const LogitsParams = Schema.Struct({
  /** Pictures that go through the network at once. */
  batchSize: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4096 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(64))
  )
}).annotate({ identifier: "LogitsParams" })
export type LogitsParams = typeof LogitsParams.Type

/** What the last hidden layers give for the test pictures; the format is described in `stages/lib/tables/PenultimateTable.ts`. */
export const PenultimateArtifact = Artifact.file({ tag: "Penultimate/v1", path: "penultimate.arrow" })

export const LogitsArtifact = Artifact.file({ tag: "Logits/v1", path: "logits.arrow" })
