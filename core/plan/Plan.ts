/**
 * Plan: prepares everything of a run that does not depend on results: parameters, code, toolchains, and the content of
 * sources. Freshness then says what a run would do.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import { Store } from "../../cache/store/Store.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import type { AnyStep } from "../pipeline/Step.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import type { Prepared, PreparedToolchain } from "./Prepared.ts"
import { toolchainsOf } from "./Settings.ts"
import * as Sources from "./Sources.ts"
import * as StageExports from "./StageExports.ts"

export interface PrepareOptions extends Sources.SourceOptions {
  readonly pipeline: Pipeline
  readonly cores: number
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
    cores: toolchain.cores(identity)
  }
  return prepared
})

const sourceOf = ({ stage }: AnyStep): ReadonlyArray<string> => (stage._tag === "Stage" ? [stage.source] : [])

const named = <A>(entries: ReadonlyArray<readonly [string, A]>): ReadonlyMap<string, A> => new Map(entries)

export const prepare = Effect.fn("Plan.prepare")(function* (options: PrepareOptions) {
  const { pipeline, settings, cores } = options
  const sources = yield* Effect.forEach(pipeline.sources, (source) =>
    Effect.gen(function* () {
      const location = yield* Sources.locate(source, options)
      yield* Sources.refuseInside(source, location, options)
      return [source.name, yield* Sources.snapshot(source, location)] as const
    })
  )
  const toolchains = yield* Effect.forEach(Object.values(toolchainsOf(pipeline)), (toolchain) =>
    Effect.map(prepareToolchain(toolchain, options), (prepared) => [toolchain.name, prepared] as const)
  )
  const identity = yield* CodeIdentity
  const code = yield* Effect.forEach(new Set(pipeline.steps.flatMap(sourceOf)), (source) =>
    Effect.map(identity.of(source), (found) => [source, found] as const)
  )
  yield* identity.flush
  yield* StageExports.check(pipeline.steps, named(code))
  const prepared: Prepared = {
    pipeline,
    settings,
    sources: named(sources),
    toolchains: named(toolchains),
    code: named(code),
    cores
  }
  return prepared
})
