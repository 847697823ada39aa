/**
 * FlagsPlatform: as much of the platform as the command line's library asks for to read the flags of `run`.
 *
 * Files and processes are for flags of kinds that `run` has not, a terminal for the wizard. To load Node's own ones, and with them standard
 * input, is a twentieth of a run with nothing to do.
 */
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"

/** A service that nothing is asked of; a call to it is a bug of ours, and names it. */
const unused = <S extends object>(name: string): S =>
  new Proxy({} as S, {
    get: (_, property) => {
      throw new Error(`${name}.${String(property)} is there for all verbs but run`)
    }
  })

const stdio = Stdio.make({
  args: Effect.sync(() => process.argv.slice(2)),
  stdinIsTerminal: Effect.sync(() => process.stdin.isTTY === true),
  stdoutIsTerminal: Effect.sync(() => process.stdout.isTTY === true),
  stderrIsTerminal: Effect.sync(() => process.stderr.isTTY === true),
  stdout: () => unused("Stdio.stdout"),
  stderr: () => unused("Stdio.stderr"),
  stdin: unused("Stdio.stdin")
})

export const layer = Layer.mergeAll(
  NodePath.layer,
  Layer.succeed(FileSystem.FileSystem, unused<FileSystem.FileSystem>("FileSystem")),
  Layer.succeed(Terminal.Terminal, unused<Terminal.Terminal>("Terminal")),
  Layer.succeed(ChildProcessSpawner, unused<ChildProcessSpawner["Service"]>("ChildProcessSpawner")),
  Layer.succeed(Stdio.Stdio, stdio)
)
