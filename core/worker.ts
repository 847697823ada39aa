/**
 * worker: the other side of ProcessExecutor. Started as a child process, it takes one task over the channel that it was
 * started with, does it, says how it went, and ends. It ends too when its parent is gone.
 */
import { renameSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Artifact from "./Artifact.ts"
import { type Message, StepTask } from "./Executor.ts"
import * as Stage from "./Stage.ts"
import type * as Toolchain from "./Toolchain.ts"

const send = (message: Message): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })

const loadStage = Effect.fnUntraced(function* (task: StepTask) {
  const loaded = yield* Effect.promise(() => import(task.source) as Promise<Record<string, unknown>>)
  const stage = Object.values(loaded).find((value) => Stage.isStage(value) && value.name === task.stage)
  if (stage === undefined) {
    return yield* new Stage.StageFailure({
      reason: `the module ${task.source} does not export the stage`,
      expected: `an export made by Stage.make({ name: "${task.stage}" })`,
      actual: `the exports ${Object.keys(loaded).join(", ") || "none"}`
    })
  }
  return stage as Stage.Stage<string, unknown, Stage.Artifacts, Stage.Artifacts, Stage.Toolchains>
})

const checkpointOf = (path: string): Stage.Checkpoint => ({
  load: Effect.promise(() => fs.readFile(path).catch(() => undefined)),
  save: (state) =>
    Effect.promise(async () => {
      const temporary = `${path}.${process.pid}`
      await fs.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true })
      const file = await fs.open(temporary, "w")
      await file.writeFile(state)
      await file.sync()
      await file.close()
      renameSync(temporary, path)
    })
})

/** At most ten progress messages a second, and always the last of a label. */
const throttle = (): ((progress: Stage.Progress) => Effect.Effect<void>) => {
  let lastMs = 0
  let lastLabel = ""
  return (progress) =>
    Effect.suspend(() => {
      const nowMs = performance.now()
      if (nowMs - lastMs < 100 && progress.done < progress.total && progress.label === lastLabel) return Effect.void
      lastMs = nowMs
      lastLabel = progress.label
      return Effect.promise(() => send({ type: "progress", figures: {}, ...progress }))
    })
}

const runTask = Effect.fnUntraced(function* (task: StepTask) {
  const stage = yield* loadStage(task)
  const params = yield* Effect.orDie(Schema.decodeUnknownEffect(stage.params)(task.params))
  const readers = Object.entries(stage.inputs).map(
    ([name, artifact]) => [name, Artifact.reader(artifact, task.inputs[name] ?? "")] as const
  )
  const writers = yield* Effect.forEach(Object.entries(stage.output), ([name, artifact]) =>
    Effect.map(Effect.orDie(Artifact.writer(artifact, task.outputDir)), (writer) => [name, writer] as const)
  )
  const identities = yield* Effect.forEach(
    Object.entries(stage.toolchain),
    ([name, toolchain]: [string, Toolchain.Any]) =>
      Effect.map(
        Effect.orDie(
          Schema.decodeUnknownEffect(toolchain.identity as Schema.Codec<unknown, unknown>)(task.toolchain[name])
        ),
        (identity) => [name, identity] as const
      )
  )
  yield* stage.run({
    params,
    inputs: Object.fromEntries(readers),
    output: Object.fromEntries(writers),
    toolchain: Object.fromEntries(identities),
    toolchainDir: task.toolchainDir,
    workdir: task.workdir,
    cores: task.cores,
    progress: throttle(),
    checkpoint: checkpointOf(task.checkpoint)
  } as never)
})

const outcome = (exit: Exit.Exit<void, Stage.Failure>): Message => {
  if (Exit.isSuccess(exit)) return { type: "done" }
  const failure = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (failure === undefined) return { type: "bug", trace: Cause.pretty(exit.cause) }
  const badInput = failure._tag === "StageFailure" && failure.badInput === true
  return { type: "failed", reason: failure.message, badInput }
}

process.once("disconnect", () => process.exit(130))
process.once("message", (raw) => {
  const work = Schema.decodeUnknownEffect(StepTask)(raw).pipe(Effect.orDie, Effect.flatMap(runTask), Effect.scoped)
  const layers = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)
  void Effect.runPromiseExit(Effect.provide(work, layers)).then(async (exit) => {
    await send(outcome(exit))
    process.exit(0)
  })
})
