/**
 * Opens an engine by its identity. This is where TensorFlow.js or the addon is loaded, and not before.
 *
 * Gotchas: what is opened must be what the identity says, or results would be stored under a wrong cache key; a
 * difference is an `EngineError`, never a silent fallback.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { EngineError, type EngineIdentity, type EngineOutOfMemory } from "./Identity.ts"
import type { Program, ProgramOptions } from "./Program.ts"

export interface Engine {
  readonly identity: EngineIdentity
  /** Puts a network into the engine's memory. The caller disposes of it. */
  readonly program: (options: ProgramOptions) => Effect.Effect<Program, EngineError | EngineOutOfMemory>
}

export interface OpenOptions {
  /** Where `identify` built the addon. */
  readonly cacheDir: string
}

const wrap =
  (engine: string) =>
  (cause: unknown): EngineError =>
    cause instanceof EngineError
      ? cause
      : new EngineError({
          engine,
          expected: "the engine to load",
          actual: cause instanceof Error ? cause.message : String(cause),
          toDo: "Run `op-pipe doctor` to see what is missing.",
          cause
        })

const load = async (identity: EngineIdentity, options: OpenOptions): Promise<Engine> => {
  switch (identity.name) {
    case "native":
      return (await import("./native/NativeEngine.ts")).openNative(identity, options.cacheDir)
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
