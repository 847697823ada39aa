/**
 * Support of the complaint tests: one run in this process, with all that a run can be asked, and what came of it in short.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Layout from "../../cache/store/Layout.ts"
import * as ResultStore from "../../cache/store/ResultStore.ts"
import { Executor } from "../../core/executor/Executor.ts"
import type { StepTask } from "../../core/executor/StepTask.ts"
import { Artifact } from "../../core/index.ts"
import type { Pipeline } from "../../core/pipeline/Pipeline.ts"
import * as Freshness from "../../core/plan/Freshness.ts"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import * as InProcessExecutor from "../lib/InProcessExecutor.ts"
import type { Place } from "../lib/place.ts"
import { inStore, type Options, prepare, run } from "../lib/runs.ts"

export interface Ran {
  readonly executed: ReadonlyArray<string>
  readonly cached: ReadonlyArray<string>
  readonly failures: ReadonlyArray<string>
  /** Of the steps that were executed. */
  readonly reasons: Readonly<Record<string, ReadonlyArray<string>>>
  readonly keys: Readonly<Record<string, string>>
  readonly events: ReadonlyArray<RunEvent>
}

export const succeeded = <A>(exit: Exit.Exit<A, unknown>): A => {
  if (Exit.isFailure(exit)) throw new Error(JSON.stringify(exit.cause))
  return exit.value
}

/** One run; throws when it does not come to its end. Steps that fail are no such thing. */
export const ran = async (pipeline: Pipeline, place: Place, options: Options = {}): Promise<Ran> => {
  const { summary, events } = succeeded(await run(pipeline, place, options))
  const { finished, failures } = summary
  return {
    executed: finished.executed,
    cached: finished.cached,
    failures: failures.map((failure) => failure.message),
    reasons: Object.fromEntries(
      events.flatMap((event) => (event.type === "StepStarted" ? [[event.step, event.reasons] as const] : []))
    ),
    keys: Object.fromEntries(
      events.flatMap((event) =>
        event.type === "StepExecuted" || event.type === "StepCached" ? [[event.step, event.key] as const] : []
      )
    ),
    events
  }
}

/** What a dry run would say: states by step, of the steps that it would be about. */
export const planned = async (
  pipeline: Pipeline,
  place: Place,
  options: Options = {}
): Promise<Readonly<Record<string, Freshness.State>>> => {
  const program = Effect.gen(function* () {
    const { prepared, steps } = yield* prepare(pipeline, place, options)
    return yield* Freshness.assess(prepared, steps, { forced: new Set(options.forced ?? []) })
  })
  const found = succeeded(await inStore(place, program, options))
  return Object.fromEntries(found.map(({ step, state }) => [step.id, state]))
}

type Deed = (task: StepTask) => void | Promise<void>

/** Does what stages of made-up modules would do. */
export const doing = (deed: Deed): Layer.Layer<Executor> =>
  Layer.succeed(Executor, {
    execute: (task) => Effect.promise(async () => deed(task)).pipe(Effect.as({ loaded: undefined }))
  })

/** The stages' own work, with something done before and after it. */
export const around = (hooks: { readonly before?: Deed; readonly after?: Deed }): Layer.Layer<Executor> =>
  Layer.effect(
    Executor,
    Effect.map(Executor, (executor) => ({
      execute: (task, onProgress) =>
        Effect.promise(async () => hooks.before?.(task)).pipe(
          Effect.andThen(executor.execute(task, onProgress)),
          Effect.tap(() => Effect.promise(async () => hooks.after?.(task)))
        )
    }))
  ).pipe(Layer.provide(InProcessExecutor.layer))

/** Every file below a folder, as a path. */
export const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile())
    .sort()

export const blobsOf = (place: Place): ReadonlyArray<string> => filesBelow(path.join(place.store, "v1/blobs"))
export const recordsOf = (place: Place): ReadonlyArray<string> => filesBelow(path.join(place.store, "v1/results"))

/** What a record says, whatever its checksum. */
export const resultIn = (record: string): ResultStore.StepResult => {
  const body = readFileSync(record, "utf8")
  return JSON.parse(body.slice(body.indexOf("\n"))) as ResultStore.StepResult
}

/** The blobs that a record names, as paths. */
export const blobsNamedIn = (place: Place, record: string): ReadonlyArray<string> =>
  ResultStore.blobsOf(resultIn(record)).map((digest) => Layout.make(place.store).blob(digest))

/** So long that what was written before is older than the clock's tick, and its stat is trusted. */
export const pastTheTick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 80))

export const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
export const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Unknown })

/** Writes a `Value` as the output of a made-up stage. */
export const writeValue = (task: StepTask, value: unknown): void =>
  writeFileSync(path.join(task.outputDir, "value.json"), JSON.stringify(value))
