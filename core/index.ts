/**
 * The public face of the framework: what a `pipeline.ts` and a stage import.
 *
 * @module op-pipe
 */
export * as Artifact from "./pipeline/Artifact.ts"
export * as Pipeline from "./pipeline/Pipeline.ts"
export * as Stage from "./pipeline/Stage.ts"
export * as Toolchain from "./pipeline/Toolchain.ts"
