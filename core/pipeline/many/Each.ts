/**
 * Each: a step for each of many artifacts.
 *
 * What is many may be known when the pipeline is loaded (`gather`), or only when the run gets there: the files in a folder
 * (`entries`), the items of a list (`items`), the steps that another `each` stands for. In the plan stands one step, `align`;
 * when it is known for what, a *branch* is placed for each name, `align[sample7]`: a step like any other, with a key of its
 * own (core/plan/Branches.ts). So a new file runs one branch and what reads all of them.
 */
import type * as Artifact from "../Artifact.ts"
import type * as Limits from "../Limits.ts"
import { DeclarationError } from "../Names.ts"
import type * as Stage from "../Stage.ts"
import {
  type Each as AnyEach,
  type Entries,
  type IdOf,
  type InputsOf,
  type ManyPort,
  type ParamsOf,
  type Port,
  placed,
  type Step,
  type Wired,
  withOutputs
} from "../Step.ts"
import { matcher } from "./Match.ts"

/** A step for each of many, as `each` returns it: its outputs are many. */
export interface EachStep<S extends Stage.Any, Id extends string = string> extends Omit<Step<S, Id>, "out"> {
  readonly out: { readonly [K in keyof S["output"]]: ManyPort<S["output"][K]> }
}

/**
 * The files of a folder, or the folders in it, as `artifact`: files unless that is a folder. Each has the name that the star
 * in `match` stands for: in `*.txt`, which is every name that ends so, `a` of `a.txt`; `**` stands for names in folders below,
 * too. Neither stands for what begins with a dot.
 *
 * A file counts by its content and not by its name. Throws `DeclarationError` for a pattern without a star.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
 * const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
 * const Count = Artifact.file({ tag: "Count/v1", path: "count.txt" })
 * const count = Stage.command({
 *   name: "count",
 *   command: 'wc -w < "$text" > "$count"',
 *   inputs: { text: Text },
 *   output: { count: Count }
 * })
 *
 * const texts = Pipeline.source({ name: "texts", artifact: Texts, path: "texts" })
 * const counted = Pipeline.each(count, { over: { text: Pipeline.entries(texts.port, Text, { match: "*.txt" }) } })
 * console.log(counted.id) // count
 * ```
 */
export const entries = <A extends Artifact.Required>(
  folder: Port<Artifact.FolderArtifact<string>>,
  artifact: A,
  { match = "*" }: { readonly match?: string } = {}
): Entries<A> => {
  matcher(match)
  return { _tag: "Entries", artifact, from: { type: "files", of: folder, match } }
}

/**
 * The items of a list in a JSON document, each as the document `artifact` under the name that `nameOf` gives it: by its place
 * in the list, unless given. Names must differ, and be those that a folder can have.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const City = Schema.Struct({ name: Schema.String, people: Schema.Int })
 * const Cities = Artifact.json({ tag: "Cities/v1", path: "cities.json", schema: Schema.Array(City) })
 * const OneCity = Artifact.json({ tag: "City/v1", path: "city.json", schema: City })
 * const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
 * const tell = Stage.command({
 *   name: "tell",
 *   command: 'grep -o "[0-9]*" "$city" > "$line"',
 *   inputs: { city: OneCity },
 *   output: { line: Line }
 * })
 *
 * const cities = Pipeline.source({ name: "cities", artifact: Cities, path: "cities.json" })
 * const each = Pipeline.items(cities.port, OneCity, { nameOf: (city) => city.name })
 * console.log(Pipeline.each(tell, { over: { city: each } }).id) // tell
 * ```
 */
export const items = <T, A extends Artifact.JsonArtifact<string, T>>(
  list: Port<Artifact.JsonArtifact<string, ReadonlyArray<T>>>,
  artifact: A,
  { nameOf }: { readonly nameOf?: (item: T) => string } = {}
): Entries<A> => ({
  _tag: "Entries",
  artifact,
  from: { type: "items", of: list, nameOf: nameOf as ((item: unknown) => string) | undefined }
})

/**
 * These ports as many, under the names that they have here. Throws `DeclarationError` if one is a source's: only what steps
 * make can be gathered.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Word = Artifact.file({ tag: "Word/v1", path: "word.txt" })
 * const say = (word: string) =>
 *   Pipeline.step(Stage.command({ name: word, command: `echo ${word} > "$word"`, inputs: {}, output: { word: Word } }), {
 *     inputs: {}
 *   })
 * const join = Stage.command({
 *   name: "join",
 *   command: 'cat "$words"/*' + '/word.txt > "$word"',
 *   inputs: { words: Artifact.many(Word) },
 *   output: { word: Word }
 * })
 *
 * const words = Pipeline.gather({ a: say("hello").out.word, b: say("world").out.word })
 * const pipeline = Pipeline.make({ name: "words", steps: [Pipeline.step(join, { inputs: { words } })] })
 * console.log(pipeline.steps.map(({ id }) => id).join(" ")) // hello world join
 * ```
 */
