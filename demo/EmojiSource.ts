/**
 * The images that a pipeline reads: the user's folder, or the demo set when none is named.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Pipeline, Stage } from "../core/index.ts"
import { Images } from "../schemas/Images.ts"
import { Count, withDefault } from "../schemas/Numbers.ts"
import type { WriteEmojiOptions } from "./Emoji.ts"
import { defaultPerClass, wholeSet } from "./EmojiSet.ts"

const EmojiParams = Schema.Struct({
  /** Of the demo set: at most so many images of each class; 0: all. */
  perClass: withDefault(Count, defaultPerClass)
})

/** Draws the set into `dir`; loaded only where the set is missing. */
const write = Effect.fnUntraced(function* (options: WriteEmojiOptions) {
  const { writeEmoji } = yield* Effect.promise(() => import("./Emoji.ts"))
  const NodeFileSystem = yield* Effect.promise(() => import("@effect/platform-node-shared/NodeFileSystem"))
  const NodeChildProcessSpawner = yield* Effect.promise(
    () => import("@effect/platform-node-shared/NodeChildProcessSpawner")
  )
  const NodePath = yield* Effect.promise(() => import("@effect/platform-node-shared/NodePath"))
  const { dir } = yield* writeEmoji(options).pipe(
    Effect.mapError((error) => new Stage.StageFailure({ reason: error.message })),
    Effect.provide(
      Layer.provideMerge(NodeChildProcessSpawner.layer, Layer.mergeAll(NodeFileSystem.layer, NodePath.layer))
    )
  )
  return dir
})

/** What lies beside the class folders and is about the set. Not whatever has a dot: so has the class `001.Black_footed_Albatross`. */
const aboutTheSet = /^[^/]+\.(?:md|rst|txt|pdf|html?|csv|tsv|jsonl?|ya?ml|xml|xlsx?|parquet)$/iu

/** `<root>/<class>/**`; documents beside the class folders (a README, a table) are left out. */
export const images = Pipeline.source({
  name: "images",
  artifact: Images,
  ignore: (relative) => aboutTheSet.test(relative) || Pipeline.isLeftBehind(relative),
  params: EmojiParams,
  provide: ({ perClass }, { dataDir, cacheDir, notify, mayMake }) => {
    const dir = path.resolve(dataDir, perClass === defaultPerClass ? "emoji" : `emoji-${perClass}`)
    if (wholeSet(dir, perClass) !== undefined) return Effect.succeed(dir)
    if (mayMake) return write({ dir, perClass, cacheDir, notify })
    const toDo = "`op-pipe run` makes them; --data names images of your own"
    return Effect.fail(new Stage.StageFailure({ reason: "The demo images are not there yet", toDo, badInput: true }))
  }
})
