/**
 * `op-pipe/testing`: one stage run in a test of one's own, with given inputs, without a pipeline and without a store.
 *
 * The stage runs in the test's own process, so breakpoints and mocks work; what it reads and writes is not watched there.
 * Parameters are decoded, documents go through their schemas, and outputs come back as values, as in a run.
 *
 * @module op-pipe/testing
 */
import { availableParallelism } from "node:os"
import * as path from "node:path"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Disk } from "../cache/store/Disk.ts"
import type { StepTask } from "./executor/StepTask.ts"
import * as TaskRun from "./executor/TaskRun.ts"
import type * as Artifact from "./pipeline/Artifact.ts"
import * as ArtifactIO from "./pipeline/ArtifactIO.ts"
import { linesOf } from "./pipeline/Declaration.ts"
import * as Order from "./pipeline/many/Order.ts"
import type * as Stage from "./pipeline/Stage.ts"
import type { ParamsOf } from "./pipeline/Step.ts"
import type * as Toolchain from "./pipeline/Toolchain.ts"

/**
 * The content of an input: the `value` of a document, a text or bytes, the `bytes` of a file (or a text), the `files` of a folder
 * by their paths; or a `path` where it lies already. Of many by their names; `undefined` of an optional one that is absent.
 */
export type Given<A extends Artifact.Input> =
  A extends Artifact.Many<infer Of>
    ? Readonly<Record<string, Given<Of>>>
    :
        | { readonly path: string }
        | (A extends Artifact.JsonArtifact<string, infer T, boolean>
            ? { readonly value: T }
            : A extends Artifact.TextArtifact<string, boolean>
              ? { readonly value: string }
              : A extends Artifact.BytesArtifact<string, boolean>
                ? { readonly value: Uint8Array }
                : A extends Artifact.FileArtifact<string, boolean>
                  ? { readonly bytes: Uint8Array | string }
                  : { readonly files: Readonly<Record<string, Uint8Array | string>> })
        | (A extends { readonly optional: true } ? undefined : never)

/** What a stage is run with. */
export interface RunStageOptions<S extends Stage.Module> {
  /** Parameters besides the Schema's defaults, as `--set` would give them. */
  readonly params?: Partial<ParamsOf<S>>
  readonly inputs: { readonly [K in keyof S["inputs"]]: Given<S["inputs"][K]> }
  /** The identity of each toolchain that the stage declares. */
  readonly toolchain?: { readonly [K in keyof S["toolchain"]]: Toolchain.IdentityOf<S["toolchain"][K]> }
  /** How many cores the stage is given. All unless said otherwise. */
  readonly cores?: number
}

/** What a stage came to. */
export interface StageRun<S extends Stage.Module> {
  readonly output: { readonly [K in keyof S["output"]]: Artifact.Value<S["output"][K]> }
  /** What the stage said of its progress, in order. */
  readonly progress: ReadonlyArray<Stage.Progress>
  /** What it said that a user should know, in order. */
  readonly notices: ReadonlyArray<string>
}

type AnyGiven =
  | { readonly path: string }
  | { readonly value: unknown }
  | { readonly bytes: Uint8Array | string }
  | { readonly files: Readonly<Record<string, Uint8Array | string>> }

const bytesOf = (content: Uint8Array | string): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

const write = Effect.fnUntraced(function* (file: string, content: Uint8Array | string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(path.dirname(file), { recursive: true })
  yield* fs.writeFile(file, bytesOf(content))
}, Effect.orDie)

/** Where the content of an input lies, written below `folder` if it was given as a value. */
const place = Effect.fnUntraced(function* (artifact: Artifact.Any, given: AnyGiven, folder: string) {
  if ("path" in given) return path.resolve(given.path)
  const to = path.join(folder, artifact.path)
  if ("files" in given) {
    for (const [name, content] of Object.entries(given.files)) yield* write(path.join(to, name), content)
  } else if ("bytes" in given) yield* write(to, given.bytes)
  else if (artifact.kind === "json") {
    const encoded = yield* Effect.orDie(Schema.encodeEffect(artifact.schema)(given.value))
    yield* write(to, JSON.stringify(ArtifactIO.withoutVolatile(encoded, artifact.volatile)))
  } else yield* write(to, given.value as Uint8Array | string)
  return to
})

