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
 * A port fits an input when its artifact has the same tag and type; anything else does not compile. Since a step can only
 * be wired to steps that exist already, there are no cycles. Steps that others need need not be listed.
 *
 * Parameters are settled in this order, the later winning: the Schema's defaults, the pipeline's seed (for a parameter
 * named `seed`), the profile's for the stage, the step's own, the profile's for the step, `--set`.
 *
 * A step with `perSeed: true` is placed again for each further seed of the pipeline, as its *replica*: `train@bn#2`. See Replicas.ts.
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Artifact from "./Artifact.ts"
import * as Replicas from "./Replicas.ts"
import type * as Stage from "./Stage.ts"
import type { StageFailure } from "./Stage.ts"

/** One artifact of a step or source, to wire an input to. */
export interface Port<out A extends Artifact.Any> {
  readonly owner: AnyStep | AnySource
  /** The name under which the owner declares it. */
  readonly output: string
  readonly artifact: A
}

/** The outputs of a step's replicas, to wire an input of `Artifact.replicas` to. */
export interface ReplicaPorts<out A extends Artifact.Any> {
  readonly replicasOf: Port<A>
}

export interface Step<S extends Stage.Any, Id extends string = string> {
  readonly _tag: "Step"
  /** `train@bn`: the stage's name, and the variant where it has one. */
  readonly id: Id
  readonly stage: S
  /** Those of replicas by number: `bnReplicas#2`. */
  readonly inputs: Readonly<Record<string, Port<Artifact.Any>>>
  /** Inputs that take an output of each replica of the step that the port belongs to. */
  readonly replicaInputs: Readonly<Record<string, Port<Artifact.Any>>>
  readonly params: Readonly<Record<string, unknown>>
  /** Placed again for each further seed. */
  readonly perSeed: boolean
  /** Of a replica: the step that it repeats, and its number, from 2 on. */
  readonly replica: { readonly of: string; readonly number: number } | undefined
  readonly out: { readonly [K in keyof S["output"]]: Port<S["output"][K]> }
}

export type AnyStep = Step<Stage.Any>

/** What a source's `provide` is told. */
export interface ProvideOptions {
  /** Where people's data lie: `data/` in the working directory. */
  readonly dataDir: string
  /** A folder for what is fetched on the way. */
  readonly cacheDir: string
  readonly notify: (line: string) => void
}

/** Content from outside the pipeline: a file or folder of the user's, or one that `provide` makes. */
export interface Source<A extends Artifact.Any, P = unknown> {
  readonly _tag: "Source"
  readonly name: string
  readonly artifact: A
  /** Where it lies unless the user says otherwise, relative to the pipeline's folder. */
  readonly path: string | undefined
  /** True of the paths (relative, forward slashes) that are no part of the content. */
  readonly ignore: (path: string) => boolean
  readonly params: Schema.Codec<P, unknown> | undefined
  /** Makes the content when the user names none, and returns its path. Must give the same content for the same parameters. */
  readonly provide: ((params: P, options: ProvideOptions) => Effect.Effect<string, StageFailure>) | undefined
  readonly port: Port<A>
}

// biome-ignore lint/suspicious/noExplicitAny: existential type parameters
export type AnySource = Source<any, any>

const hidden = (path: string): boolean => path.split("/").some((part) => part.startsWith("."))

/** Declares a source. Hidden files are never part of it. */
export const source = <const A extends Artifact.Any, P = never, PI = never>(options: {
  readonly name: string
  readonly artifact: A
  readonly path?: string
  readonly ignore?: (path: string) => boolean
  readonly params?: Schema.Codec<P, PI>
  readonly provide?: (params: P, options: ProvideOptions) => Effect.Effect<string, StageFailure>
}): Source<A, P> => {
  const made: { -readonly [K in keyof Source<A, P>]: Source<A, P>[K] } = {
    _tag: "Source",
    name: options.name,
    artifact: options.artifact,
    path: options.path,
    ignore: (path) => hidden(path) || (options.ignore?.(path) ?? false),
    params: options.params as Schema.Codec<P, unknown> | undefined,
    provide: options.provide,
    port: undefined as unknown as Port<A>
  }
  made.port = { owner: made, output: options.name, artifact: options.artifact }
  return made
}

