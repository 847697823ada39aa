/** Prepared: a pipeline with everything that does not depend on results. */
import type { CodeFingerprint, CodeUnknown } from "../../cache/code/CodeFingerprint.ts"
import type { ProgramMissing } from "../../cache/code/Programs.ts"
import type { Ingredients } from "../../cache/identity/CacheKey.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import type * as Tree from "../../cache/store/Tree.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import type * as Stage from "../pipeline/Stage.ts"
import { type AnySource, type AnyStep, origins, type Port } from "../pipeline/Step.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import type { Settings } from "./Settings.ts"
import type { SettingsError } from "./SettingsError.ts"

export interface PreparedSource {
  readonly source: AnySource
  readonly path: string
  readonly content: Tree.SourceTree
  /** When its snapshot ended, by `Sources.nowMs`, and how long it took. */
  readonly seenMs: number
  readonly tookMs: number
}

export interface PreparedToolchain {
  readonly toolchain: Toolchain.Any
  readonly identity: unknown
  readonly encoded: unknown
  readonly cores: number
}

type AnyPort = Port<Artifact.Any>

/** What the port of one entry gives: a part of a source, or of an output; of an item of a list, the text of its document. */
export type Part =
  | { readonly type: "source"; readonly source: PreparedSource }
  | { readonly type: "output"; readonly output: Output; readonly text?: string }

export interface Prepared {
  readonly pipeline: Pipeline
  readonly settings: Settings
  /** The pipeline's folder. */
  readonly root: string
  readonly sources: ReadonlyMap<string, PreparedSource>
  /**
   * Why there is nothing of a source, no program that a step names, or no identity of its code, where other steps go on: by the source,
   * which is not in `sources`, or by the id of the step.
   */
  readonly missing: ReadonlyMap<AnySource | string, Missing>
  readonly toolchains: ReadonlyMap<string, PreparedToolchain>
  /** By the URL of the stage's module, or the id of its Python script. */
  readonly code: ReadonlyMap<string, CodeFingerprint>
  /** By step, of those whose stage names programs: name -> digest. */
  readonly programs: ReadonlyMap<string, NonNullable<Ingredients["programs"]>>
  readonly cores: number
  /** What the ports of entries give, as far as these are known (Branches). */
  readonly parts: Map<AnyPort, Part>
}

/** The source, or the part of one, that a port gives; undefined of an output. */
export const sourceOf = ({ parts, sources }: Prepared, port: AnyPort): PreparedSource | undefined => {
  if (port.owner._tag !== "Source") return undefined
  const part = port.entry === undefined ? undefined : parts.get(port)
  if (part === undefined) return sources.get(port.owner.name)
  return part.type === "source" ? part.source : undefined
}

export type Missing = SettingsError | ProgramMissing | CodeUnknown

/** Why a step cannot begin: a source that it reads is missing, a program that it names, or a module or script of its code. */
export const missingOf = ({ missing }: Prepared, step: AnyStep): Missing | undefined => {
  if (missing.size === 0) return undefined
  const sources = origins(step).filter((owner) => owner._tag === "Source")
  return [...sources, declaredId(step)].map((of) => missing.get(of)).find((each) => each !== undefined)
}

/** The output, or the part of one, that a port gives; undefined of a source, and while it is not known or not there. */
export const outputOf = (
  { parts }: Pick<Prepared, "parts">,
  port: AnyPort,
  results: ReadonlyMap<string, StepResult>
): Output | undefined => {
  const part = port.entry === undefined ? undefined : parts.get(port)
  if (part !== undefined) return part.type === "output" ? part.output : undefined
  return port.owner._tag === "Step" ? results.get(port.owner.id)?.outputs[port.output] : undefined
}

/** The parameters of a step, encoded: a branch has those of the step that it was placed for, and its own. */
export const paramsOf = ({ steps }: Settings, { id, branch }: AnyStep): Readonly<Record<string, unknown>> =>
  branch === undefined ? (steps[id] ?? {}) : { ...steps[branch.of], ...branch.params }

/** The id of the step as the pipeline declares it. */
export const declaredId = ({ id, branch }: AnyStep): string => branch?.of ?? id

/** What names the code of a stage; undefined of a command, which is its own. */
export const codeIdOf = (stage: Stage.Any): string | undefined =>
  stage._tag === "Stage" ? stage.source : stage.python?.id

/** The identity of a stage's code; undefined of a command. */
export const fingerprintOf = ({ code }: Pick<Prepared, "code">, stage: Stage.Any): CodeFingerprint | undefined =>
  code.get(codeIdOf(stage) ?? "")
