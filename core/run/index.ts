/**
 * `op-pipe/run`: a pipeline run from a program, as `op-pipe run` does it, with typed values back.
 *
 * @module op-pipe/run
 */
import { randomUUID } from "node:crypto"
import { availableParallelism } from "node:os"
import * as path from "node:path"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type { CodeUnknown } from "../../cache/code/CodeFingerprint.ts"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import * as Fault from "../../cache/identity/Fault.ts"
import type { RemoteRefused, RemoteSettings } from "../../cache/remote/Settings.ts"
import { Disk, type DiskError } from "../../cache/store/Disk.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { ownPrefix } from "../../cache/store/Sweep.ts"
import type { StepError } from "../executor/Executor.ts"
import * as LocalExecutor from "../executor/LocalExecutor.ts"
import * as Sandbox from "../executor/Sandbox.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import * as ArtifactIO from "../pipeline/ArtifactIO.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import type { StageFailure } from "../pipeline/Stage.ts"
import type { Port } from "../pipeline/Step.ts"
import type { ToolchainError } from "../pipeline/Toolchain.ts"
import * as OutputFolder from "../plan/OutputFolder.ts"
import * as Plan from "../plan/Plan.ts"
import * as Settings from "../plan/Settings.ts"
import type { SettingsError } from "../plan/SettingsError.ts"
import { NoResult } from "./LastResult.ts"
import { provideInput } from "./Materialize.ts"
import { placesOf } from "./project/Places.ts"
import { withRemote } from "./project/Remote.ts"
import type { RunEvent } from "./RunEvent.ts"
import { RunEvents } from "./RunEvents.ts"
import * as Runner from "./Runner.ts"
import { wanted } from "./Wanted.ts"

export type { RemoteSettings } from "../../cache/remote/Settings.ts"
export { NoResult } from "./LastResult.ts"
export type { RunEvent } from "./RunEvent.ts"

/**
 * Steps failed; what is finished is kept.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 * import { run } from "op-pipe/run"
 *
 * const Hello = Artifact.file({ tag: "Hello/v1", path: "hello.txt" })
 * const hello = Pipeline.step(
 *   Stage.command({ name: "hello", command: 'exit 3', inputs: {}, output: { text: Hello } }),
 *   { inputs: {} }
 * )
 * const pipeline = Pipeline.make({ name: "greeting", steps: [hello] })
 *
 * const said = run(pipeline).pipe(
 *   Effect.as("all is well"),
 *   Effect.catchTag("StepsFailed", ({ failures }) => Effect.succeed(failures.map(({ step }) => step).join()))
 * )
 * console.log(await Effect.runPromise(said)) // hello
 * ```
 */
export class StepsFailed extends Data.TaggedError("StepsFailed")<{ readonly failures: ReadonlyArray<StepError> }> {
  get fault(): Fault.Fault {
    return Fault.worst(this.failures.map(({ fault }) => fault))
  }

  override get message(): string {
    return this.failures.map(({ message }) => message).join("\n")
  }
}

/** As the flags of `op-pipe run`; each may be left out. */
export interface Options {
  /**
   * The folder that relative paths start from, with `.op-pipe`, `outputs` and `data` in it; the working directory
   * unless given.
   */
  readonly root?: string
  /** Else the variable `OP_PIPE_STORE`, what the pipeline declares, or `.op-pipe`; `outputs` likewise. */
  readonly store?: string
  readonly outputs?: string
  /** Where sources lie, by their names. */
  readonly sources?: Readonly<Record<string, string>>
  readonly profile?: string
  /** `step.parameter=value`, as for `--set`. */
  readonly set?: ReadonlyArray<string>
  readonly seed?: number
  readonly seeds?: number
  readonly only?: ReadonlyArray<string>
  readonly from?: ReadonlyArray<string>
  readonly until?: ReadonlyArray<string>
  /** Steps to execute even if their result is there; `all` for every one. */
  readonly force?: ReadonlyArray<string>
  readonly keepGoing?: boolean
  readonly verify?: boolean
  readonly cores?: number
  /**
   * Whether steps are sealed off: `auto` (where that is possible) unless given, `require`, `off`. Where it is required, results
   * that were made without a sandbox are made again.
   */
  readonly sandbox?: Sandbox.Mode
  /** A cache that several machines share. Configuration files are not read; credentials are in the environment. */
  readonly remote?: RemoteSettings
  /** Is told each event, in order, while the run goes on. */
  readonly onEvent?: (event: RunEvent) => Effect.Effect<void>
}

