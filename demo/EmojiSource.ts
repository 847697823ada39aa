/**
 * The pictures that a pipeline reads: the user's folder, or the demo set when none is named.
 */
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Pipeline, Stage } from "../core/index.ts"
import { Pictures } from "../schemas/Pictures.ts"
import { defaultPerClass, writeEmoji } from "./Emoji.ts"

const EmojiParams = Schema.Struct({
  /** Of the demo set: at most so many pictures of each class; 0: all. */
  perClass: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(defaultPerClass))
  )
})

/** `<root>/<class>/**`; files beside the class folders (a README) are no part of it. */
export const pictures = Pipeline.source({
  name: "images",
  artifact: Pictures,
  ignore: (relative) => !relative.includes("/") && relative.includes("."),
  params: EmojiParams,
  provide: ({ perClass }, { dataDir, cacheDir, notify }) => {
    const dir = path.join(dataDir, perClass === defaultPerClass ? "emoji" : `emoji-${perClass}`)
    return writeEmoji({ dir, perClass, cacheDir, notify }).pipe(
      Effect.map((written) => written.dir),
      Effect.mapError((error) => new Stage.StageFailure({ reason: error.message })),
      Effect.provide(NodeServices.layer)
    )
  }
})
