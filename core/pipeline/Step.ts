/**
 * Step: a stage in its place in a pipeline, the sources that it reads from, and the ports by which steps are wired.
 *
 * A port fits an input when its artifact has the same tag and type; anything else does not compile. Since a step can
 * only be wired to steps that exist already, there are no cycles.
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as LeftBehind from "../../cache/store/tree/LeftBehind.ts"
import type * as Artifact from "./Artifact.ts"
import * as Options from "./checks/Options.ts"
import * as Wiring from "./checks/Wiring.ts"
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
  /** Of one entry of a folder, or of one item of a list: its path, or its name. */
  readonly entry: string | undefined
}

/** Any number of artifacts of one kind, each under a name: to wire an input of `Artifact.many` to, or to place a step for each. */
export interface ManyPort<out A extends Artifact.Any> {
  readonly _tag: "Many"
  readonly artifact: A
  readonly from: ManyOrigin
}

/** Entries of a folder or items of a list, to place a step for each. */
export interface Entries<out A extends Artifact.Any> {
  readonly _tag: "Entries"
  readonly artifact: A
  readonly from: EntriesOrigin
}

/** A port under its name. */
export type NamedPort = readonly [name: string, port: Port<Artifact.Any>]

/** Where many artifacts come from: each from a step of its own. */
export type ManyOrigin =
  | { readonly type: "ports"; readonly ports: ReadonlyArray<NamedPort> }
  /** Of the step of each further seed. */
  | { readonly type: "seeds"; readonly of: Port<Artifact.Any> }
  /** Of the steps that are placed in place of its owner. */
  | { readonly type: "branches"; readonly of: Port<Artifact.Any> }

/** Where entries come from: all of one artifact, whose content tells their names. */
export type EntriesOrigin =
  | { readonly type: "files"; readonly of: Port<Artifact.Any>; readonly match: string }
  | {
      readonly type: "items"
      readonly of: Port<Artifact.Any>
      readonly nameOf: ((item: unknown) => string) | undefined
    }

/** For what steps are placed in place of one. */
export interface Each {
  /** By input. */
  readonly over: Readonly<Record<string, ManyPort<Artifact.Any> | Entries<Artifact.Any>>>
  /** Of several inputs, whether a step takes those of one name, or there is one for each pair. */
  readonly how: "zip" | "product"
  /** The parameter that gets the name. */
  readonly nameTo: string | undefined
}

/** The step that this one was placed in place of, and for what: the step's id is `of[name]`. */
export interface Branch {
  readonly of: string
  readonly name: string
  /** The parameters that it has for that. */
  readonly params: Readonly<Record<string, unknown>>
}

/** A stage in its place, as `step` returns it. `out` has a port for each output, to wire inputs to. */
export interface Step<S extends Stage.Any, Id extends string = string> {
  readonly _tag: "Step"
  /** `train@bn`: the stage's name, and the variant where it has one. */
  readonly id: Id
  readonly stage: S
  /** Those that take many, once these are known, one by one: `bnSeeds[2]`. */
  readonly inputs: Readonly<Record<string, Port<Artifact.Any>>>
  /** Inputs that take many. */
  readonly many: Readonly<Record<string, ManyPort<Artifact.Any>>>
  /** Of a step that stands for those that are placed in its place when it is known for what. */
  readonly each: Each | undefined
  /** Of a step that was placed so. */
  readonly branch: Branch | undefined
  readonly params: Readonly<Record<string, unknown>>
  /** Limits that are others than its stage's. */
  readonly limits: Limits.Limits
  /** Placed again for each further seed. */
  readonly perSeed: boolean
  /** Of a step for a further seed: the step that it repeats, and its number, from 2 on. */
  readonly replica: { readonly of: string; readonly number: number } | undefined
  readonly out: { readonly [K in keyof S["output"]]: Port<S["output"][K]> }
}

/**
 * The form in which people read and write a step's id, `train@bn#2`: `train(bn)#2`. In commands to copy stays the id, since a
 * shell has other uses for parentheses; so it does in JSON, and in the names of folders.
 */
