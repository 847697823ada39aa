/**
 * Opens an engine by its identity. This is where TensorFlow.js or the addon is loaded, and not before.
 *
 * Gotchas: the engine must match its identity, or results would be stored under a wrong cache key; a difference is an
 * `EngineError`, never a silent fallback.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Engine, OpenOptions } from "./Engine.ts"
import { EngineError, type EngineIdentity, messageOf } from "./Identity.ts"

const wrap =
  (engine: string) =>
  (cause: unknown): EngineError =>
    cause instanceof EngineError
      ? cause
      : new EngineError({
          engine,
          expected: "the engine to load",
          actual: messageOf(cause),
          toDo: "Run `op-pipe doctor` to see what is missing.",
          cause
        })

const load = async (identity: EngineIdentity, options: OpenOptions): Promise<Engine> => {
  switch (identity.name) {
    case "native":
      return (await import("./native/NativeEngine.ts")).openNative(identity, options)
    case "cpu":
      return (await import("./Cpu.ts")).openCpu(identity)
    case "tensorflow":
      return (await import("./Tensorflow.ts")).openTensorflow(identity)
    case "webgpu":
      return (await import("./Webgpu.ts")).openWebgpu(identity)
  }
}

/** The engine of that identity, closed with the scope. */
export const open = (identity: EngineIdentity, options: OpenOptions): Effect.Effect<Engine, EngineError, Scope.Scope> =>
  Effect.tryPromise({ try: () => load(identity, options), catch: wrap(identity.name) })
