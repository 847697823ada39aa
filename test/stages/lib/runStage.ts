/** Runs a stage in this process, without the runner: params decoded, inputs read from paths, outputs below a folder. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { Stage } from "../../../core/index.ts"
import * as ArtifactIO from "../../../core/pipeline/ArtifactIO.ts"
import { inputOf } from "../../../core/pipeline/Step.ts"

export interface RunOptions {
  readonly params?: unknown
  /** Port -> where its content lies; of many `port[2]`, `port[3]`. */
  readonly inputs: Readonly<Record<string, string>>
  /** The step's output folder. */
  readonly to: string
  readonly cores?: number
  /** Identities by the toolchain's name. */
  readonly toolchain?: Readonly<Record<string, unknown>>
  readonly toolchainDir?: string
  readonly checkpoint?: Stage.Checkpoint
  readonly notice?: (text: string) => Effect.Effect<void>
}

/** Of `port[name]`, which is one of many, the path from the root on. */
const lying = (inputs: RunOptions["inputs"]): Parameters<typeof ArtifactIO.inputReader>[2] => {
  const entries: Record<string, Array<ArtifactIO.Entry>> = {}
  for (const [key, at] of Object.entries(inputs)) {
    const { input, entry } = inputOf(key)
    if (entry !== undefined) entries[input] = [...(entries[input] ?? []), { name: entry, path: at }]
  }
  return { inputs: { ...Object.fromEntries(Object.keys(entries).map((input) => [input, ""])), ...inputs }, entries }
}

/** Output paths by port. */
export const runStage = Effect.fnUntraced(function* (stage: Stage.Module, options: RunOptions) {
  const paths = yield* Path.Path
  const params: unknown = yield* Effect.orDie(Schema.decodeUnknownEffect(stage.params)(options.params ?? {}))
  const inputs = Object.fromEntries(
    Object.entries(stage.inputs as Stage.Inputs).map(([port, input]) => [
      port,
      ArtifactIO.inputReader(input, port, lying(options.inputs))
    ])
  )
  const output: Record<string, { readonly path: string }> = {}
  for (const [port, artifact] of Object.entries(stage.output as Stage.Artifacts)) {
    output[port] = yield* Effect.orDie(ArtifactIO.writer(artifact, options.to))
  }
  yield* stage.run({
    params,
    inputs,
    output,
    toolchain: options.toolchain ?? {},
    toolchainDir: (name) => options.toolchainDir ?? paths.join(options.to, ".toolchain", name),
    workdir: paths.join(options.to, ".work"),
    cores: options.cores ?? 2,
    progress: () => Effect.void,
    notice: options.notice ?? (() => Effect.void),
    checkpoint: options.checkpoint ?? { load: Effect.succeed(undefined), save: () => Effect.void }
  })
  return Object.fromEntries(Object.entries(output).map(([port, { path }]) => [port, path]))
}, Effect.scoped)
