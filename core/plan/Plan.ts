/**
 * Plan: what a run would do, before it does anything.
 *
 * `prepare` settles everything that does not depend on results: parameters, code, toolchains, and what the sources hold.
 * `assess` then walks the steps upstream first and tells for each whether its result is there (*fresh*), is not (*stale*
 * or *never run*), or cannot be known before an upstream step has run (*pending*), with the reasons.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CodeIdentity from "../../cache/code/CodeIdentity.ts"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import type * as Digest from "../../cache/identity/Digest.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import { type AnyStep, upstream } from "../pipeline/Step.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import * as Outputs from "../run/Outputs.ts"
import * as Ingredients from "./Ingredients.ts"
import type { Prepared, PreparedToolchain } from "./Prepared.ts"
import { toolchainsOf } from "./Settings.ts"
import * as Sources from "./Sources.ts"

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

export const prepare = Effect.fnUntraced(function* (options: PrepareOptions) {
  const { pipeline, settings, cores } = options
  const { layout, memo } = yield* Store
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
  const identity = yield* CodeIdentity.make(layout, memo)
  const code = yield* Effect.forEach(new Set(pipeline.steps.flatMap(sourceOf)), (source) =>
    Effect.map(identity.of(source), (found) => [source, found] as const)
  )
  yield* identity.flush
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

/** Why a step with these ingredients has no result to use, compared with its last one. */
export const explain = Effect.fnUntraced(function* (
  prepared: Prepared,
  step: AnyStep,
  ingredients: CacheKey.Ingredients,
  unusable: Outputs.Unusable
) {
  const { results } = yield* Store
  if (unusable === "damaged") return ["its result is in the store, but a file of it is missing or damaged"]
  if (unusable === "outdated") return ["its result is in the store, but a document of it no longer fits its schema"]
  const last = yield* results.last(step.id)
  if (Option.isNone(last)) {
    return [(yield* results.hadResult(step.id)) ? "its last result is no longer in the store" : "it has no result yet"]
  }
  const before = last.value.ingredients
  const inputs = yield* Effect.forEach(
    Object.entries(step.inputs).filter(([name]) => before.inputs[name] !== ingredients.inputs[name]),
    ([name, port]) => {
      const digest = before.inputs[name]
      return digest === undefined
        ? Effect.succeed(`input ${name} is new`)
        : Sources.describeInput(prepared, port, digest)
    }
  )
  const gone = Object.keys(before.inputs)
    .filter((name) => !(name in ingredients.inputs))
    .map((name) => `input ${name} is gone`)
  const reasons = [...CacheKey.diff(before, ingredients), ...inputs, ...gone]
  return reasons.length === 0 ? ["its result is no longer in the store"] : reasons
})

export type State = "fresh" | "stale" | "pending" | "never run"

export interface Assessment {
  readonly step: AnyStep
  readonly state: State
  readonly reasons: ReadonlyArray<string>
  readonly key: Digest.Digest | undefined
  readonly result: StepResult | undefined
}

const assessStep = Effect.fnUntraced(function* (
  prepared: Prepared,
  step: AnyStep,
  known: ReadonlyMap<string, StepResult>,
  waiting: ReadonlySet<string>
) {
  const { results } = yield* Store
  const none = { step, key: undefined, result: undefined }
  const blockers = upstream(step).filter((each) => waiting.has(each.id))
  const keyed = blockers.length > 0 ? undefined : Ingredients.keyed(prepared, step, known)
  if (keyed === undefined) {
    const last = yield* results.last(step.id)
    const ran = yield* results.hadResult(step.id)
    const waits = `it waits for ${Array.from(new Set(blockers.map((each) => each.id))).join(", ")}`
    if (Option.isNone(last)) {
      return { ...none, state: ran ? "pending" : "never run", reasons: [waits] } satisfies Assessment
    }
    // what it reads is not known yet; what else changed is
    const before = last.value.ingredients
    const now = Ingredients.full(prepared, step, { ...Ingredients.own(prepared, step), inputs: before.inputs })
    const own = CacheKey.diff(before, now)
    return { ...none, state: "pending", reasons: [...own, waits] } satisfies Assessment
  }
  const key = yield* CacheKey.of(step.id, keyed)
  const result = yield* Outputs.usable(step, key)
  if (typeof result !== "string") return { step, state: "fresh", reasons: [], key, result } satisfies Assessment
  const reasons = yield* explain(prepared, step, Ingredients.full(prepared, step, keyed), result)
  const ran = yield* results.hadResult(step.id)
  return { ...none, state: ran ? "stale" : "never run", reasons, key } satisfies Assessment
})

/** The state of each of `steps` (upstream first) as things stand. */
export const assess = Effect.fnUntraced(function* (
  prepared: Prepared,
  steps: ReadonlyArray<AnyStep>,
  forced: ReadonlySet<string>
) {
  const known = new Map<string, StepResult>()
  const waiting = new Set<string>()
  const assessments: Array<Assessment> = []
  for (const step of steps) {
    const found: Assessment = yield* assessStep(prepared, step, known, waiting)
    const assessment: Assessment =
      forced.has(step.id) && found.state === "fresh" ? { ...found, state: "stale", reasons: ["forced"] } : found
    if (assessment.state === "fresh" && assessment.result !== undefined) known.set(step.id, assessment.result)
    else waiting.add(step.id)
    assessments.push(assessment)
  }
  return assessments
})
