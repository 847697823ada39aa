/** Prepared: a pipeline with everything that does not depend on results. */
import type { CodeFingerprint } from "../../cache/code/CodeFingerprint.ts"
import type { Ingredients } from "../../cache/identity/CacheKey.ts"
import type * as Tree from "../../cache/store/Tree.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import type * as Stage from "../pipeline/Stage.ts"
import type { AnySource } from "../pipeline/Step.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import type { Settings } from "./Settings.ts"

export interface PreparedSource {
  readonly source: AnySource
  readonly path: string
  readonly content: Tree.SourceTree
  /** When its snapshot ended, by `performance.now()`, and how long it took. */
  readonly seenMs: number
  readonly tookMs: number
}

export interface PreparedToolchain {
  readonly toolchain: Toolchain.Any
  readonly identity: unknown
  readonly encoded: unknown
  readonly cores: number
}

export interface Prepared {
  readonly pipeline: Pipeline
  readonly settings: Settings
  /** The pipeline's folder. */
  readonly root: string
  readonly sources: ReadonlyMap<string, PreparedSource>
  readonly toolchains: ReadonlyMap<string, PreparedToolchain>
  /** By the URL of the stage's module, or the id of its Python script. */
  readonly code: ReadonlyMap<string, CodeFingerprint>
  /** By step, of those whose stage names programs: name -> digest. */
  readonly programs: ReadonlyMap<string, NonNullable<Ingredients["programs"]>>
  readonly cores: number
}

/** What names the code of a stage; undefined of a command, which is its own. */
export const codeIdOf = (stage: Stage.Any): string | undefined =>
  stage._tag === "Stage" ? stage.source : stage.python?.id

/** The identity of a stage's code; undefined of a command. */
export const fingerprintOf = ({ code }: Pick<Prepared, "code">, stage: Stage.Any): CodeFingerprint | undefined =>
  code.get(codeIdOf(stage) ?? "")
