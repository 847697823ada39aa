/**
 * From parameters to the identity of an engine. Fast when the addon is built: it reads the addon's sources and some
 * file times, and loads neither TensorFlow.js nor the addon.
 *
 * Gotchas: `auto` takes native, else tensorflow, else cpu, and says through `notify` what is missing and what it costs.
 * An engine that is chosen by name is used or fails; there is no fallback.
 */
import * as Effect from "effect/Effect"
import { EngineError, type EngineIdentity, type EngineParams } from "./Identity.ts"
import * as Addon from "./native/Addon.ts"
import { findPackage } from "./Packages.ts"
import { processor } from "./Processor.ts"
import { identifyTensorflow } from "./Tensorflow.ts"
import { identifyWebgpu } from "./Webgpu.ts"

export interface IdentifyOptions {
  /** How many cores the run may use. */
  readonly cores: number
  /** A folder for what is built. */
  readonly cacheDir: string
  /** Prints a line of progress. */
  readonly notify: (line: string) => void
}

/** Bumped when kernels change results in a way that their sources do not show. */
const nativeVersion = "1"

const threadsOf = (params: EngineParams, options: IdentifyOptions): number =>
  params.threads > 0 ? params.threads : Math.max(1, options.cores)

const identifyNative = Effect.fnUntraced(function* (params: EngineParams, options: IdentifyOptions) {
  if (process.platform === "win32") {
    return yield* new EngineError({
      engine: "native",
      expected: "Linux or macOS",
      actual: "this is Windows",
      toDo: "Use WSL, or `--engine cpu`."
    })
  }
  const location = Addon.locate(options.cacheDir)
  yield* Addon.build(location, options.notify)
  const found = processor()
  const isa = found?.isa ?? Addon.load(location.binary).info().isa
  if (params.precision === "bf16" && found?.bf16 !== true) {
    return yield* new EngineError({
      engine: "native",
      expected: "a processor with AVX-512 BF16 for precision bf16",
      actual: `this one has ${isa} without it`,
      toDo: "Use `--set engine.precision=fp32`."
    })
  }
  const identity: EngineIdentity = {
    name: "native",
    library: location.oneDnn === undefined ? "op-pipe kernels" : "op-pipe kernels and oneDNN",
    version: location.oneDnn === undefined ? nativeVersion : `${nativeVersion}, oneDNN ${location.oneDnn.version}`,
    device: `${isa} ${found?.vendor ?? process.arch}`,
    threads: null,
    precision: params.precision,
    addon: Addon.identityDigest(location)
  }
  return identity
})

const identifyCpu = Effect.fnUntraced(function* () {
  const found = findPackage("@tensorflow/tfjs-core")
  if (found === undefined) {
    return yield* new EngineError({
      engine: "cpu",
      expected: "the package @tensorflow/tfjs-core",
      actual: "it is not installed",
      toDo: "Run `npm install` again."
    })
  }
  const identity: EngineIdentity = {
    name: "cpu",
    library: "tfjs-backend-cpu",
    version: found.version,
    device: "javascript",
    threads: 1,
    precision: "fp32",
    addon: null
  }
  return identity
})

const fp32Only = (params: EngineParams, engine: string): Effect.Effect<void, EngineError> =>
  params.precision === "fp32"
    ? Effect.void
    : Effect.fail(
        new EngineError({
          engine,
          expected: "precision fp32",
          actual: `${params.precision} was asked for`,
          toDo: "Use `--engine native` for bf16, or `--set engine.precision=fp32`."
        })
      )

const automatic = Effect.fnUntraced(function* (params: EngineParams, options: IdentifyOptions) {
  const native = yield* Effect.result(identifyNative(params, options))
  if (native._tag === "Success") return native.success
  options.notify(`The native engine is not available: ${native.failure.actual}. ${native.failure.toDo}`)
  yield* fp32Only(params, "auto")
  const tensorflow = yield* Effect.result(identifyTensorflow(threadsOf(params, options)))
  if (tensorflow._tag === "Success") {
    options.notify(`Using ${tensorflow.success.library} instead.`)
    return tensorflow.success
  }
  options.notify(
    "Using plain JavaScript instead: about one to two images per second at 224 px, some hundred times slower than native " +
      "(hours for the quick profile, days for the seed profile)."
  )
  return yield* identifyCpu()
})

/**
 * The identity of the engine for these parameters. May build the addon on first use; fails when the engine is not
 * available.
 */
export const identify = (
  params: EngineParams,
  options: IdentifyOptions
): Effect.Effect<EngineIdentity, EngineError> => {
  switch (params.name) {
    case "auto":
      return automatic(params, options)
    case "native":
      return identifyNative(params, options)
    case "cpu":
      return Effect.andThen(fp32Only(params, "cpu"), identifyCpu())
    case "tensorflow":
      return Effect.andThen(fp32Only(params, "tensorflow"), identifyTensorflow(threadsOf(params, options)))
    case "webgpu":
      return Effect.andThen(fp32Only(params, "webgpu"), identifyWebgpu())
  }
}
