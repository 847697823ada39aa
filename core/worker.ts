/**
 * worker: the other side of ProcessExecutor. Started as a child process, it takes one task over the channel that it was
 * started with, does it, says how it went, and ends. It ends too when its parent is gone.
 */
import { hash } from "node:crypto"
import { readFileSync } from "node:fs"
import { realpath } from "node:fs/promises"
import { registerHooks } from "node:module"
import { fileURLToPath } from "node:url"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Disk } from "../cache/store/Disk.ts"
import { type Message, ModuleWork, StepTask } from "./Executor.ts"
import * as Permissions from "./Permissions.ts"
import type * as Stage from "./Stage.ts"
import * as TaskRun from "./TaskRun.ts"

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

/** Notes the source of each module of the project when it is loaded: what ran is what was read then, whatever happens to the file. */
const noteLoaded = (): Record<string, string> => {
  const loaded: Record<string, string> = {}
  registerHooks({
    load: (url, context, nextLoad) => {
      if (!url.startsWith("file:") || url.includes("/node_modules/")) return nextLoad(url, context)
      const file = fileURLToPath(url)
      const before = hash("sha256", readFileSync(file), "hex")
      const module = nextLoad(url, context)
      // Edited in this very instant: then it is not known which of the two was loaded.
      loaded[file] = hash("sha256", readFileSync(file), "hex") === before ? before : "changed while it was loaded"
      return module
    }
  })
  return loaded
}

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
const loaded = noteLoaded()

const errorOf = (reason: Cause.Reason<unknown>): unknown =>
  reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined

const outcome = (exit: Exit.Exit<void, Stage.Failure>): Message => {
  if (Exit.isSuccess(exit)) return { type: "done", loaded }
  const denied = exit.cause.reasons
    .map(errorOf)
    .map(Permissions.describeDenied)
    .find((each) => each !== undefined)
  if (denied !== undefined) return { type: "failed", reason: denied, badInput: false }
  const failure = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (failure === undefined) return { type: "bug", trace: Cause.pretty(exit.cause) }
  return {
    type: "failed",
    reason: failure.message,
    badInput: failure._tag === "StageFailure" && failure.badInput === true
  }
}

process.once("disconnect", () => process.exit(130))
// It may have gone while this module was loaded.
if (!process.connected) process.exit(130)
process.once("message", (raw) => {
  const work = Schema.decodeUnknownEffect(ModuleTask)(raw).pipe(
    Effect.orDie,
    Effect.flatMap((task) => TaskRun.run(task, task.work, throttled()))
  )
  const layers = Layer.mergeAll(fileSystem, NodePath.layer, Disk.layer)
  void Effect.runPromiseExit(Effect.provide(work, layers)).then(async (exit) => {
    await send(outcome(exit))
    process.exit(0)
  })
})
