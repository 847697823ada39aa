/** `op-pipe clean`: removes outputs of steps that the pipeline no longer has. */
import * as path from "node:path"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Disk } from "../../cache/store/Disk.ts"
import * as OutputFolder from "../../core/plan/OutputFolder.ts"
import * as Kept from "../../core/run/outputs/Kept.ts"
import { printError, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import * as Session from "../Session.ts"

export const clean = Command.make(
  "clean",
  {
    ...Flags.project,
    dryRun: Flags.toggle("dry-run", "Say what would be removed; remove nothing"),
    json: Flags.json
  },
  Effect.fn("cli.clean")(function* (flags) {
    const moved: Array<string> = []
    const removed = yield* Session.withStore(flags, ({ pipeline, outputsDir }) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const left = yield* OutputFolder.leftovers(outputsDir, pipeline)
        for (const name of flags.dryRun ? [] : left) {
          const folder = path.join(outputsDir, name)
          yield* Kept.moveAside(folder, (text) => moved.push(text))
          yield* disk.remove(folder)
          yield* disk.remove(OutputFolder.markOf(folder))
        }
        return left.map((name) => path.join(outputsDir, name))
      })
    )
    for (const text of moved) yield* printError(text)
    if (flags.json) return yield* printJson("clean", { removed, dryRun: flags.dryRun })
    if (removed.length === 0) return yield* printLine("nothing to remove")
    const verb = flags.dryRun ? "would remove" : "removed"
    for (const folder of removed) yield* printLine(`${verb} ${path.relative(process.cwd(), folder)}`)
  })
).pipe(Command.withDescription("Remove outputs of steps that the pipeline no longer has; results stay in the store"))
