/**
 * The engines' public face. Parameters choose an engine, never the code of a stage: `identify` gives its identity
 * (fast, part of cache keys), `open` loads it, and the `Engine` makes programs of networks.
 *
 * Gotchas: importing this file loads neither TensorFlow.js nor the addon; `open` does.
 */
export type { Engine, OpenOptions } from "./Engine.ts"
export type { IdentifyOptions } from "./Identify.ts"
export { identify } from "./Identify.ts"
export {
  defaultEngineParams,
  EngineError,
  EngineIdentity,
  EngineName,
  EngineOutOfMemory,
  EngineParams,
  Precision
} from "./Identity.ts"
export { type Aligner, openAligner } from "./native/Aligner.ts"
export { jobNumbers, openResampler, type Resampler } from "./native/Resampler.ts"
export { open } from "./Open.ts"
export type { Alive, Block, Loss, NetworkShape, Optimizer, Parameter, Program, ProgramOptions } from "./Program.ts"
export { isTrainable, parametersOf } from "./Program.ts"
