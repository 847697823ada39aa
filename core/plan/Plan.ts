/**
 * Plan: prepares everything of a run that does not depend on results: parameters, code, toolchains, and the content of
 * sources. Freshness then says what a run would do.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CodeUnknown } from "../../cache/code/CodeFingerprint.ts"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import * as Programs from "../../cache/code/Programs.ts"
import { Store } from "../../cache/store/Store.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import { type AnySource, type AnyStep, origins } from "../pipeline/Step.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import * as Python from "./code/Python.ts"
import { declaredId, type Missing, type Prepared, type PreparedToolchain, paramsOf } from "./Prepared.ts"
import { type Settings, toolchainsOf } from "./Settings.ts"
import { SettingsError } from "./SettingsError.ts"
import * as Sources from "./Sources.ts"
import * as StageExports from "./StageExports.ts"

export interface PrepareOptions extends Sources.SourceOptions {
  readonly pipeline: Pipeline
  /** The steps that are asked about, with those that they need; all unless given. What others are made from is not looked at. */
  readonly steps?: ReadonlyArray<AnyStep>
  readonly cores: number
  /** A source that is not there is told of the steps that read it, and does not fail the whole. */
  readonly keepGoing?: boolean
}

const prepareToolchain = Effect.fnUntraced(function* (toolchain: Toolchain.Any, options: PrepareOptions) {
  const { layout } = yield* Store
  const encoded = options.settings.toolchains[toolchain.name]
  const params = yield* Effect.orDie(
    Schema.decodeUnknownEffect(toolchain.params as Schema.Codec<unknown, unknown>)(encoded)
  )
  const { cores, notify } = options
  const identity: unknown = yield* toolchain.identify(params, {
    cores,
    notify,
    cacheDir: layout.toolchain(toolchain.name)
  })
  const prepared: PreparedToolchain = {
    toolchain,
    identity,
    encoded: yield* Effect.orDie(Schema.encodeEffect(toolchain.identity as Schema.Codec<unknown, unknown>)(identity)),
    cores: toolchain.cores(identity, { params, cores })
  }
  return prepared
})

/** The search path of a step: that of a command's own variables comes first. */
const searchPathOf = (settings: Settings, step: AnyStep): string => {
  const own = (paramsOf(settings, step)["env"] as Readonly<Record<string, string>> | undefined)?.["PATH"]
  return own ?? process.env["PATH"] ?? "/usr/bin:/bin"
}

/** The programs that a step names, as they are now; fails for one that is not there. */
const programsOf = Effect.fnUntraced(function* (settings: Settings, step: AnyStep) {
  const { memo } = yield* Store
  const digestOf = Programs.make(memo)
  const { programs, place } = step.stage
  const searchPath = searchPathOf(settings, step)
  const found = yield* Effect.forEach(programs, (program) =>
    Effect.flatMap(digestOf(program, searchPath), (digest) =>
      digest === undefined
        ? Effect.fail(new Programs.ProgramMissing({ step: step.id, program, searchPath, place }))
        : Effect.succeed([program, digest] as const)
    )
  )
  return Object.fromEntries(found)
})

/** The name of a program of `step` that is no longer the one that the key holds. */
export const changedProgram = Effect.fnUntraced(function* ({ programs, settings }: Prepared, step: AnyStep) {
  const before = programs.get(declaredId(step)) ?? {}
  const now = yield* programsOf(settings, step)
  return Object.keys(before).find((name) => now[name] !== before[name])
})

const isMissing = (error: unknown): error is Missing =>
  error instanceof SettingsError || error instanceof Programs.ProgramMissing || error instanceof CodeUnknown

/** Places are told in the sources where a command ends, and not in what is said of a step. */
const ofStep = (error: Missing): Missing =>
  error instanceof Programs.ProgramMissing ? new Programs.ProgramMissing({ ...error, place: undefined }) : error

/** What is missing is noted for those that it concerns, where others go on, and fails otherwise. */
const missingIn = (missing: Map<AnySource | string, Missing>, goesOn: boolean) => {
  return <A, E, R>(
    of: ReadonlyArray<AnySource | string>,
    look: Effect.Effect<A, E, R>
  ): Effect.Effect<ReadonlyArray<A>, E, R> => {
    const found = Effect.map(look, (each): ReadonlyArray<A> => [each])
    if (!goesOn) return found
    return Effect.catch(found, (error) => {
      if (!isMissing(error)) return Effect.fail(error)
      for (const each of of) missing.set(each, ofStep(error))
      return Effect.succeed([])
    })
  }
}

const sourceOf = ({ stage }: AnyStep): ReadonlyArray<string> => (stage._tag === "Stage" ? [stage.source] : [])

const named = <A>(entries: ReadonlyArray<readonly [string, A]>): ReadonlyMap<string, A> => new Map(entries)

export const prepare = Effect.fn("Plan.prepare")(function* (options: PrepareOptions) {
  const { pipeline, settings, cores, root, steps = pipeline.steps, keepGoing = false } = options
  const read = new Set<unknown>(steps.flatMap(origins))
  const used = pipeline.sources.filter((source) => read.has(source))
  const missing = new Map<AnySource | string, Missing>()
  const orMissing = missingIn(missing, keepGoing)
  const sources = yield* Effect.forEach(used, (source) =>
    Effect.gen(function* () {
      const location = yield* Sources.locate(source, options)
      yield* Sources.refuseInside(source, location, options)
      return yield* orMissing(
        [source],
        Effect.map(Sources.snapshot(source, location), (found) => [source.name, found] as const)
      )
    })
  )
  const toolchains = yield* Effect.forEach(Object.values(toolchainsOf({ steps })), (toolchain) =>
    Effect.map(prepareToolchain(toolchain, options), (prepared) => [toolchain.name, prepared] as const)
  )
  const identity = yield* CodeIdentity
  const code = yield* Effect.forEach(new Set(steps.flatMap(sourceOf)), (source) => {
    const of = steps.filter((step) => sourceOf(step).includes(source)).map(({ id }) => id)
    return orMissing(
      of,
      Effect.map(identity.of(source), (found) => [source, found] as const)
    )
  })
  yield* identity.flush
  const scripts = Python.identities(steps, root)
  // all are asked at once, and each by itself where one is at fault
  const oneByOne = Effect.forEach(steps, (step) => orMissing([step.id], Python.identities([step], root)))
  const asked = keepGoing ? Effect.catch(scripts, () => Effect.map(oneByOne, (found) => found.flat(2))) : scripts
  const prepared: Prepared = {
    pipeline,
    settings,
    root,
    sources: named(sources.flat()),
    missing,
    toolchains: named(toolchains),
    code: named([...code.flat(), ...(yield* asked)]),
    programs: named(
      (yield* Effect.forEach(
        steps.filter(({ stage }) => stage.programs.length > 0),
        (step) =>
          orMissing(
            [step.id],
            Effect.map(programsOf(settings, step), (found) => [step.id, found] as const)
          )
      )).flat()
    ),
    cores,
    parts: new Map()
  }
  yield* StageExports.check(steps, prepared.code)
  return prepared
})
