/**
 * Pipelines: stages placed as steps and wired to each other.
 *
 * ```ts
 * const images = Pipeline.source({ name: "images", artifact: Pictures })
 * const parts = Pipeline.step(split, { inputs: { images: images.port } })
 * const bn = Pipeline.step(train, { variant: "bn", inputs: { manifest: parts.out.manifest }, params: { normalization: "batch" } })
 * export default Pipeline.make({ name: "study", steps: [bn] })
 * ```
 *
 * Wrong wiring does not compile (see Step.ts). Steps that others need need not be listed.
 *
 * Parameters are settled in this order, the later winning: the Schema's defaults, the pipeline's seed (for a parameter
 * named `seed`), the profile's for the stage, the step's own, the profile's for the step, `--set`.
 *
 * A step with `perSeed: true` is placed again for each further seed of the pipeline, as its *replica*: `train@bn#2` (many/Seeds.ts).
 * `each` places a step for each entry of a folder or item of a list, known only when the run gets there (many/Each.ts).
 */
import type * as Command from "effect/cli/Command"
import type * as Artifact from "./Artifact.ts"
import * as Options from "./checks/Options.ts"
import { checkDeclared } from "./Declaration.ts"
import * as Seeds from "./many/Seeds.ts"
import { DeclarationError } from "./Names.ts"
import type * as Stage from "./Stage.ts"
import { type AnySource, type AnyStep, origins, type ParamsOf, type Port, type Step } from "./Step.ts"
import type * as Toolchain from "./Toolchain.ts"

export { each, entries, gather, items } from "./many/Each.ts"
export { matrix } from "./many/Matrix.ts"
export {
  type AnySource,
  type AnyStep,
  type Entries,
  furtherSeeds,
  isLeftBehind,
  type ManyPort,
  type ParamsOf,
  type Port,
  type ProvideOptions,
  type Source,
  type Step,
  source,
  step
} from "./Step.ts"

/** Parameters by stage name, step id, source name or toolchain name. */
export type Overrides = Readonly<Record<string, Readonly<Record<string, unknown>>>>

type ProfileOf<Steps extends ReadonlyArray<AnyStep>> = {
  readonly [S in Steps[number] as S["stage"]["name"] | S["id"]]?: Partial<ParamsOf<S["stage"]>>
} & { readonly [name: string]: Readonly<Record<string, unknown>> | undefined }

/** A verb of the pipeline's own, made by `Command.make` of `effect/cli` (see `op-pipe/cli`). */
export type Verb = Command.Command.Any

/** A flag of the command line that stands for `--set` of one parameter. */
export interface ParameterFlag {
  /** `engine.name`: the step, stage, source or toolchain, and its parameter. */
  readonly sets: string
  readonly description: string
}

/** The checks of `op-pipe doctor`, by toolchain. */
export type Checks = Readonly<Record<string, Toolchain.Check>>

/** How many seeds a run has that asks for none; a profile without a number has one seed. */
export type DeclaredSeeds = number | Readonly<Record<string, number>>

// biome-ignore lint/suspicious/noExplicitAny: existential type parameter
type Document = Artifact.JsonArtifact<string, any, boolean>

/** A pipeline as `make` returns it: all steps and sources that the declared steps reach. */
export interface Pipeline {
  readonly _tag: "Pipeline"
  readonly name: string
  /** Upstream before downstream. */
  readonly steps: ReadonlyArray<AnyStep>
  readonly sources: ReadonlyArray<AnySource>
  /** Those that were given to `make`. */
  readonly declared: ReadonlyArray<AnyStep>
  readonly seed: number
  /** How many seeds there are: `seed` and those after it. */
  readonly seeds: number
  /** As given to `make`: for every profile, or by profile. */
  readonly declaredSeeds: DeclaredSeeds
  readonly profiles: Readonly<Record<string, Overrides>>
  readonly defaultProfile: string | undefined
  /** Where the store is, relative to the pipeline's folder, unless the command line or the environment says otherwise. */
  readonly store: string | undefined
  /** The same of the folder for outputs. */
  readonly outputs: string | undefined
  /** The file that a person should open after a run. */
  readonly report: Port<Artifact.Any> | undefined
  /** Documents whose numbers belong in tables of runs. No key holds what is declared here. */
  readonly metrics: ReadonlyArray<Document>
  /** Documents whose series belong in plots of runs. */
  readonly plots: ReadonlyArray<Document>
  /** Verbs of its own. The command line loads them when it needs them: a run does not. */
  readonly commands: () => Promise<ReadonlyArray<Verb>>
  /** Here and not with the toolchains: what stages declare is their code, and the words of a check made no result. */
  readonly checks: () => Promise<Checks>
  /** By the flag's name. */
  readonly flags: Readonly<Record<string, ParameterFlag>>
}

const collect = (roots: ReadonlyArray<AnyStep>): Pick<Pipeline, "steps" | "sources"> => {
  const steps = new Set<AnyStep>()
  const sources = new Set<AnySource>()
  const visit = (owner: AnyStep | AnySource): void => {
    if (owner._tag === "Source") sources.add(owner)
    else if (!steps.has(owner)) {
      for (const needed of origins(owner)) visit(needed)
      steps.add(owner)
    }
  }
  for (const root of roots) visit(root)
  return { steps: Array.from(steps), sources: Array.from(sources) }
}