/** Where all inputs lie, and of many each of them. */
const placeAll = Effect.fnUntraced(function* (
  inputs: Stage.Inputs,
  given: Readonly<Record<string, unknown>>,
  folder: string
) {
  const paths: Record<string, string> = {}
  const entries: Record<string, ReadonlyArray<ArtifactIO.Entry>> = {}
  for (const [name, input] of Object.entries(inputs)) {
    const to = path.join(folder, name)
    if (input.kind !== "many") {
      const one = given[name] as AnyGiven | undefined
      if (one !== undefined) paths[name] = yield* place(input, one, to)
      continue
    }
    paths[name] = to
    const each = Object.entries(given[name] as Readonly<Record<string, AnyGiven>>).sort(([a], [b]) =>
      Order.compare(a, b)
    )
    entries[name] = yield* Effect.forEach(each, ([entry, one]) =>
      Effect.map(place(input.of, one, path.join(to, entry)), (at) => ({ name: entry, path: path.relative(to, at) }))
    )
  }
  return { inputs: paths, entries }
})

const take = Effect.fnUntraced(function* (artifact: Artifact.Any, root: string) {
  const fs = yield* FileSystem.FileSystem
  const at = path.join(root, artifact.path)
  if (artifact.optional && !(yield* Effect.orDie(fs.exists(at)))) return undefined
  switch (artifact.kind) {
    case "json":
    case "text":
    case "bytes":
      return yield* ArtifactIO.reader<Artifact.JsonArtifact<string, unknown>>(artifact as never, at).read
    case "file":
      return yield* ArtifactIO.reader<Artifact.FileArtifact<string>>(artifact as never, at).bytes
    case "folder":
      return { path: at }
  }
})

const encodeIdentities = (stage: Stage.Module, identities: Readonly<Record<string, unknown>>) =>
  Effect.forEach(Object.entries(stage.toolchain as Stage.Toolchains), ([name, toolchain]) => {
    const schema = toolchain.identity as Schema.Codec<unknown, unknown>
    const encoded = Effect.orDie(Schema.encodeEffect(schema)(identities[name]))
    return Effect.map(encoded, (identity) => [toolchain.name, identity] as const)
  })

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, Disk.layer)

/**
 * Runs `stage` with the given inputs and gives its outputs. Its folders are removed when the scope closes.
 *
 * Fails as the stage does, with `StageFailure` or `ArtifactError`; an output that was not written is an `ArtifactError`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import { Artifact, Stage } from "op-pipe"
 * import { runStage } from "op-pipe/testing"
 *
 * const Words = Artifact.json({ tag: "Words/v1", path: "words.json", schema: Schema.Array(Schema.String) })
 * const Count = Artifact.json({ tag: "Count/v1", path: "count.json", schema: Schema.Int })
 * const count = Stage.make({
 *   name: "count",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { words: Words },
 *   output: { count: Count },
 *   run: ({ inputs, output }) => Effect.flatMap(inputs.words.read, (words) => output.count.write(words.length))
 * })
 *
 * const { output } = await Effect.runPromise(
 *   Effect.scoped(runStage(count, { inputs: { words: { value: ["a", "b"] } } }))
 * )
 * console.log(output.count) // 2
 * ```
 */
export const runStage = <S extends Stage.Module>(
  stage: S,
  options: RunStageOptions<S>
): Effect.Effect<StageRun<S>, Stage.Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "op-pipe-stage-" }))
    const placed = yield* placeAll(stage.inputs, options.inputs, path.join(folder, "inputs"))
    const [outputDir, workdir] = [path.join(folder, "outputs"), path.join(folder, "scratch")]
    for (const each of [outputDir, workdir]) yield* Effect.orDie(fs.makeDirectory(each))
    const work = {
      type: "module",
      stage: stage.name,
      source: stage.source,
      modules: [],
      packages: [],
      declared: linesOf(stage),
      spawns: stage.spawns,
      params: (options.params ?? {}) as Readonly<Record<string, unknown>>,
      toolchain: Object.fromEntries(yield* encodeIdentities(stage, options.toolchain ?? {})),
      toolchainsDir: path.join(folder, "toolchains")
    } as const
    const checkpoint = path.join(folder, "checkpoint")
    const cores = options.cores ?? availableParallelism()
    const log = path.join(folder, "log.txt")
    const about = {
      step: stage.name,
      project: folder,
      places: {},
      absent: [],
      reached: [],
      ignored: [],
      passEnv: [],
      secrets: [],
      log
    }
    const task: StepTask = { ...about, ...placed, work, outputDir, workdir, checkpoint, cores, gpus: null }
    const progress: Array<Stage.Progress> = []
    const notices: Array<string> = []
    yield* TaskRun.run(task, work, () => Promise.resolve({ stage }), {
      progress: (each) => Effect.sync(() => void progress.push(each)),
      notice: (each) => Effect.sync(() => void notices.push(each))
    })
    const taken = yield* Effect.forEach(Object.entries(stage.output as Stage.Artifacts), ([name, artifact]) =>
      Effect.map(take(artifact, outputDir), (value) => [name, value] as const)
    )
    return { output: Object.fromEntries(taken), progress, notices } as unknown as StageRun<S>
  }).pipe(Effect.provide(platform))
