/** An executor for tests: the stage runs in the test's own process, so that thousands of runs are possible. */
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Disk } from "../../cache/store/Disk.ts"
import * as CommandRun from "../../core/executor/CommandRun.ts"
import { Executor, StepError } from "../../core/executor/Executor.ts"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import * as TaskRun from "../../core/executor/TaskRun.ts"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, Disk.layer)

export const layer = Layer.succeed(Executor, {
  execute: (task, onNews) => {
    const { work } = task
    return work.type === "command"
      ? Effect.flatMap(Sandbox.decide(task), (isSealed) => CommandRun.run(task, work, isSealed, onNews))
      : TaskRun.run(task, work, (source) => import(source), {
          progress: () => Effect.void,
          notice: () => Effect.void
        }).pipe(
          Effect.as({ loaded: undefined }),
          Effect.mapError(
            (error) => new StepError({ step: task.step, fault: "stage", reason: error.message, log: null })
          ),
          Effect.provide(platform)
        )
  }
})