/** What a run came to. */
export interface Result {
  readonly runId: string
  /** Ids of steps. */
  readonly executed: ReadonlyArray<string>
  readonly cached: ReadonlyArray<string>
  readonly durationMs: number
  /**
   * The value of a step's output; of a folder that is not materialized the path of a copy, which lasts as long as this
   * process. Fails with `NoResult` for a step that was no part of the run.
   */
  readonly read: <A extends Artifact.Any>(port: Port<A>) => Effect.Effect<Artifact.Value<A>, NoResult | DiskError>
}

/** What a run may fail with. */
export type Failure =
  | StepsFailed
  | SettingsError
  | CodeUnknown
  | ToolchainError
  | StageFailure
  | DiskError
  | RemoteRefused
  | Effect.Error<ReturnType<typeof Plan.prepare>>
  | Effect.Error<ReturnType<typeof Runner.run>>

/** A copy of a folder that is in the store alone, which a run after the end of this process removes. */
const copyOf = Effect.fnUntraced(function* (output: Output, artifact: Artifact.Any) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const folder = path.join(layout.work, `${ownPrefix}read+${output.digest}`)
  const at = path.join(folder, output.path)
  if (yield* disk.exists(at)) return at
  // made aside: another may read it at the same time
  const aside = `${folder}+${randomUUID()}`
  yield* provideInput(output, artifact, aside, "Command").pipe(
    Effect.andThen(disk.rename(aside, folder)),
    Effect.catchIf(
      (error) => error._tag === "DiskError" && ["EEXIST", "ENOTEMPTY"].includes(error.code),
      () => Effect.void
    ),
    Effect.ensuring(Effect.ignore(disk.remove(aside)))
  )
  return at
})

const makeRead = (outputsDir: string, results: ReadonlyMap<string, StepResult>) =>
  Effect.gen(function* () {
    const disk = yield* Disk
    const store = yield* Store
    const { blobs } = store
    const read = Effect.fn("Run.read")(
      function* ({ owner, output, artifact }: Port<Artifact.Any>) {
        const step = owner._tag === "Step" ? owner.id : owner.name
        const result = results.get(step)
        const made = result?.outputs[output]
        const entry = made?.entries[0]
        if (result !== undefined && entry === undefined && artifact.optional) return undefined
        if (made === undefined || entry === undefined) return yield* new NoResult({ step })
        if (artifact.kind === "folder")
          return made.layOut
            ? { path: path.join(OutputFolder.of(outputsDir, step), artifact.path) }
            : { path: yield* Effect.catchTag(copyOf(made, artifact), "BlobGone", () => new NoResult({ step })) }
        const blob = entry.kind === "file" ? yield* blobs.verified(entry.digest) : Option.none<string>()
        if (Option.isNone(blob)) return yield* new NoResult({ step })
        const bytes = yield* disk.read(blob.value)
        if (artifact.kind === "text") return ArtifactIO.textOf(bytes)
        if (artifact.kind !== "json") return bytes
        const value = ArtifactIO.withoutVolatile(JSON.parse(new TextDecoder().decode(bytes)), artifact.volatile)
        // what is in the store was decoded when it was put there
        return yield* Effect.orDie(Schema.decodeUnknownEffect(artifact.schema)(value))
      },
      Effect.provideService(Disk, disk),
      Effect.provideService(Store, store)
    )
    return read as Result["read"]
  })

