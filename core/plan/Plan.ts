/**
 * Plan: prepares everything of a run that does not depend on results: parameters, code, toolchains, and the content of
 * sources. Freshness then says what a run would do.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import * as Programs from "../../cache/code/Programs.ts"
import type { Ingredients } from "../../cache/identity/CacheKey.ts"
import type * as Digest from "../../cache/identity/Digest.ts"
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

/** The programs that each of `steps` names, as they are now, by step; what is not there is told to `lacks`. */
const programsOf = Effect.fnUntraced(function* (
  settings: Settings,
  steps: ReadonlyArray<AnyStep>,
  lacks: (missing: Programs.ProgramMissing) => Effect.Effect<void, Programs.ProgramMissing>
) {
  const { memo } = yield* Store
  const digestOf = Programs.make(memo)
  const found = new Map<string, NonNullable<Ingredients["programs"]>>()
  for (const step of steps.filter(({ stage }) => stage.programs.length > 0)) {
    const { programs, place } = step.stage
    const searchPath = searchPathOf(settings, step)
    const digests: Record<string, Digest.Digest> = {}
    for (const program of programs) {
      const digest = yield* digestOf(program, searchPath)
      if (digest === undefined) yield* lacks(new Programs.ProgramMissing({ step: step.id, program, searchPath, place }))
      else digests[program] = digest
    }
    found.set(step.id, digests)
  }
  return found as ReadonlyMap<string, NonNullable<Ingredients["programs"]>>
})

/** The name of a program of `step` that is no longer the one that the key holds. */
export const changedProgram = Effect.fnUntraced(function* ({ programs, settings }: Prepared, step: AnyStep) {
  const before = programs.get(declaredId(step)) ?? {}
  const now = (yield* programsOf(settings, [step], Effect.fail)).get(step.id) ?? {}
  return Object.keys(before).find((name) => now[name] !== before[name])
})

const sourceOf = ({ stage }: AnyStep): ReadonlyArray<string> => (stage._tag === "Stage" ? [stage.source] : [])

const named = <A>(entries: ReadonlyArray<readonly [string, A]>): ReadonlyMap<string, A> => new Map(entries)

export const prepare = Effect.fn("Plan.prepare")(function* (options: PrepareOptions) {
  const { pipeline, settings, cores, steps = pipeline.steps } = options
  const read = new Set<unknown>(steps.flatMap(origins))
  const used = pipeline.sources.filter((source) => read.has(source))
  const missing = new Map<AnySource | string, Missing>()
  const sources = yield* Effect.forEach(used, (source) =>
    Effect.gen(function* () {
      const location = yield* Sources.locate(source, options)
      yield* Sources.refuseInside(source, location, options)
      const looked = Effect.map(Sources.snapshot(source, location), (found) => [[source.name, found] as const])
      if (options.keepGoing !== true) return yield* looked
      return yield* Effect.catchIf(
        looked,
        (error) => error instanceof SettingsError,
        (error) => {
          missing.set(source, error)
          return Effect.succeed([])
        }
      )
    })
  )
  const toolchains = yield* Effect.forEach(Object.values(toolchainsOf({ steps })), (toolchain) =>
    Effect.map(prepareToolchain(toolchain, options), (prepared) => [toolchain.name, prepared] as const)
  )
  const identity = yield* CodeIdentity
  const code = yield* Effect.forEach(new Set(steps.flatMap(sourceOf)), (source) =>
    Effect.map(identity.of(source), (found) => [source, found] as const)
  )
  yield* identity.flush
  const scripts = yield* Python.identities(steps, options.root)
  yield* StageExports.check(steps, named(code))
  const prepared: Prepared = {
    pipeline,
    settings,
    root: options.root,
    sources: named(sources.flat()),
    missing,
    toolchains: named(toolchains),
    code: named([...code, ...scripts]),
    programs: yield* programsOf(settings, steps, (error) => {
      if (options.keepGoing !== true) return Effect.fail(error)
      const { step, program, searchPath } = error
      // places are told in the sources where a command ends, and not in what is said of a step
      const ofStep = new Programs.ProgramMissing({ step, program, searchPath, place: undefined })
      return Effect.sync(() => missing.set(step, ofStep))
    }),
    cores,
    parts: new Map()
  }
  return prepared
})