type InputsOf<S> = S extends { readonly inputs: infer I } ? I : never
/** A stage's decoded parameters. */
export type ParamsOf<S> = S extends { readonly params: Schema.Codec<infer P, infer _E> } ? P : never

/** Names folders in the outputs and the store, each step one. */
const refuseNoFolder = (what: string, name: string): void => {
  if (name !== "" && !name.startsWith(".") && !/[\\/\0]/.test(name)) return
  throw new TypeError(
    `${what}: expected a name that a folder can have, without "/" and not beginning with a dot, but found ${JSON.stringify(name)}`
  )
}

type IdOf<S extends Stage.Any, V> = V extends string ? `${S["name"]}@${V}` : S["name"]

type Wired<I> = I extends Artifact.Replicas<infer A> ? ReplicaPorts<A> : I extends Artifact.Any ? Port<I> : never

/** Places `stage`. `params` are those that set this step apart; the others come from the profile and the defaults. */
export const step = <S extends Stage.Any, const V extends string | undefined = undefined>(
  stage: S,
  options: {
    readonly variant?: V
    readonly inputs: { readonly [K in keyof InputsOf<S>]: Wired<InputsOf<S>[K]> }
    readonly params?: Partial<ParamsOf<S>>
    /** Place it again for each further seed of the pipeline; only its parameter `seed` differs then. */
    readonly perSeed?: ParamsOf<S> extends { readonly seed: number } ? boolean : false
  }
): Step<S, IdOf<S, V>> => {
  refuseNoFolder("stage", stage.name)
  if (options.variant !== undefined) refuseNoFolder(`variant of ${stage.name}`, options.variant)
  const wired = Object.entries(
    options.inputs as Readonly<Record<string, Port<Artifact.Any> | ReplicaPorts<Artifact.Any>>>
  )
  const made = Replicas.withOutputs({
    id: options.variant === undefined ? stage.name : `${stage.name}@${options.variant}`,
    stage,
    inputs: Object.fromEntries(wired.flatMap(([name, to]) => ("replicasOf" in to ? [] : [[name, to]]))),
    replicaInputs: Object.fromEntries(
      wired.flatMap(([name, to]) => ("replicasOf" in to ? [[name, to.replicasOf]] : []))
    ),
    params: (options.params ?? {}) as Readonly<Record<string, unknown>>,
    perSeed: options.perSeed === true,
    replica: undefined
  })
  return made as unknown as Step<S, IdOf<S, V>>
}

/** That output of each replica of its step: `Pipeline.replicas(bn.out.history)`. */
export const replicas = <A extends Artifact.Any>(port: Port<A>): ReplicaPorts<A> => ({ replicasOf: port })

/** Parameters by stage name, step id, source name or toolchain name. */
export type Overrides = Readonly<Record<string, Readonly<Record<string, unknown>>>>

type ProfileOf<Steps extends ReadonlyArray<AnyStep>> = {
  readonly [S in Steps[number] as S["stage"]["name"] | S["id"]]?: Partial<ParamsOf<S["stage"]>>
} & { readonly [name: string]: Readonly<Record<string, unknown>> | undefined }

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
  readonly profiles: Readonly<Record<string, Overrides>>
  readonly defaultProfile: string | undefined
  /** The file that a person should open after a run. */
  readonly report: Port<Artifact.Any> | undefined
}

const collect = (roots: ReadonlyArray<AnyStep>): Pick<Pipeline, "steps" | "sources"> => {
  const steps = new Set<AnyStep>()
  const sources = new Set<AnySource>()
  const visit = (owner: AnyStep | AnySource): void => {
    if (owner._tag === "Source") sources.add(owner)
    else if (!steps.has(owner)) {
      for (const port of [...Object.values(owner.inputs), ...Object.values(owner.replicaInputs)]) visit(port.owner)
      steps.add(owner)
    }
  }
  for (const root of roots) visit(root)
  return { steps: Array.from(steps), sources: Array.from(sources) }
}

/** The same pipeline over that many seeds. */
export const overSeeds = (pipeline: Pipeline, seeds: number): Pipeline => {
  if (!Number.isInteger(seeds) || seeds < 1) {
    throw new TypeError(`${pipeline.name}: expected seeds to be a whole number from 1 on, but found ${seeds}`)
  }
  if (seeds === pipeline.seeds) return pipeline
  return { ...pipeline, ...collect(Replicas.place(collect(pipeline.declared).steps, seeds)), seeds }
}

