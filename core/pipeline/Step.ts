/**
 * Step: a stage in its place in a pipeline, the sources that it reads from, and the ports by which steps are wired.
 *
 * A port fits an input when its artifact has the same tag and type; anything else does not compile. Since a step can
 * only be wired to steps that exist already, there are no cycles.
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Artifact from "./Artifact.ts"
import * as Limits from "./Limits.ts"
import { checkName, DeclarationError } from "./Names.ts"
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

/** A stage in its place, as `step` returns it. `out` has a port for each output, to wire inputs to. */
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
  /** Limits that are others than its stage's. */
  readonly limits: Limits.Limits
  /** Placed again for each further seed. */
  readonly perSeed: boolean
  /** Of a replica: the step that it repeats, and its number, from 2 on. */
  readonly replica: { readonly of: string; readonly number: number } | undefined
  readonly out: { readonly [K in keyof S["output"]]: Port<S["output"][K]> }
}

/**
 * The form in which people read and write a step's id, `train@bn#2`: `train(bn)#2`. In commands to copy stays the id, since a
 * shell has other uses for parentheses; so it does in JSON, and in the names of folders.
 */
export const displayName = (id: string): string => id.replace(/^([^@]+)@([^#]+)(#\d+)?$/u, "$1($2)$3")

/** Any step. */
export type AnyStep = Step<Stage.Any>

/** What a source's `provide` is told. */
export interface ProvideOptions {
  /** Where people's data lie: `data/` in the working directory. */
  readonly dataDir: string
  /** A folder for what is fetched on the way. */
  readonly cacheDir: string
  readonly notify: (line: string) => void
  /** Whether it may make what is not there: a question, such as `op-pipe status`, makes nothing. */
  readonly mayMake: boolean
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
  /** Whether a link in it counts as what it leads to, or as itself. */
  readonly links: "follow" | "keep"
  readonly params: Schema.Codec<P, unknown> | undefined
  /**
   * Makes the content when the user names none, and returns its path. Must give the same content for the same
   * parameters.
   */
  readonly provide: ((params: P, options: ProvideOptions) => Effect.Effect<string, StageFailure>) | undefined
  readonly port: Port<A>
}

/** Any source. */
// biome-ignore lint/suspicious/noExplicitAny: existential type parameters
export type AnySource = Source<any, any>

const leftBehind = new Set([
  // version control
  ...[".git", ".hg", ".svn"],
  // what macOS, Windows and Synology leave in folders that were looked at
  ...[".DS_Store", ".AppleDouble", ".Spotlight-V100", ".Trashes", ".fseventsd", "__MACOSX"],
  ...["Thumbs.db", "ehthumbs.db", "desktop.ini", "@eaDir"],
  // what tools write beside what they read
  ...["__pycache__", ".ipynb_checkpoints", ".op-pipe"]
])

/**
 * Whether the last name of a path is one that systems and tools leave behind in any folder: `.git`, `.DS_Store`,
 * `Thumbs.db`, `__pycache__` and others. A source ignores these unless it says otherwise.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline } from "op-pipe"
 *
 * const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
 * const ignore = (path: string) => path.endsWith(".md") || Pipeline.isLeftBehind(path)
 * console.log(Pipeline.source({ name: "texts", artifact: Texts, path: "texts", ignore }).ignore("a/.DS_Store")) // true
 * ```
 */
export const isLeftBehind = (path: string): boolean => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  // macOS keeps `._a.txt` beside `a.txt` where the file system has no other place for it
  return leftBehind.has(name) || name.startsWith("._")
}

/**
 * Declares content from outside of the pipeline: the file or folder at `path`, or what `provide` makes.
 *
 * All that lies in a folder counts, hidden files too, except what `ignore` says; unless it is given, that is what
 * systems and tools leave behind (`isLeftBehind`). A link counts as the file or folder that it leads to, wherever that
 * lies; with `links: "keep"` it counts by its own text, and a sealed step cannot follow it out of the source.
 *
 * Throws `DeclarationError` for a name that the command line could not take.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
 * const List = Artifact.file({ tag: "List/v1", path: "list.txt" })
 * const list = Stage.command({
 *   name: "list",
 *   command: 'ls "$texts" > "$list"',
 *   inputs: { texts: Texts },
 *   output: { list: List }
 * })
 *
 * const texts = Pipeline.source({ name: "texts", artifact: Texts, path: "texts", ignore: (path) => path.endsWith(".md") })
 * const pipeline = Pipeline.make({ name: "lists", steps: [Pipeline.step(list, { inputs: { texts: texts.port } })] })
 * console.log(pipeline.sources[0]?.name) // texts
 * ```
 */
export const source = <const A extends Artifact.Required, P = never, PI = never>(options: {
  readonly name: string
  readonly artifact: A
  readonly path?: string
  readonly ignore?: (path: string) => boolean
  readonly links?: "follow" | "keep"
  readonly params?: Schema.Codec<P, PI>
  readonly provide?: (params: P, options: ProvideOptions) => Effect.Effect<string, StageFailure>
}): Source<A, P> => {
  checkName("source", options.name, "@#()=")
  if ((options.artifact as Artifact.Any).optional)
    throw new DeclarationError(
      `source ${options.name}: expected an artifact that is there, but found an optional one. What may be absent is an output of a step`
    )
  const made: { -readonly [K in keyof Source<A, P>]: Source<A, P>[K] } = {
    _tag: "Source",
    name: options.name,
    artifact: options.artifact,
    path: options.path,
    ignore: options.ignore ?? isLeftBehind,
    links: options.links ?? "follow",
    params: options.params as Schema.Codec<P, unknown> | undefined,
    provide: options.provide,
    port: undefined as unknown as Port<A>
  }
  made.port = { owner: made, output: options.name, artifact: options.artifact }
  return made
}

type Unplaced = Omit<AnyStep, "_tag" | "out">

/** A step from its parts; its ports name it as their owner. */
export const withOutputs = (parts: Unplaced): AnyStep => {
  const made: { -readonly [K in keyof AnyStep]: AnyStep[K] } = { _tag: "Step", ...parts, out: {} }
  const artifacts = parts.stage.output as Readonly<Record<string, Artifact.Any>>
  made.out = Object.fromEntries(
    Object.entries(artifacts).map(([output, artifact]) => [output, { owner: made, output, artifact }])
  )
  return made
}

type InputsOf<S> = S extends { readonly inputs: infer I } ? I : never
/** A stage's decoded parameters. */
export type ParamsOf<S> = S extends { readonly params: Schema.Codec<infer P, infer _E> } ? P : never

type IdOf<S extends Stage.Any, V> = V extends string ? `${S["name"]}@${V}` : S["name"]

/** What an input takes: an optional one also an output that is always there. */
type Wired<I> =
  I extends Artifact.Replicas<infer A>
    ? ReplicaPorts<A>
    : I extends Artifact.Required
      ? Port<I>
      : I extends Artifact.Any
        ? Port<Artifact.As<I, boolean>>
        : never

/**
 * Places `stage`. `params` are those that set this step apart; the others come from the profile and the defaults.
 *
 * Throws `DeclarationError` for a name or a variant that the command line or a folder could not take.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Finite })
 * export const scale = Stage.make({
 *   name: "scale",
 *   source: import.meta.url,
 *   params: Schema.Struct({ factor: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
 *   inputs: {},
 *   output: { value: Value },
 *   run: ({ params, output }) => output.value.write(params.factor)
 * })
 *
 * const doubled = Pipeline.step(scale, { variant: "double", inputs: {}, params: { factor: 2 } })
 * console.log(doubled.id) // scale@double
 * export default Pipeline.make({ name: "scales", steps: [Pipeline.step(scale, { inputs: {} }), doubled] })
 * ```
 */
export const step = <S extends Stage.Any, const V extends string | undefined = undefined>(
  stage: S,
  options: Limits.Declared & {
    readonly variant?: V
    readonly inputs: { readonly [K in keyof InputsOf<S>]: Wired<InputsOf<S>[K]> }
    readonly params?: Partial<ParamsOf<S>>
    /** Place it again for each further seed of the pipeline; only its parameter `seed` differs then. */
    readonly perSeed?: ParamsOf<S> extends { readonly seed: number } ? boolean : false
  }
): Step<S, IdOf<S, V>> => {
  checkName("stage", stage.name, "@#()=")
  if (options.variant !== undefined) checkName(`variant of ${stage.name}`, options.variant, "#()")
  const wired = Object.entries(
    options.inputs as Readonly<Record<string, Port<Artifact.Any> | ReplicaPorts<Artifact.Any>>>
  )
  const made = withOutputs({
    id: options.variant === undefined ? stage.name : `${stage.name}@${options.variant}`,
    stage,
    inputs: Object.fromEntries(wired.flatMap(([name, to]) => ("replicasOf" in to ? [] : [[name, to]]))),
    replicaInputs: Object.fromEntries(
      wired.flatMap(([name, to]) => ("replicasOf" in to ? [[name, to.replicasOf]] : []))
    ),
    params: (options.params ?? {}) as Readonly<Record<string, unknown>>,
    limits: Limits.of(stage.name, options),
    perSeed: options.perSeed === true,
    replica: undefined
  })
  return made as unknown as Step<S, IdOf<S, V>>
}

/**
 * That output of each replica of its step, for an input of `Artifact.replicas`.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Finite })
 * export const draw = Stage.make({
 *   name: "draw",
 *   source: import.meta.url,
 *   params: Schema.Struct({ seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))) }),
 *   inputs: {},
 *   output: { value: Value },
 *   run: ({ params, output }) => output.value.write(params.seed)
 * })
 * export const count = Stage.make({
 *   name: "count",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { others: Artifact.replicas(Value) },
 *   output: { value: Value },
 *   run: ({ inputs, output }) => output.value.write(1 + inputs.others.length)
 * })
 *
 * const drawn = Pipeline.step(draw, { inputs: {}, perSeed: true })
 * const counted = Pipeline.step(count, { inputs: { others: Pipeline.replicas(drawn.out.value) } })
 * export default Pipeline.make({ name: "draws", steps: [drawn, counted], seeds: 3 })
 * ```
 */
export const replicas = <A extends Artifact.Required>(port: Port<A>): ReplicaPorts<A> => ({ replicasOf: port })

/** The steps that `step` reads from, directly. */
export const upstream = (step: AnyStep): ReadonlyArray<AnyStep> =>
  Object.values(step.inputs).flatMap((port) => (port.owner._tag === "Step" ? [port.owner] : []))