/**
 * The same pipeline over that many seeds. Throws `DeclarationError` for a number that is no whole number from 1 on.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Finite })
 * const draw = Stage.make({
 *   name: "draw",
 *   source: import.meta.url,
 *   params: Schema.Struct({ seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))) }),
 *   inputs: {},
 *   output: { value: Value },
 *   run: ({ params, output }) => output.value.write(params.seed)
 * })
 * const one = Pipeline.make({ name: "draws", steps: [Pipeline.step(draw, { inputs: {}, perSeed: true })] })
 * console.log(Pipeline.overSeeds(one, 3).steps.map(({ id }) => id).join(" ")) // draw draw#2 draw#3
 * ```
 */
export const overSeeds = (pipeline: Pipeline, seeds: number): Pipeline => {
  if (!Number.isInteger(seeds) || seeds < 1) {
    throw new DeclarationError(`${pipeline.name}: expected seeds to be a whole number from 1 on, but found ${seeds}`)
  }
  // asked for: it holds whatever the profile
  const asked = { ...pipeline, declaredSeeds: seeds }
  if (seeds === pipeline.seeds) return asked
  return { ...asked, ...collect(Seeds.place(collect(pipeline.declared).steps, seeds)), seeds }
}

/**
 * How many seeds a run with this profile has, unless it asks for another number.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
 * const greet = Stage.command({ name: "greet", command: 'echo hello > "$line"', inputs: {}, output: { line: Line } })
 * const steps = [Pipeline.step(greet, { inputs: {} })]
 * const two = Pipeline.make({ name: "two", steps, profiles: { short: {}, long: {} }, seeds: { long: 3 } })
 * console.log(Pipeline.seedsOf(two, "short"), Pipeline.seedsOf(two, "long")) // 1 3
 * ```
 */
export const seedsOf = (
  { declaredSeeds, defaultProfile }: Pick<Pipeline, "declaredSeeds" | "defaultProfile">,
  profile = defaultProfile
): number => {
  if (typeof declaredSeeds === "number") return declaredSeeds
  return profile !== undefined && Object.hasOwn(declaredSeeds, profile) ? declaredSeeds[profile]! : 1
}

/**
 * Makes a pipeline of steps, and of all steps and sources that these need. It is the default export of `pipeline.ts`.
 *
 * Throws `DeclarationError` for steps, sources or profiles whose names clash or name nothing.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
 * const greet = Stage.command({ name: "greet", command: 'echo hello > "$line"', inputs: {}, output: { line: Line } })
 * const shout = Stage.command({
 *   name: "shout",
 *   command: 'tr a-z A-Z < "$quiet" > "$loud"',
 *   inputs: { quiet: Line },
 *   output: { loud: Line }
 * })
 *
 * const greeted = Pipeline.step(greet, { inputs: {} })
 * const shouted = Pipeline.step(shout, { inputs: { quiet: greeted.out.line } })
 * export default Pipeline.make({ name: "greetings", steps: [shouted], report: shouted.out.loud })
 * ```
 */
export const make = <const Steps extends ReadonlyArray<Step<Stage.Any>>>(options: {
  readonly name: string
  readonly steps: Steps
  readonly seed?: number
  /** Steps with `perSeed` are placed for this many seeds: `seed` and those after it. By profile, or one number for all. */
  readonly seeds?: DeclaredSeeds
  readonly profiles?: Readonly<Record<string, ProfileOf<Steps>>>
  readonly defaultProfile?: string
  /** Where the store is, relative to the pipeline's folder; `--store` and the variable `OP_PIPE_STORE` come first. */
  readonly store?: string
  /** Where outputs are, relative to the pipeline's folder; `--outputs` and the variable `OP_PIPE_OUTPUTS` come first. */
  readonly outputs?: string
  readonly report?: Port<Artifact.Any>
  /** Documents whose numbers are columns of `op-pipe table` and `op-pipe sweep`: each step's that has such an output. */
  readonly metrics?: ReadonlyArray<Document>
  /** Documents with series of numbers, for `op-pipe plots`: lists of records (`[{ epoch: 1, loss: 0.5 }]`) or of numbers. */
  readonly plots?: ReadonlyArray<Document>
  readonly commands?: () => Promise<ReadonlyArray<Verb>>
  /** What `op-pipe doctor` tells of each toolchain: what is here, what is missing, and how to get it. */
  readonly checks?: () => Promise<Checks>
  readonly flags?: Readonly<Record<string, ParameterFlag>>
}): Pipeline => {
  Options.ofPipeline(options)
  const single: Pipeline = {
    _tag: "Pipeline",
    name: options.name,
    ...collect(options.steps),
    declared: options.steps,
    seed: options.seed ?? 0,
    seeds: 1,
    declaredSeeds: options.seeds ?? 1,
    profiles: (options.profiles ?? {}) as Readonly<Record<string, Overrides>>,
    defaultProfile: options.defaultProfile,
    store: options.store,
    outputs: options.outputs,
    report: options.report,
    metrics: options.metrics ?? [],
    plots: options.plots ?? [],
    commands: options.commands ?? (() => Promise.resolve([])),
    checks: options.checks ?? (() => Promise.resolve({})),
    flags: options.flags ?? {}
  }
  checkDeclared(single)
  return { ...overSeeds(single, seedsOf(single)), declaredSeeds: single.declaredSeeds }
}

/**
 * Whether a value is a pipeline that `make` returned.
 *
 * @example
 * ```ts
 * import { Pipeline } from "op-pipe"
 *
 * console.log(Pipeline.isPipeline({ name: "no pipeline" })) // false
 * ```
 */
export const isPipeline = (value: unknown): value is Pipeline =>
  typeof value === "object" && value !== null && (value as { readonly _tag?: unknown })._tag === "Pipeline"
