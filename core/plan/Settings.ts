/**
 * Settings: all parameters of a pipeline for one run.
 *
 * Each value is decoded by the Schema of its stage, source or toolchain and encoded again. A name or value that does
 * not fit is an error, which lists those that do.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Schemas from "../pipeline/checks/Schemas.ts"
import type { Overrides, Pipeline } from "../pipeline/Pipeline.ts"
import { type AnySource, type AnyStep, branchOf, displayName } from "../pipeline/Step.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import { misfit, SettingsError, unknownName } from "./SettingsError.ts"

type Encoded = Readonly<Record<string, unknown>>

export interface Settings {
  readonly profile: string | undefined
  readonly seed: number
  /** Encoded parameters by step id. */
  readonly steps: Readonly<Record<string, Encoded>>
  /** Encoded parameters by source name; empty for a source without any. */
  readonly sources: Readonly<Record<string, Encoded>>
  /** Encoded parameters by toolchain name. */
  readonly toolchains: Readonly<Record<string, Encoded>>
}

export interface Asked {
  readonly profile?: string | undefined
  readonly seed?: number | undefined
  /** `step.param=value`, as on the command line. */
  readonly set?: ReadonlyArray<string>
}

/** `train(bn)` and `train@bn` are one step, `train(bn)#2` and `train@bn#2` another. */
export const normalizeStepId = (text: string): string =>
  text.replace(/^([^@()[]+)\(([^()[]*)\)(#\d+)?(\[.*\])?$/su, "$1@$2$3$4")

/** The toolchains that any step uses, by name. */
export const toolchainsOf = (pipeline: Pick<Pipeline, "steps">): Readonly<Record<string, Toolchain.Any>> =>
  Object.fromEntries(
    pipeline.steps.flatMap((step) =>
      Object.values(step.stage.toolchain as Record<string, Toolchain.Any>).map((each) => [each.name, each])
    )
  )

const fieldsOf = (schema: unknown): Readonly<Record<string, Schema.Top>> | undefined =>
  typeof schema === "object" || typeof schema === "function"
    ? ((schema as { readonly fields?: Readonly<Record<string, Schema.Top>> }).fields ?? undefined)
    : undefined

export interface Assignment {
  readonly target: string
  readonly path: ReadonlyArray<string>
  readonly text: string
  readonly asked: string
}

/** `train@bn` as people write it, too: `train(bn)`, `train(bn)#2`. */
const formsOf = (name: string): ReadonlyArray<string> => [name, displayName(name)]

/**
 * Cuts `step.parameter=value`. A step's name may hold dots and equals signs (`train@lr=0.1`): the longest of the `known`
 * names that the text begins with is meant.
 */
export const parseAssignment = (
  asked: string,
  known: ReadonlySet<string>
): Effect.Effect<Assignment, SettingsError> => {
  const forms = Array.from(known).flatMap(formsOf)
  const named = forms.filter((name) => asked.startsWith(`${name}.`)).sort((a, b) => b.length - a.length)[0]
  const target = named ?? /^[^=.]+(?=\.)/u.exec(asked)?.[0]
  const rest = target === undefined ? "" : asked.slice(target.length + 1)
  const equals = rest.indexOf("=")
  if (target === undefined || equals <= 0) {
    return Effect.fail(
      new SettingsError({ asked: `--set ${asked}`, expected: "step.parameter=value", actual: JSON.stringify(asked) })
    )
  }
  const [path, text] = [rest.slice(0, equals).split("."), rest.slice(equals + 1)]
  return Effect.succeed({ target: normalizeStepId(target), path, text, asked: `--set ${asked}` })
}

const parseValue = (text: string): unknown =>
  Result.getOrElse(
    Result.try(() => JSON.parse(text) as unknown),
    () => text
  )

const isRecord = (value: unknown): value is Encoded =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const assign = (into: Encoded, path: ReadonlyArray<string>, value: unknown): Encoded => {
  const [key, ...rest] = path
  if (key === undefined) return into
  const inner = into[key]
  return { ...into, [key]: rest.length === 0 ? value : assign(isRecord(inner) ? inner : {}, rest, value) }
}

/** Decodes `given` by `schema` and encodes it again; fails for names that the schema does not have. */
const settle = Effect.fnUntraced(function* (name: string, schema: Schema.Codec<unknown, unknown>, given: Encoded) {
  const fields = fieldsOf(schema)
  const unknown = fields === undefined ? undefined : Object.keys(given).find((key) => !(key in fields))
  if (fields !== undefined && unknown !== undefined) {
    return yield* unknownName(`${name}.${unknown}`, "parameters", Object.keys(fields), unknown)
  }
  const decoded = yield* Schema.decodeUnknownEffect(schema, { errors: "all", onExcessProperty: "error" })(given).pipe(
    Effect.mapError((error) => misfit(name, given, error))
  )
  return yield* Schema.encodeEffect(schema)(decoded).pipe(
    Effect.map((encoded) => encoded as Encoded),
    Effect.mapError(
      (error) => new SettingsError({ asked: name, expected: "parameters that can be encoded", actual: error.message })
    )
  )
})

/** The value of a `--set`: JSON if the schema accepts it, else the text itself. */
const settleAssignment = Effect.fnUntraced(function* (
  name: string,
  schema: Schema.Codec<unknown, unknown>,
  before: Encoded,
  assignment: Assignment
) {
  const asJson = yield* Effect.result(
    settle(name, schema, assign(before, assignment.path, parseValue(assignment.text)))
  )
  if (Result.isSuccess(asJson)) return asJson.success
  const asText = yield* Effect.result(settle(name, schema, assign(before, assignment.path, assignment.text)))
  if (Result.isSuccess(asText)) return asText.success
  return yield* asJson.failure
})

const merge = (...layers: ReadonlyArray<Encoded | undefined>): Encoded => Object.assign({}, ...layers)

interface Target {
  readonly name: string
  readonly names: ReadonlyArray<string>
  readonly schema: Schema.Codec<unknown, unknown>
  readonly given: Encoded
  /** `given` is a command's declaration, which was checked when it was made: there is nothing to decode. */
  readonly isDeclared?: boolean
  /** For a replica: the distance of its seed from its original's, and its own name. */
  readonly replica?: { readonly shift: number; readonly name: string }
}

const stepTarget = (step: AnyStep, profile: Overrides, seed: number): Target => {
  const schema = step.stage.params as Schema.Codec<unknown, unknown>
  const seeded = "seed" in (fieldsOf(schema) ?? {}) ? { seed } : {}
  const command = step.stage._tag === "Command" ? step.stage : undefined
  const { replica } = step
  const original = replica?.of ?? step.id
  // the id of a step without a variant is its stage's name, and the profile has the last word
  const others = [profile[step.stage.name], step.params, profile[original]]
  return {
    name: step.id,
    names: [step.stage.name, original],
    schema,
    given: merge(command?.defaults, seeded, ...others),
    isDeclared:
      command !== undefined &&
      command.own === undefined &&
      others.every((each) => each === undefined || Object.keys(each).length === 0),
    ...(replica === undefined ? {} : { replica: { shift: replica.number - 1, name: step.id } })
  }
}

/** The parameters of a replica: its original's, except the seed. */
const shiftSeed = (target: Target, settled: Encoded, shift: number): Effect.Effect<Encoded, SettingsError> => {
  const seed = settled["seed"]
  return typeof seed === "number"
    ? settle(target.name, target.schema, { ...settled, seed: seed + shift })
    : Effect.fail(
        new SettingsError({
          asked: `${target.name} over several seeds`,
          expected: "a parameter named seed that is a number",
          actual: `the parameters ${Object.keys(settled).join(", ") || "(none)"}`
        })
      )
}

/** Whether there is nothing to decode for a target. */
const isSettled = ({ isDeclared, replica, names }: Target, assignments: ReadonlyArray<Assignment>): boolean =>
  isDeclared === true && replica === undefined && !assignments.some((each) => names.includes(each.target))

/** What is given with the required parameters that only assignments give. Each is a text if its own schema accepts that and no JSON. */
const withRequired = (target: Target, assignments: ReadonlyArray<Assignment>): Encoded => {
  const fields = fieldsOf(target.schema) ?? {}
  return assignments.reduce((given, { path, text }) => {
    const name = path[0] ?? ""
    const field = fields[name]
    if (field === undefined || name in target.given) return given
    const [asJson, asText] = [parseValue(text), text].map((value) => assign(given, path, value)) as [Encoded, Encoded]
    const isFit = (value: unknown): boolean => {
      try {
        return Result.isSuccess(Schema.decodeUnknownResult(field as Schema.Codec<unknown, unknown>)(value))
      } catch {
        // a Schema that throws is told of when it decodes
        return false
      }
    }
    // of what fits neither, the number is told as such
    return !isFit(asJson[name]) && isFit(asText[name]) ? asText : asJson
  }, target.given)
}

const settleTarget = Effect.fnUntraced(
  function* (target: Target, assignments: ReadonlyArray<Assignment>) {
    const own = assignments.filter((each) => target.names.includes(each.target))
    let settled = target.isDeclared
      ? target.given
      : yield* settle(target.name, target.schema, withRequired(target, own))
    // a stage's assignments first, then the step's own: the more specific wins whatever the order of flags
    for (const name of new Set(target.names)) {
      for (const assignment of assignments.filter((each) => each.target === name)) {
        settled = yield* settleAssignment(target.name, target.schema, settled, assignment)
      }
    }
    const { replica } = target
    if (replica === undefined) return [target.name, settled] as const
    settled = yield* shiftSeed(target, settled, replica.shift)
    for (const assignment of assignments.filter((each) => each.target === replica.name)) {
      settled = yield* settleAssignment(target.name, target.schema, settled, assignment)
    }
    return [target.name, settled] as const
  },
  (settled, { name }) => Schemas.told(`parameters of ${name}`)(settled)
)

const chooseProfile = (pipeline: Pipeline, asked: string | undefined): Effect.Effect<Overrides, SettingsError> => {
  const name = asked ?? pipeline.defaultProfile
  if (name === undefined) return Effect.succeed({})
  const profile = pipeline.profiles[name]
  return profile === undefined
    ? Effect.fail(unknownName(`--profile ${name}`, "profiles", Object.keys(pipeline.profiles), name))
    : Effect.succeed(profile)
}

const settleAll = (targets: ReadonlyArray<Target>, assignments: ReadonlyArray<Assignment>) =>
  Effect.map(
    Effect.forEach(targets, (target) =>
      isSettled(target, assignments)
        ? Effect.succeed([target.name, target.given] as const)
        : settleTarget(target, assignments)
    ),
    recordOf
  )

/**
 * `Object.fromEntries` for thousands of entries. An object without a prototype is a dictionary from the first entry on;
 * otherwise V8 would make a new hidden class for each of the first thousand.
 */
export const recordOf = <A>(entries: Iterable<readonly [string, A]>): Readonly<Record<string, A>> => {
  const record: Record<string, A> = Object.create(null)
  for (const [key, value] of entries) record[key] = value
  return record
}

/** All names before the first dot of an assignment. */
export const targetNames = (pipeline: Pipeline): ReadonlySet<string> =>
  new Set([
    ...pipeline.steps.flatMap(({ id, stage, replica }) => [stage.name, replica?.of ?? id, id]),
    ...pipeline.sources.flatMap(({ name, params }) => (params === undefined ? [] : [name])),
    ...Object.keys(toolchainsOf(pipeline))
  ])

/** All parameters of `pipeline`, decoded and encoded. */
export const resolve = Effect.fnUntraced(function* (pipeline: Pipeline, asked: Asked) {
  const profile = yield* chooseProfile(pipeline, asked.profile)
  const seed = asked.seed ?? pipeline.seed
  const steps = pipeline.steps.map((step) => stepTarget(step, profile, seed))
  const sources = pipeline.sources.flatMap((source: AnySource) =>
    source.params === undefined
      ? []
      : [{ name: source.name, names: [source.name], schema: source.params, given: profile[source.name] ?? {} }]
  )
  const toolchains = Object.values(toolchainsOf(pipeline)).map((toolchain) => ({
    name: toolchain.name,
    names: [toolchain.name],
    schema: toolchain.params as Schema.Codec<unknown, unknown>,
    given: profile[toolchain.name] ?? {}
  }))
  const known = targetNames(pipeline)
  const assignments = yield* Effect.forEach(asked.set ?? [], (each) => parseAssignment(each, known))
  const stray = assignments.find((each) => !known.has(each.target))
  if (stray !== undefined) {
    return yield* unknownName(stray.asked, "names before the first dot", Array.from(known), stray.target)
  }
  const settings: Settings = {
    profile: asked.profile ?? pipeline.defaultProfile,
    seed,
    steps: yield* settleAll(steps, assignments),
    sources: yield* settleAll(sources, assignments),
    toolchains: yield* settleAll(toolchains, assignments)
  }
  return settings
})

/**
 * The ids of the steps that `asked` names; a stage's name stands for all its steps. A branch, `align[sample7]`, is known by the
 * step that it stands in for; whether there is one of that name is known when the run gets there.
 */
export const resolveSteps = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  flag: string,
  asked: ReadonlyArray<string>
) {
  const ids = new Set<string>()
  for (const text of asked) {
    const name = normalizeStepId(text)
    const branch = branchOf(name)
    if (branch !== undefined && pipeline.steps.some(({ id, each }) => id === branch.of && each !== undefined)) {
      ids.add(name)
      continue
    }
    const found = pipeline.steps.filter((step) => step.id === name || step.stage.name === name)
    if (found.length === 0) {
      const names = pipeline.steps.map((step) => step.id)
      return yield* unknownName(`${flag} ${text}`, "steps", names, name)
    }
    for (const step of found) ids.add(step.id)
  }
  return Array.from(ids)
})
