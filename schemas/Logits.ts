/**
 * Parameters and outputs of `logits`: raw outputs of both best networks over the whole data set.
 *
 * `logits.arrow` is an Arrow IPC file, uncompressed, one record batch, one row per original image: `path`, `class`,
 * `split` (utf8), `label` (int32), `logitsBn` and `logitsNobn` (fixed-size list of float32, one per class). The
 * schema's metadata has `classes` (a JSON array) and `format`. Rows: train, validation, test, each in the order of the
 * index.
 */
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"
import { integerBetween, withDefault } from "./Numbers.ts"

export const LogitsParams = Schema.Struct({
  /** Images that go through the network at once. */
  batchSize: withDefault(integerBetween(1, 4096), 64)
}).annotate({ identifier: "LogitsParams" })
export type LogitsParams = typeof LogitsParams.Type

/**
 * Values of the last hidden layers for the test images; `stages/lib/tables/PenultimateTable.ts` describes the format.
 */
export const PenultimateArtifact = Artifact.file({ tag: "Penultimate/v1", path: "penultimate.arrow" })

/** Logits of the test images from the further seeds; `stages/lib/tables/SeedLogitsTable.ts` describes the format. */
export const SeedLogitsArtifact = Artifact.file({ tag: "SeedLogits/v1", path: "seed-logits.arrow" })

export const LogitsArtifact = Artifact.file({ tag: "Logits/v1", path: "logits.arrow" })