/** Every event goes to `handle`, one after the other; the scope closes when all are handled. */
const oneByOne = (handle: (event: RunEvent) => Effect.Effect<void>): Layer.Layer<RunEvents> =>
  Layer.effect(
    RunEvents,
    Effect.gen(function* () {
      const queue = yield* Queue.unbounded<RunEvent, Cause.Done>()
      const handling = Effect.forever(Effect.flatMap(Queue.take(queue), handle)).pipe(
        Effect.catchIf(Cause.isDone, () => Effect.void)
      )
      const fiber = yield* Effect.forkScoped(handling)
      yield* Effect.addFinalizer(() => Effect.andThen(Queue.end(queue), Fiber.join(fiber)))
      return { publish: (event: RunEvent): void => void Queue.offerUnsafe(queue, event) }
    })
  )

/**
 * Brings `pipeline` up to date and gives what its steps came to.
 *
 * The stages' modules are found by their `source`, so the pipeline may be imported or made on the spot. Fails with
 * `StepsFailed` when a step did, with `SettingsError` for names and values that do not fit, with `CodeUnknown`,
 * `ToolchainError` or `DiskError` as the command line would.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 * import { run } from "op-pipe/run"
 *
 * const Hello = Artifact.file({ tag: "Hello/v1", path: "hello.txt" })
 * const hello = Pipeline.step(
 *   Stage.command({ name: "hello", command: 'printf hello > "$text"', inputs: {}, output: { text: Hello } }),
 *   { inputs: {} }
 * )
 * const pipeline = Pipeline.make({ name: "greeting", steps: [hello] })
 *
 * const program = Effect.gen(function* () {
 *   const result = yield* run(pipeline)
 *   const text = yield* result.read(hello.out.text)
 *   console.log(new TextDecoder().decode(text)) // hello
 * })
 * await Effect.runPromise(program)
 * ```
 */
export const run = (pipeline: Pipeline.Pipeline, options: Options = {}): Effect.Effect<Result, Failure> => {
  const root = path.resolve(options.root ?? ".")
  const { storeDir, outputsDir } = placesOf(pipeline, options, { root, from: root })
  const store = CodeIdentity.layerIn(storeDir, { pipeline: pipeline.name }).pipe(Layer.provideMerge(Disk.layer))
  const events = options.onEvent === undefined ? RunEvents.to(() => undefined) : oneByOne(options.onEvent)
  return Effect.gen(function* () {
    const { publish } = yield* RunEvents
    const placed = Pipeline.overSeeds(pipeline, options.seeds ?? Pipeline.seedsOf(pipeline, options.profile))
    const { profile, seed, set = [] } = options
    const settings = yield* Settings.resolve(placed, { profile, seed, set })
    const { only = [], from = [], until = [], force = [], keepGoing = false, verify = false } = options
    const { steps, branches, forced } = yield* wanted(placed, { only, from, until, force })
    const prepared = yield* Plan.prepare({
      pipeline: placed,
      steps,
      settings,
      sourcePaths: options.sources ?? {},
      root,
      dataDir: path.join(root, "data"),
      outputsDir,
      cores: options.cores ?? availableParallelism(),
      keepGoing,
      notify: (text) => publish({ type: "Notice", text })
    })
    const data = Object.entries(options.sources ?? {}).map(([name, at]) => `${name}=${path.resolve(at)}`)
    const asked = { set, data }
    const notify = (text: string): void => publish({ type: "Notice", text })
    const running = Runner.run(prepared, { steps, branches, forced, keepGoing, verify, outputsDir, asked })
    const summary = yield* withRemote(options.remote, notify)(running)
    if (summary.failures.length > 0) return yield* new StepsFailed({ failures: summary.failures })
    const { runId, executed, cached, durationMs } = summary.finished
    return { runId, executed, cached, durationMs, read: yield* makeRead(outputsDir, summary.results) }
  }).pipe(
    Effect.provide(LocalExecutor.layer),
    Sandbox.inMode(options.sandbox ?? "auto"),
    Effect.provide([store, events])
  )
}