/** Of two stages of one name in one module, a process would not know which to load, and their keys would be one. */
const refuseNamesakes = (pipeline: string, steps: ReadonlyArray<AnyStep>): void => {
  const stages = new Map<string, Stage.Any>()
  for (const { stage } of steps) {
    if (stage._tag !== "Stage") continue
    const at = `${stage.source}\0${stage.name}`
    if ((stages.get(at) ?? stage) !== stage) {
      throw new TypeError(
        `${pipeline}: expected stages of one module to have different names, but two of ${stage.source} are called "${stage.name}". Place one stage twice, or make what differs a parameter`
      )
    }
    stages.set(at, stage)
  }
}

export const make = <const Steps extends ReadonlyArray<Step<Stage.Any>>>(options: {
  readonly name: string
  readonly steps: Steps
  readonly seed?: number
  /** Steps with `perSeed` are placed for this many seeds: `seed` and those after it. 1 unless given. */
  readonly seeds?: number
  readonly profiles?: Readonly<Record<string, ProfileOf<Steps>>>
  readonly defaultProfile?: string
  readonly report?: Port<Artifact.Any>
}): Pipeline => {
  const single: Pipeline = {
    _tag: "Pipeline",
    name: options.name,
    ...collect(options.steps),
    declared: options.steps,
    seed: options.seed ?? 0,
    seeds: 1,
    profiles: (options.profiles ?? {}) as Readonly<Record<string, Overrides>>,
    defaultProfile: options.defaultProfile,
    report: options.report
  }
  refuseNamesakes(options.name, single.steps)
  return overSeeds(single, options.seeds ?? 1)
}

/** True of a value that `make` returned. */
export const isPipeline = (value: unknown): value is Pipeline =>
  typeof value === "object" && value !== null && (value as { readonly _tag?: unknown })._tag === "Pipeline"

/** The steps that `step` reads from, directly. */
export const upstream = (step: AnyStep): ReadonlyArray<AnyStep> =>
  Object.values(step.inputs).flatMap((port) => (port.owner._tag === "Step" ? [port.owner] : []))

const closure = (roots: Iterable<AnyStep>, next: (step: AnyStep) => Iterable<AnyStep>): ReadonlySet<AnyStep> => {
  const reached = new Set<AnyStep>(roots)
  // A set's iteration goes on to what is added meanwhile.
  for (const step of reached) for (const each of next(step)) reached.add(each)
  return reached
}

/** Which steps a run is about; empty lists do not narrow it. */
export interface Selection {
  readonly only: ReadonlyArray<string>
  readonly from: ReadonlyArray<string>
  readonly until: ReadonlyArray<string>
}

/**
 * The steps that were asked for, and with them all that they need, each upstream first. `from` are steps with what
 * depends on them, `until` steps with what leads to them, both what lies between; `only` is the steps themselves.
 */
export const select = (
  pipeline: Pipeline,
  { only, from, until }: Selection
): { readonly asked: ReadonlyArray<AnyStep>; readonly needed: ReadonlyArray<AnyStep> } => {
  const { steps } = pipeline
  if ([only, from, until].every((ids) => ids.length === 0)) return { asked: steps, needed: [] }
  const named = (ids: ReadonlyArray<string>): ReadonlyArray<AnyStep> => steps.filter((step) => ids.includes(step.id))
  const downstream = new Map<AnyStep, Array<AnyStep>>(steps.map((step) => [step, []]))
  for (const step of steps) for (const needed of upstream(step)) downstream.get(needed)?.push(step)
  const after = closure(named(from), (step) => downstream.get(step) ?? [])
  const before = closure(named(until), upstream)
  const asked = new Set(
    steps.filter(
      (step) =>
        (only.length === 0 || only.includes(step.id)) &&
        (from.length === 0 || after.has(step)) &&
        (until.length === 0 || before.has(step))
    )
  )
  const all = closure(asked, upstream)
  return { asked: Array.from(asked), needed: steps.filter((step) => all.has(step) && !asked.has(step)) }
}
