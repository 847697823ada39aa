/**
 * Watch: `op-pipe run --watch`: a run, and another each time that its sources or its code change.
 *
 * Each run is a process of its own, since it loads the pipeline anew. A change ends a run that is under way: what is finished is kept,
 * and the next goes on from there.
 */
import { spawn } from "node:child_process"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { few, shownName } from "../../cache/identity/Shown.ts"
import { paint, printError } from "../Console.ts"
import * as Signals from "../Signals.ts"
import * as Places from "./Places.ts"
import * as Watcher from "./Watcher.ts"

/** Nothing changes for so long: the editor, or the checkout, is done. */
const quietMs = 100
const mostNamed = 3

/** Waits for a change, and then until there are no more of them. */
const settled = Effect.fnUntraced(function* (changes: Queue.Dequeue<string>) {
  const files = new Set([yield* Queue.take(changes)])
  for (;;) {
    const next = yield* Effect.timeoutOption(Queue.take(changes), quietMs)
    if (Option.isNone(next)) return Array.from(files)
    files.add(next.value)
  }
})

/** A run in a process of its own; interrupted, it ends as by Ctrl-C. Tells its places to `onPlaces`, or undefined if it ends without. */
const runOnce = (args: ReadonlyArray<string>, onPlaces: (places: Places.Places | undefined) => void) =>
  Effect.callback<void>((resume) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: { ...process.env, [Places.variable]: "1" }
    })
    let isTold = false
    child.on("message", (message) => {
      const places = Places.parse(message)
      isTold ||= places !== undefined
      if (places !== undefined) onPlaces(places)
    })
    child.once("close", () => {
      if (!isTold) onPlaces(undefined)
      resume(Effect.void)
    })
    return Effect.callback<void>((ended) => {
      if (child.exitCode !== null || child.signalCode !== null) return ended(Effect.void)
      child.once("close", () => ended(Effect.void))
      child.kill("SIGINT")
    })
  })

const named = (files: ReadonlyArray<string>): string =>
  few(
    files.map((file) => shownName(path.relative(process.cwd(), file) || ".")),
    mostNamed
  )

const limitMessage = (folders: number): string =>
  `${folders} folders cannot be watched, since the system allows no more. Changes there count in the next run. On Linux more are allowed by \`sysctl fs.inotify.max_user_watches=524288\` and by \`ulimit -n\``

export interface Options {
  /** The folder of the pipeline. */
  readonly root: string
  /** The command line of each run. */
  readonly args: ReadonlyArray<string>
  readonly quiet: boolean
}

/** Runs until it is ended from outside. */
export const watch = Effect.fn("watch.watch")(
  function* ({ root, args, quiet }: Options) {
    const changes = yield* Queue.unbounded<string>()
    const say = (line: string): void =>
      Effect.runSync(quiet ? Effect.void : printError(paint("dim", line, process.stderr)))
    const makeWatcher = Effect.sync(() =>
      Watcher.make(
        (file) => Queue.offerUnsafe(changes, file),
        (folders) => say(limitMessage(folders))
      )
    )
    const watcher = yield* Effect.acquireRelease(makeWatcher, ({ close }) => Effect.sync(close))
    for (;;) {
      const onPlaces = (places: Places.Places | undefined): void =>
        places === undefined ? watcher.widen(root) : watcher.set(places)
      const told = Effect.sync(() => say("Watching for changes. Ctrl-C ends it."))
      const running = yield* Effect.forkChild(Effect.andThen(runOnce(args, onPlaces), told))
      const files = yield* settled(changes)
      yield* Fiber.interrupt(running)
      say(`Changed: ${named(files)}`)
    }
  },
  Effect.scoped,
  Signals.atWork
)
