/**
 * The harness of the hostile tests: the letters pipeline run in this process, on any disk, as often as needed.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Disk } from "../../cache/store/Disk.ts"
import { Store } from "../../cache/store/Store.ts"
import type { Executor } from "../../core/Executor.ts"
import type { Pipeline } from "../../core/Pipeline.ts"
import * as Plan from "../../core/Plan.ts"
import type { RunEvent } from "../../core/RunEvent.ts"
import * as Runner from "../../core/Runner.ts"
import * as Settings from "../../core/Settings.ts"
import * as InProcessExecutor from "../lib/InProcessExecutor.ts"

export interface Place {
  readonly store: string
  readonly outputs: string
  readonly data: string
}

export interface Ran {
  readonly summary: Runner.RunSummary
  readonly events: ReadonlyArray<RunEvent>
}

interface Options {
  readonly set?: ReadonlyArray<string>
  readonly disk?: Layer.Layer<Disk>
  readonly verify?: boolean
  /** Told as events come, so that they are known of a run that crashes too. */
  readonly onEvent?: (event: RunEvent) => void
}

/** One run of `pipeline` with `set`, on `disk`. */
export const run = (pipeline: Pipeline, place: Place, options: Options = {}): Promise<Exit.Exit<Ran, unknown>> =>
  runWith(pipeline, place, InProcessExecutor.layer, options)

/** The same, by an executor of the test's own. */
export const runWith = (
  pipeline: Pipeline,
  place: Place,
  executor: Layer.Layer<Executor>,
  options: Options = {}
): Promise<Exit.Exit<Ran, unknown>> => {
  const events: Array<RunEvent> = []
  const program = Effect.gen(function* () {
    const settings = yield* Settings.resolve(pipeline, { set: options.set ?? [] })
    const sourcePaths = { [pipeline.sources[0]!.name]: place.data }
    const notify = (): void => undefined
    const prepared = yield* Plan.prepare({
      pipeline,
      settings,
      sourcePaths,
      root: place.data,
      dataDir: place.data,
      cores: 2,
      notify
    })
    const emit = (event: RunEvent): Effect.Effect<void> =>
      Effect.sync(() => {
        events.push(event)
        options.onEvent?.(event)
      })
    const summary = yield* Runner.run(prepared, {
      steps: pipeline.steps,
      forced: new Set(),
      keepGoing: false,
      verify: options.verify ?? false,
      outputsDir: place.outputs,
      emit
    })
    return { summary, events }
  })
  const layer = Store.layer(place.store).pipe(Layer.provideMerge(options.disk ?? Disk.layer))
  return Effect.runPromiseExit(Effect.provide(program, Layer.mergeAll(layer, executor)))
}

/** Every file below `folder` with its content; what starts with a dot at the top is left out. */
export const contents = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !name.startsWith(".") && statSync(path.join(folder, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(path.join(folder, name), "latin1").replace(/"tookMs": [\d.]+/, '"tookMs": 0')])
  )
