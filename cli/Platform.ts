/** Platform: as much of it as the command line's library asks for to read flags. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"

/** A service that nothing is asked of; what asks all the same is a bug, and learns of whom. */
const unused = <S extends object>(name: string): S =>
  new Proxy({} as S, {
    get: (_, property) => {
      throw new Error(`${name}.${String(property)} is there for all verbs but run`)
    }
  })

/** Files and processes are for flags of kinds that `run` has not, a terminal for the wizard. To load Node's own ones takes a twentieth of a run that has nothing to do. */
export const forFlags = Layer.mergeAll(
  Layer.succeed(FileSystem.FileSystem, unused<FileSystem.FileSystem>("FileSystem")),
  Layer.succeed(Path.Path, unused<Path.Path>("Path")),
  Layer.succeed(Terminal.Terminal, unused<Terminal.Terminal>("Terminal")),
  Layer.succeed(ChildProcessSpawner, unused<ChildProcessSpawner["Service"]>("ChildProcessSpawner")),
  Layer.succeed(
    Stdio.Stdio,
    Stdio.make({
      args: Effect.sync(() => process.argv.slice(2)),
      stdinIsTerminal: Effect.sync(() => process.stdin.isTTY === true),
      stdoutIsTerminal: Effect.sync(() => process.stdout.isTTY === true),
      stderrIsTerminal: Effect.sync(() => process.stderr.isTTY === true),
      stdout: () => unused("Stdio.stdout"),
      stderr: () => unused("Stdio.stderr"),
      stdin: unused("Stdio.stdin")
    })
  )
)
