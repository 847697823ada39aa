/**
 * TaskWorker: the other side of ProcessExecutor. In a child process, it takes one task over the channel that the process was
 * started with, does it, says how it went, and ends. It ends too when its parent is gone.
 */
import { realpath } from "node:fs/promises"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Disk } from "../../cache/store/Disk.ts"
import type * as Stage from "../pipeline/Stage.ts"
import * as MachineFault from "./MachineFault.ts"
import { type Message, ModuleWork, StepTask } from "./StepTask.ts"
import * as TaskRun from "./TaskRun.ts"
import * as Permissions from "./walls/Permissions.ts"

const send = (message: Message): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })

/** At most ten progress messages a second; but always one that says something new, by its label or the names of its figures. */
const throttled = (): ((progress: Stage.Progress) => Effect.Effect<void>) => {
  let lastMs = 0
  let lastSaid = ""
  return (progress) =>
    Effect.suspend(() => {
      const nowMs = performance.now()
      const said = [progress.label, ...Object.keys(progress.figures ?? {})].join()
      if (nowMs - lastMs < 100 && progress.done < progress.total && said === lastSaid) return Effect.void
      lastMs = nowMs
      lastSaid = said
      return Effect.promise(() => send({ type: "progress", figures: {}, ...progress }))
    })
}

const notice = (text: string): Effect.Effect<void> => Effect.promise(() => send({ type: "notice", text }))

/**
 * The file system of a stage. Node's `realpath` with a callback inspects every folder above the path, which the permission
 * model refuses; its promise asks the system.
 */
const fileSystem = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) =>
    FileSystem.FileSystem.of({
      ...fs,
      realPath: (path) => Effect.tryPromise(() => realpath(path)).pipe(Effect.catch(() => fs.realPath(path)))
    })
  )
).pipe(Layer.provide(NodeFileSystem.layer))

const ModuleTask = Schema.Struct({ ...StepTask.fields, work: ModuleWork })

const errorOf = (reason: Cause.Reason<unknown>): unknown =>
  reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined

const outcome = (exit: Exit.Exit<void, Stage.Failure>, loaded: Serving["loaded"]): Message => {
  if (Exit.isSuccess(exit)) return { type: "done", loaded }
  const errors = exit.cause.reasons.map(errorOf)
  const denied = errors.map(Permissions.describeDenied).find((each) => each !== undefined)
  if (denied !== undefined) return { type: "failed", reason: denied, badInput: false }
  const failure = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  const machine = errors.map(MachineFault.describe).find((each) => each !== undefined)
  if (failure === undefined && machine !== undefined) return { type: "failed", reason: machine, badInput: false }
  if (failure === undefined) return { type: "threw", trace: Cause.pretty(exit.cause) }
  return {
    type: "failed",
    reason: failure.message,
    badInput: failure._tag === "StageFailure" && failure.badInput === true
  }
}

export interface Serving {
  /** Loads the module with this `file:` URL. */
  readonly load: TaskRun.Load
  /** Modules of the project that were loaded: absolute path -> SHA-256 of the source as it was then. Read when the work is done. */
  readonly loaded: Readonly<Record<string, string>>
}

/** Takes a task, does it, ends the process. */
export const serve = ({ load, loaded }: Serving): void => {
  // a path of this machine's, of no use from here on
  delete process.env["NODE_COMPILE_CACHE"]
  process.once("disconnect", () => process.exit(130))
  // It may have gone while modules were loaded.
  if (!process.connected) process.exit(130)
  let isEnding = false
  const finish = async (exit: Exit.Exit<void, Stage.Failure>): Promise<void> => {
    if (isEnding) return
    isEnding = true
    await send(outcome(exit, loaded))
    process.exit(0)
  }
  // of a timer or a promise that the stage does not wait for; Node would print its own trace, and end
  process.on("uncaughtException", (cause) => void finish(Exit.die(cause)))
  process.once("message", (raw) => {
    const work = Schema.decodeUnknownEffect(ModuleTask)(raw).pipe(
      Effect.orDie,
      Effect.flatMap((task) => TaskRun.run(task, task.work, load, { progress: throttled(), notice }))
    )
    const layers = Layer.mergeAll(fileSystem, NodePath.layer, Disk.layer)
    void Effect.runPromiseExit(Effect.provide(work, layers)).then(finish)
  })
}
