/** Runs of a pipeline in this process: on any disk, by any executor, as often as needed. */
import { readdirSync, readFileSync, statSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import { connect } from "../../cache/remote/Connect.ts"
import { RemoteCache } from "../../cache/remote/RemoteCache.ts"
import { check, type RemoteSettings } from "../../cache/remote/Settings.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { Store } from "../../cache/store/Store.ts"
import type { Executor } from "../../core/executor/Executor.ts"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import type { Pipeline } from "../../core/pipeline/Pipeline.ts"
import { select } from "../../core/pipeline/Selection.ts"
import * as Plan from "../../core/plan/Plan.ts"
import * as Settings from "../../core/plan/Settings.ts"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import { RunEvents } from "../../core/run/RunEvents.ts"
import * as Runner from "../../core/run/Runner.ts"
import * as InProcessExecutor from "./InProcessExecutor.ts"
import type { Place } from "./place.ts"

export interface Options {
  readonly set?: ReadonlyArray<string>
  readonly only?: ReadonlyArray<string>
  readonly forced?: ReadonlyArray<string>
  readonly verify?: boolean
  readonly keepGoing?: boolean
  /** 2 by default. */
  readonly cores?: number
  readonly disk?: Layer.Layer<Disk>
  /** The pipeline that the store is opened for, as the command line does; none by default. */
  readonly storeOf?: string
  readonly executor?: Layer.Layer<Executor>
  /** `auto` by default. */
  readonly sandbox?: Sandbox.Mode
  /** A shared cache, and the environment that its credentials are in. */
  readonly remote?: { readonly settings: RemoteSettings; readonly env?: Readonly<Record<string, string>> }
  /** Told as events come, so that they are known of a run that crashes too. */
  readonly onEvent?: (event: RunEvent) => void
}

export interface Ran {
  readonly summary: Runner.RunSummary
  readonly events: ReadonlyArray<RunEvent>
}

/** What a run of `pipeline` with the place's data begins with, and the steps it is about. */
export const prepare = Effect.fnUntraced(function* (pipeline: Pipeline, place: Place, options: Options) {
  const settings = yield* Settings.resolve(pipeline, { set: options.set ?? [] })
  const [source] = pipeline.sources
  const prepared = yield* Plan.prepare({
    pipeline,
    settings,
    sourcePaths: source === undefined ? {} : { [source.name]: place.data },
    root: place.data,
    dataDir: place.data,
    outputsDir: place.outputs,
    cores: options.cores ?? 2,
    notify: () => undefined
  })
  const { asked, needed } = select(pipeline, { only: options.only ?? [], from: [], until: [] })
  const wanted = new Set([...asked, ...needed])
  return { prepared, steps: pipeline.steps.filter((step) => wanted.has(step)) }
})

/** `effect` with the store of `place` open. */
export const inStore = <A, E>(
  place: Place,
  effect: Effect.Effect<A, E, Store | CodeIdentity | Disk | Executor>,
  options: Options = {}
): Promise<Exit.Exit<A, unknown>> => {
  const store = CodeIdentity.layerIn(place.store, { pipeline: options.storeOf ?? "" }).pipe(
    Layer.provideMerge(options.disk ?? Disk.layer)
  )
  return Effect.runPromiseExit(
    Effect.provide(effect, Layer.mergeAll(store, options.executor ?? InProcessExecutor.layer))
  )
}

/** `self` with the shared cache that is asked for. */
const withRemote = <A, E, R>(self: Effect.Effect<A, E, R>, remote: Options["remote"]) =>
  Effect.gen(function* () {
    if (remote === undefined) return yield* self
    const { publish } = yield* RunEvents
    const checked = yield* check(remote.settings, remote.env ?? {})
    const connected = yield* connect(checked, (text) => publish({ type: "Notice", text }))
    return yield* Effect.provideService(self, RemoteCache, connected)
  }).pipe(Effect.scoped)

/** One run. Steps that fail are in its summary. */
export const run = (pipeline: Pipeline, place: Place, options: Options = {}): Promise<Exit.Exit<Ran, unknown>> => {
  const events: Array<RunEvent> = []
  const program = Effect.gen(function* () {
    const { prepared, steps } = yield* prepare(pipeline, place, options)
    const summary = yield* Runner.run(prepared, {
      steps,
      forced: new Set(options.forced ?? []),
      keepGoing: options.keepGoing ?? false,
      verify: options.verify ?? false,
      outputsDir: place.outputs
    })
    return { summary, events }
  })
  const listening = RunEvents.to((event) => {
    events.push(event)
    options.onEvent?.(event)
  })
  const asked = Sandbox.inMode(options.sandbox ?? "auto")(
    Effect.provide(withRemote(program, options.remote), listening)
  )
  return inStore(place, asked, options)
}

/** Every file below `folder` with its content; what starts with a dot at the top is left out. */
export const contents = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !name.startsWith(".") && statSync(path.join(folder, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(path.join(folder, name), "latin1").replace(/"tookMs": [\d.]+/, '"tookMs": 0')])
  )
