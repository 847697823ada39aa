/** The public face of the framework: what a `pipeline.ts` and a stage import. */
export * as Artifact from "./Artifact.ts"
export * as Pipeline from "./Pipeline.ts"
export * as Stage from "./Stage.ts"
export * as Toolchain from "./Toolchain.ts"