export const displayName = (id: string): string => id.replace(/^([^@[]+)@([^#[]+)(#\d+)?(\[.*\])?$/su, "$1($2)$3$4")

/** The id of the branch of a step for `name`. */
export const branchId = (of: string, name: string): string => `${of}[${name}]`

/** The step and the name in the id of a branch; undefined of another id. */
export const branchOf = (id: string): { readonly of: string; readonly name: string } | undefined => {
  const at = id.indexOf("[")
  return at > 0 && id.endsWith("]") ? { of: id.slice(0, at), name: id.slice(at + 1, -1) } : undefined
}

/** The name of one of an input that takes many, among a step's inputs. */
const entryInput = (input: string, entry: string): string => branchId(input, entry)
/** The input that one of a step's inputs belongs to, and the name of that one if it takes many. */
export const inputOf = (key: string): { readonly input: string; readonly entry: string | undefined } => {
  const found = branchOf(key)
  return { input: found?.of ?? key, entry: found?.name }
}

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
export const isLeftBehind: (path: string) => boolean = LeftBehind.is

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
  Options.ofSource(options)
  checkName("source", options.name, "@#()=[]")
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
  made.port = { owner: made, output: options.name, artifact: options.artifact, entry: undefined }
  return made
}

type Unplaced = Omit<AnyStep, "_tag" | "out">

/** A step from its parts; its ports name it as their owner. */
export const withOutputs = (parts: Unplaced): AnyStep => {
  const made: { -readonly [K in keyof AnyStep]: AnyStep[K] } = { _tag: "Step", ...parts, out: {} }
  const artifacts = parts.stage.output as Readonly<Record<string, Artifact.Any>>
  made.out = Object.fromEntries(
    Object.entries(artifacts).map(([output, artifact]) => [output, { owner: made, output, artifact, entry: undefined }])
  )
  return made
}

/** The inputs that a stage declares. */
export type InputsOf<S> = S extends { readonly inputs: infer I } ? I : never
/** A stage's decoded parameters. */
export type ParamsOf<S> = S extends { readonly params: Schema.Codec<infer P, infer _E> } ? P : never

export type IdOf<S extends Stage.Any, V> = V extends string ? `${S["name"]}@${V}` : S["name"]

/** What an input takes: an optional one also an output that is always there; one that takes many also optional ones. */
export type Wired<I> =
  I extends Artifact.Many<infer A>
    ? ManyPort<Artifact.As<A, boolean>>
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
  return withOutputs({ ...placed(stage, options), perSeed: options.perSeed === true }) as unknown as Step<S, IdOf<S, V>>
}

/**
 * `inputs` and, one by one, what is known of those that take `many`: first the first of each, then the second, so that an
 * interrupted run has whole seeds.
 */
export const withEach = (inputs: AnyStep["inputs"], many: AnyStep["many"]): AnyStep["inputs"] => {
  const all = Object.entries(many)
  if (all.length === 0) return inputs
  const known = all.map(([input, { from }]) => [input, from.type === "ports" ? from.ports : []] as const)
  const most = Math.max(0, ...known.map(([, ports]) => ports.length))
  const one = (at: number) =>
    known.flatMap(([input, ports]) => {
      const found = ports[at]
      return found === undefined ? [] : [[entryInput(input, found[0]), found[1]] as const]
    })
  return { ...inputs, ...Object.fromEntries(Array.from({ length: most }, (_, at) => one(at)).flat()) }
}

interface Placing extends Limits.Declared {
  readonly variant?: string | undefined
  readonly inputs?: Readonly<Record<string, unknown>>
  readonly params?: Readonly<Record<string, unknown>>
}

/** What a step is made of, from how a stage is placed: for each artifact of `over`, if there is one. */
export const placed = (stage: Stage.Any, options: Placing, over?: Readonly<Record<string, unknown>>): Unplaced => {
  Options.ofStep(stage, options)
  const { variant, inputs = {}, params = {} } = options
  Wiring.check(stage, inputs, over)
  checkName("stage", stage.name, "@#()=[]")
  if (variant !== undefined) checkName(`variant of ${stage.name}`, variant, "#()[]")
  const wired = Object.entries(inputs as Readonly<Record<string, Port<Artifact.Any> | ManyPort<Artifact.Any>>>)
  const single = Object.fromEntries(wired.flatMap(([name, to]) => ("from" in to ? [] : [[name, to]])))
  const many = Object.fromEntries(wired.flatMap(([name, to]) => ("from" in to ? [[name, to]] : [])))
  return {
    id: variant === undefined ? stage.name : `${stage.name}@${variant}`,
    stage,
    inputs: withEach(single, many),
    many,
    each: undefined,
    branch: undefined,
    params,
    limits: Limits.of(stage.name, options),
    perSeed: false,
    replica: undefined
  }
}

/**
 * That output of the step of each further seed, by the seed's number from 2 on: for an input of `Artifact.many`.
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
 *   inputs: { others: Artifact.many(Value) },
 *   output: { value: Value },
 *   run: ({ inputs, output }) => output.value.write(1 + inputs.others.length)
 * })
 *
 * const drawn = Pipeline.step(draw, { inputs: {}, perSeed: true })
 * const counted = Pipeline.step(count, { inputs: { others: Pipeline.furtherSeeds(drawn.out.value) } })
 * export default Pipeline.make({ name: "draws", steps: [drawn, counted], seeds: 3 })
 * ```
 */
export const furtherSeeds = <A extends Artifact.Any>(port: Port<A>): ManyPort<A> => ({
  _tag: "Many",
  artifact: port.artifact,
  from: { type: "seeds", of: port }
})

/** The ports that many artifacts come from, as far as they are known. */
const portsOf = ({ from }: { readonly from: ManyOrigin | EntriesOrigin }): ReadonlyArray<Port<Artifact.Any>> =>
  from.type === "ports" ? from.ports.map(([, port]) => port) : [from.of]

/** All that `step` reads from, directly. */
export const origins = ({ inputs, many, each }: AnyStep): ReadonlyArray<AnyStep | AnySource> => {
  const ports = Object.values(inputs)
  // those that are known are among the inputs
  for (const input in many) if (many[input]!.from.type !== "ports") ports.push(...portsOf(many[input]!))
  if (each !== undefined) ports.push(...Object.values(each.over).flatMap(portsOf))
  return ports.map(({ owner }) => owner)
}

/** The steps that `step` reads from, directly. */
export const upstream = (step: AnyStep): ReadonlyArray<AnyStep> =>
  origins(step).flatMap((owner) => (owner._tag === "Step" ? [owner] : []))
