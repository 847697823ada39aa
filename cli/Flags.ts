/** Flags: those that several verbs share, and what they decode to. */

import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
    Flag.optional,
    Flag.map(Option.getOrUndefined)
  )

const texts = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.atLeast(0))

const natural = (name: string, minimum: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum: 2 ** 32 - 1 }))),
    Flag.withDescription(description),
    Flag.optional,
    Flag.map(Option.getOrUndefined)
  )

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON, for machines"), Flag.withDefault(false))

/** Where things are. */
export const project = {
  file: text(
    "file",
    "FILE",
    "The pipeline; default: pipeline.ts here or above, else the study that comes with op-pipe"
  ),
  store: text("store", "DIR", "Where results are kept; default: .op-pipe beside the pipeline"),
  outputs: text("outputs", "DIR", "Where the last run's files are laid out; default: outputs beside the pipeline"),
  cores: natural("cores", 1, "How many cores a run may use; default: all")
}

/** What is asked of the pipeline. */
export const settings = {
  profile: text("profile", "NAME", "A set of parameters that the pipeline names: tiny, quick, seed"),
  set: texts("set", "STEP.PARAM=VALUE", "Overrides one parameter; may be repeated"),
  seed: natural("seed", 0, "The seed of every random draw"),
  seeds: Flag.Int("seeds").pipe(
    Flag.withMetavar("N"),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
    Flag.withDescription("Place each step that depends on chance for this many seeds: --seed and those after it"),
    Flag.optional,
    Flag.map(Option.getOrUndefined)
  ),
  data: texts("data", "PATH", "The folder of pictures, one folder a class; NAME=PATH for a source by name"),
  engine: text("engine", "NAME", "Short for --set engine.name=NAME: auto, native, tensorflow, webgpu, cpu")
}

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
