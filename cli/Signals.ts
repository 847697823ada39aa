/**
 * Signals: what ends op-pipe from outside: Ctrl-C, a terminal that is closed, a reader that is gone, a disk that takes no
 * more of what is printed.
 *
 * The work is interrupted, which ends all processes of steps, and then op-pipe ends with 128 and the number of the signal, as
 * a shell tells it.
 */
import { constants } from "node:os"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"

const handled = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const
type Handled = (typeof handled)[number]

const codeOf = (signal: Handled | "SIGPIPE"): number => 128 + constants.signals[signal]

let interrupted: number | undefined
let interrupt: (() => void) | undefined
let isAtWork = false

/** The exit code of a process that is ended from outside; undefined of one that is not. */
export const exitCode = (): number | undefined => interrupted

/** Marks work that leaves something undone if it ends early. */
export const atWork = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    isAtWork = true
    return Effect.ensuring(
      work,
      Effect.sync(() => {
        isAtWork = false
      })
    )
  })

/** Ends the process with `code`, or the exit code that it has already: work first ends its own processes. */
const endWith = (code: number): void => {
  interrupted ??= code
  if (interrupt === undefined || !isAtWork) process.exit(interrupted)
  interrupt()
}

/** Ends the process when what it prints cannot be written. */
export const watchOutput = (): void => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // a reader that has seen enough (`op-pipe dag | head -1`) is no error, but a run is not done then
    if (error.code === "EPIPE") return endWith(isAtWork ? codeOf("SIGPIPE") : 0)
    if (interrupted === undefined)
      process.stderr.write(`op-pipe: what it prints cannot be written: ${error.message}. What is finished is kept\n`)
    endWith(1)
  })
  // there is nobody left to tell
  process.stderr.on("error", () => undefined)
}

/** Tells of a module of the user's that ends the process, which would be silent. */
const tellOfExit = (code: number): void => {
  // of a signal, or the end of ours
  if (interrupt === undefined || interrupted !== undefined || code > 128) return
  const found = `one of its modules, or a package, ended the process (process.exit(${code})). Leave that call out`
  process.stderr.write(`op-pipe: expected the pipeline not to end op-pipe, but ${found}\n`)
  process.exitCode = 2
}

/**
 * As the platform's `runMain`, for more signals, and for what is thrown where nobody can catch it, in a timer or a promise that nobody
 * waits for: Node would print its own trace and leave the work where it is.
 */
export const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  interrupt = () => fiber.interruptUnsafe(fiber.id)
  let thrown: Exit.Exit<never> | undefined
  process.on("uncaughtException", (error) => {
    thrown ??= Exit.die(error)
    interrupt?.()
  })
  process.on("exit", tellOfExit)
  const end = (signal: Handled): void => {
    interrupted ??= codeOf(signal)
    interrupt?.()
  }
  for (const signal of handled) process.on(signal, end)
  fiber.addObserver((exit) => {
    interrupt = undefined
    for (const signal of handled) process.removeListener(signal, end)
    teardown(thrown ?? exit, (code) => process.exit(code))
  })
})
