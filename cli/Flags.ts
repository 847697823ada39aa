/** Flags: those that several verbs share, and what they decode to. */

import * as Flag from "effect/cli/Flag"
import * as Schema from "effect/Schema"
import { modes } from "../core/executor/Sandbox.ts"
import type { Pipeline } from "../core/pipeline/Pipeline.ts"

/**
 * A flag that may be given once, or not at all. `Flag.optional` makes an error with its trace for each flag that is absent, in each
 * start.
 */
export const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  flag.pipe(
    Flag.atMost(1),
    Flag.map(([value]) => value)
  )

/** A flag that is on when it is given. */
export const toggle = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(
    Flag.withDescription(description),
    optional,
    Flag.map((given) => given ?? false)
  )

export const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), optional)

const texts = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.atLeast(0))

export const natural = (name: string, minimum: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum: 2 ** 32 - 1 }))),
    Flag.withDescription(description),
    optional
  )

/**
 * The flag `--json`.
 *
 * @example
 * ```ts
 * import * as Command from "effect/cli/Command"
 * import { jsonFlag, printLine } from "op-pipe/cli"
 *
 * export const verb = Command.make("count", { json: jsonFlag }, ({ json }) => printLine(json ? '{"count":3}' : "3"))
 * console.log(verb.name) // count
 * ```
 */
export const json = toggle("json", "Print JSON, for machines")

/**
 * Flags that say where things are: `--file`, `--store`, `--outputs`, `--cores`. `withStore` takes what they give.
 *
 * @example
 * ```ts
 * import * as Command from "effect/cli/Command"
 * import { printLine, projectFlags, withStore } from "op-pipe/cli"
 *
 * export const verb = Command.make("head", projectFlags, (flags) =>
 *   withStore(flags, () => printLine("the store is open"))
 * )
 * console.log(verb.name) // head
 * ```
 */
export const project = {
  file: text("file", "FILE", "The pipeline; default: pipeline.ts in this folder or above"),
  store: text("store", "DIR", "The store; default: $OP_PIPE_STORE, or .op-pipe beside the pipeline"),
  outputs: text(
    "outputs",
    "DIR",
    "The folder for the last run's outputs; default: $OP_PIPE_OUTPUTS, or outputs beside the pipeline (outputs/NAME if its file is not pipeline.ts)"
  ),
  cores: natural("cores", 1, "How many cores a run may use; default: all")
}

/** Whether steps are executed behind walls. */
export const sandbox = Flag.Literals("sandbox", modes).pipe(
  Flag.withDescription(
    "Seal steps off from what they do not declare: auto (where it can be), require (also of results), off"
  ),
  optional,
  Flag.map((mode) => mode ?? "auto")
)

/** Whether what is known of files counts. */
export const rehash = toggle("rehash", "Read every file again, also those that look unchanged")

/** Flags that set parameters; `flags` are those that the pipeline declares. Each comes as an assignment for `--set`. */
const shorthand = (flags: Pipeline["flags"]) =>
  Object.fromEntries(
    Object.entries(flags).map(([name, { sets, description }]) => [
      name,
      text(name, "VALUE", `${description}. Short for --set ${sets}=VALUE`).pipe(
        Flag.map((value) => (value === undefined ? undefined : `${sets}=${value}`))
      )
    ])
  )

/** What is asked of the pipeline. */
export const settings = ({ flags }: Pick<Pipeline, "flags">) => ({
  profile: text("profile", "NAME", "A set of parameters that the pipeline names"),
  set: texts("set", "STEP.PARAM=VALUE", "Overrides one parameter; may be repeated"),
  seed: natural("seed", 0, "The seed of every random draw"),
  seeds: Flag.Int("seeds").pipe(
    Flag.withMetavar("N"),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
    Flag.withDescription("Place each step that depends on chance for this many seeds: --seed and those after it"),
    optional
  ),
  data: texts("data", "PATH", "The file or folder of the first source; NAME=PATH for a source by name"),
  shorthand: shorthand(flags)
})

export const only = texts("only", "STEP", "Only this step and what it needs; may be repeated")

export const from = texts("from", "STEP", "Only this step, what depends on it, and what those need; may be repeated")
export const until = texts("until", "STEP", "Only what leads to this step, the step included; may be repeated")

export const force = Flag.String("force").pipe(
  Flag.withMetavar("STEP"),
  Flag.withOptionalValue("all"),
  Flag.withDescription("Execute this step (without a name: every step) even if its result is there; may be repeated"),
  Flag.atLeast(0)
)

/**
 * `--force STEP` as `--force=STEP`: the command-line library takes optional values only behind an equals sign. No verb
 * that has the flag takes a positional argument, so what follows it and is no flag can only be its value.
 */
export const joinOptionalValues = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const joined: Array<string> = []
  for (let index = 0; index < args.length; index++) {
    const next = args[index + 1]
    if (args[index] === "--force" && next !== undefined && !next.startsWith("-")) {
      joined.push(`--force=${next}`)
      index++
    } else joined.push(args[index]!)
  }
  return joined
}
