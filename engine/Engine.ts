/** The interface of an open engine. */
import type * as Effect from "effect/Effect"
import type { EngineError, EngineIdentity, EngineOutOfMemory } from "./Identity.ts"
import type { Program, ProgramOptions } from "./Program.ts"

export interface Engine {
  readonly identity: EngineIdentity
  /** Puts a network into the engine's memory. The caller disposes of it. */
  readonly program: (options: ProgramOptions) => Effect.Effect<Program, EngineError | EngineOutOfMemory>
}

export interface OpenOptions {
  /** Where `identify` built the addon. */
  readonly cacheDir: string
  /** How many, for an engine whose identity leaves it open. */
  readonly threads: number
}
