/** `op-pipe data emoji [DIR]`: images to try op-pipe with. */
import * as path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { printError, printLine, projectFlags, toolchainDir, withStore } from "../cli/index.ts"

const emoji = Command.make(
  "emoji",
  {
    dir: Argument.String("dir").pipe(Argument.withDefault(path.join("data", "emoji"))),
    perClass: Flag.Int("per-class").pipe(
      Flag.withDescription("At most this many images of each class; 0: all"),
      Flag.optional
    ),
    ...projectFlags
  },
  Effect.fn("cli.data.emoji")(function* ({ dir, perClass, ...flags }) {
    const { writeEmoji } = yield* Effect.promise(() => import("../demo/Emoji.ts"))
    const written = yield* withStore(flags, () =>
      Effect.gen(function* () {
        return yield* writeEmoji({
          dir,
          ...(perClass._tag === "Some" ? { perClass: perClass.value } : {}),
          cacheDir: yield* toolchainDir("source-images"),
          notify: (line) => Effect.runSync(printError(line))
        })
      })
    )
    yield* printLine(
      `${written.dir} has ${written.images} images of ${written.classes} classes; its README.md has their licences.`
    )
  })
).pipe(Command.withDescription("Emoji by several artists, 18 classes by subject, about 3,700 images of 256 x 256"))

export const data = Command.make("data").pipe(
  Command.withDescription("Make images to try op-pipe with"),
  Command.withSubcommands([emoji])
)