export const gather = <A extends Artifact.Any>(ports: Readonly<Record<string, Port<A>>>): ManyPort<A> => {
  const named = Object.entries(ports)
  const [first] = named
  if (first === undefined) throw new DeclarationError("gather: expected at least one port, but found none")
  for (const [name, { owner }] of named) {
    checkEntryName("gather", name)
    if (owner._tag === "Source")
      throw new DeclarationError(`gather: expected outputs of steps, but found ${name}, the source ${owner.name}`)
  }
  return { _tag: "Many", artifact: first[1].artifact, from: { type: "ports", ports: named } }
}

type Over<I> = I extends Artifact.Required ? ManyPort<I> | Entries<I> : never

/** What a command has besides its own parameters. */
type OfCommand<S> = S extends Stage.AnyCommand ? keyof Stage.CommandParams : never

/** Names of the parameters that are texts, but for that of a command itself. */
type TextParam<S> = {
  [K in Exclude<keyof ParamsOf<S>, OfCommand<S>>]: ParamsOf<S>[K] extends string ? K : never
}[Exclude<keyof ParamsOf<S>, OfCommand<S>>]

/**
 * Places `stage` for each of many artifacts: those of `over`, by input. The others of its `inputs` are the same for all.
 *
 * Its outputs are many: to wire an input of `Artifact.many` to, or for another `each`, which has a branch for each branch of
 * this one. With several inputs in `over`, a branch takes those of one name, which all must have (`how: "zip"`), or there is
 * one for each pair of names (`how: "product"`). The parameter `nameTo` gets the name of the branch.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
 * const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
 * const Count = Artifact.file({ tag: "Count/v1", path: "count.txt" })
 * const count = Stage.command({
 *   name: "count",
 *   command: 'wc -w < "$text" > "$count"',
 *   inputs: { text: Text },
 *   output: { count: Count }
 * })
 * const total = Stage.command({
 *   name: "total",
 *   command: 'cat "$counts"/*' + '/count.txt > "$count"',
 *   inputs: { counts: Artifact.many(Count) },
 *   output: { count: Count }
 * })
 *
 * const texts = Pipeline.source({ name: "texts", artifact: Texts, path: "texts" })
 * const counted = Pipeline.each(count, { over: { text: Pipeline.entries(texts.port, Text, { match: "*.txt" }) } })
 * const totalled = Pipeline.step(total, { inputs: { counts: counted.out.count } })
 * const pipeline = Pipeline.make({ name: "words", steps: [totalled] })
 * console.log(pipeline.steps.map(({ id }) => id).join(" ")) // count total
 * ```
 */
export const each = <
  S extends Stage.Any,
  const O extends { readonly [K in keyof InputsOf<S>]?: Over<InputsOf<S>[K]> },
  const V extends string | undefined = undefined
>(
  stage: S,
  options: Limits.Declared & {
    readonly variant?: V
    readonly over: O
    readonly how?: "zip" | "product"
    readonly nameTo?: TextParam<S>
    readonly params?: Partial<ParamsOf<S>>
  } & (Exclude<keyof InputsOf<S>, keyof O> extends never
      ? { readonly inputs?: Readonly<Record<string, never>> }
      : { readonly inputs: { readonly [K in Exclude<keyof InputsOf<S>, keyof O>]: Wired<InputsOf<S>[K]> } })
): EachStep<S, IdOf<S, V>> => {
  const { how = "zip", nameTo, over } = options
  const of: AnyEach = { over: over as AnyEach["over"], how, nameTo: nameTo as string | undefined }
  if (Object.keys(of.over).length === 0)
    throw new DeclarationError(`each ${stage.name}: expected at least one input in over, but found none`)
  const made = withOutputs({ ...placed(stage, options as Parameters<typeof placed>[1], of.over), each: of })
  const out = Object.entries(made.out).map(([name, port]) => [name, branchesOf(port)] as const)
  // the same object: the ports name it as their owner
  return Object.assign(made, { out: Object.fromEntries(out) }) as unknown as EachStep<S, IdOf<S, V>>
}

const branchesOf = (port: Port<Artifact.Any>): ManyPort<Artifact.Any> => ({
  _tag: "Many",
  artifact: port.artifact,
  from: { type: "branches", of: port }
})

/** What is wrong with a name of one of many; undefined if nothing is. */
export const entryProblem = (name: string): string | undefined => {
  if (/\p{Cc}|\p{Cs}/u.test(name)) return "one with a control character"
  if (name.split("/").some((part) => part === "" || part.startsWith("."))) return "one that is no path below a folder"
  const longest = Math.max(...name.split("/").map((part) => new TextEncoder().encode(part).length))
  return longest > 255 ? `one of ${longest} bytes` : undefined
}

const checkEntryName = (what: string, name: string): void => {
  const problem = entryProblem(name)
  if (problem === undefined) return
  throw new DeclarationError(
    `${what}: expected names that folders can have, but found ${problem}: ${JSON.stringify(name)}`
  )
}
