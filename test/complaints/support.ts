/**
 * Support of the complaint tests: one run in this process, with all that a run can be asked, and what came of it in short.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Disk } from "../../cache/store/Disk.ts"
import * as Layout from "../../cache/store/Layout.ts"
import * as ResultStore from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { Executor, type StepTask } from "../../core/Executor.ts"
import { Artifact } from "../../core/index.ts"
import { type Pipeline, select } from "../../core/Pipeline.ts"
import * as Plan from "../../core/Plan.ts"
import type { RunEvent } from "../../core/RunEvent.ts"
import * as Runner from "../../core/Runner.ts"
import * as Settings from "../../core/Settings.ts"
import type { Place } from "../hostile/harness.ts"
import * as InProcessExecutor from "../lib/InProcessExecutor.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

export interface Options {
  readonly set?: ReadonlyArray<string>
  readonly executor?: Layer.Layer<Executor>
  readonly disk?: Layer.Layer<Disk>
  readonly only?: ReadonlyArray<string>
  readonly forced?: ReadonlyArray<string>
  readonly onEvent?: (event: RunEvent) => void
}

export interface Ran {
  readonly executed: ReadonlyArray<string>
  readonly cached: ReadonlyArray<string>
  readonly failures: ReadonlyArray<string>
  /** Of the steps that were executed. */
  readonly reasons: Readonly<Record<string, ReadonlyArray<string>>>
  readonly keys: Readonly<Record<string, string>>
  readonly events: ReadonlyArray<RunEvent>
}

const prepare = Effect.fnUntraced(function* (pipeline: Pipeline, place: Place, options: Options) {
  const settings = yield* Settings.resolve(pipeline, { set: options.set ?? [] })
  const [source] = pipeline.sources
  const prepared = yield* Plan.prepare({
    pipeline,
    settings,
    sourcePaths: source === undefined ? {} : { [source.name]: place.data },
    root: place.data,
    dataDir: place.data,
    cores: 2,
    notify: () => undefined
  })
  const { asked, needed } = select(pipeline, { only: options.only ?? [], from: [], until: [] })
  const wanted = new Set([...asked, ...needed])
  return { prepared, steps: pipeline.steps.filter((step) => wanted.has(step)) }
})

/** `effect` with the store of `place` open. */
export const inStore = <A, E>(
  place: Place,
  effect: Effect.Effect<A, E, Store | Disk | Executor>,
  options: Options = {}
): Promise<Exit.Exit<A, unknown>> => {
  const store = Store.layer(place.store).pipe(Layer.provideMerge(options.disk ?? Disk.layer))
  return Effect.runPromiseExit(
    Effect.provide(effect, Layer.mergeAll(store, options.executor ?? InProcessExecutor.layer))
  )
}

export const succeeded = <A>(exit: Exit.Exit<A, unknown>): A => {
  if (Exit.isFailure(exit)) throw new Error(JSON.stringify(exit.cause))
  return exit.value
}

/** One run; throws when it does not come to its end. Steps that fail are no such thing. */
export const ran = async (pipeline: Pipeline, place: Place, options: Options = {}): Promise<Ran> => {
  const events: Array<RunEvent> = []
  const program = Effect.gen(function* () {
    const { prepared, steps } = yield* prepare(pipeline, place, options)
    return yield* Runner.run(prepared, {
      steps,
      forced: new Set(options.forced ?? []),
      keepGoing: false,
      verify: false,
      outputsDir: place.outputs,
      emit: (event) =>
        Effect.sync(() => {
          events.push(event)
          options.onEvent?.(event)
        })
    })
  })
  const { finished, failures } = succeeded(await inStore(place, program, options))
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
): Promise<Readonly<Record<string, Plan.State>>> => {
  const program = Effect.gen(function* () {
    const { prepared, steps } = yield* prepare(pipeline, place, options)
    return yield* Plan.assess(prepared, steps, new Set(options.forced ?? []))
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

export const letterTexts = { "texts/a.txt": "hello big world\n", "texts/b.txt": "again\n" }
/** The steps of the letters pipeline. */
export const letterSteps = ["words", "count@words", "count@letters", "print"]

/** A folder of its own with a store, outputs and data in `texts`. */
export const newPlace = (files: Readonly<Record<string, string | Uint8Array>> = letterTexts): Place => {
  const root = temporaryFolder()
  mkdirSync(path.join(root, "texts"))
  writeFiles(root, files)
  return placeIn(root)
}

export const placeIn = (root: string): Place => ({
  store: path.join(root, "store"),
  outputs: path.join(root, "outputs"),
  data: path.join(root, "texts")
})

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
