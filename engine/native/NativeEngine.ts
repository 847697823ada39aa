/**
 * The `native` engine: the addon's own training programs where they cover the network, else TensorFlow.js on
 * `NativeBackend`.
 */
import * as Effect from "effect/Effect"
import type { Engine, OpenOptions } from "../Engine.ts"
import { EngineError, type EngineIdentity, EngineOutOfMemory, messageOf } from "../Identity.ts"
import type { Program, ProgramOptions } from "../Program.ts"
import * as Addon from "./Addon.ts"
import { makeNativeProgram, unsupported } from "./NativeProgram.ts"

const changed = (expected: string, actual: string): EngineError =>
  new EngineError({
    engine: "native",
    expected,
    actual,
    toDo: "Run the command again: the engine changed since it was identified."
  })

/** The cost was measured with max pooling of 3 x 3 when it was such a layer: 66 images a second where 2 x 2 had 1,832. */
const slow = (layer: string): string =>
  `The native engine has no kernels of its own for ${layer}: the network runs one operation at a time, some 30 times ` +
  "slower than others of its size. Choose another layer, or train fewer epochs."

const makeProgram = async (
  binary: string,
  { identity, threads }: Pick<Engine, "identity"> & Pick<OpenOptions, "threads">,
  options: ProgramOptions
): Promise<Program> => {
  const other = unsupported(options.shape, identity.precision)
  if (other === undefined) return makeNativeProgram(Addon.load(binary), options, threads, identity.precision)
  if (identity.precision !== "fp32") {
    throw new EngineError({
      engine: "native",
      expected: "convolutions of stride 1 with 2 x 2 max pooling, and dense layers, for bf16",
      actual: `the network has ${other}`,
      toDo: "Use `--set engine.precision=fp32`."
    })
  }
  const { makeTf } = await import("./NativeTf.ts")
  const { TfProgram } = await import("../tf/TfProgram.ts")
  const program = new TfProgram(await makeTf(Addon.loadDnnl(binary)), options)
  return Object.assign(program, { notice: slow(other) })
}

export const openNative = (identity: EngineIdentity, { cacheDir, threads }: OpenOptions): Engine => {
  const binary = Addon.findBuilt(cacheDir, identity.addon ?? "")
  if (binary === undefined) throw changed(`the addon ${identity.addon}`, "it is not in the cache folder")
  const { isa } = Addon.load(binary).info()
  if (isa !== identity.device.split(" ")[0]) throw changed(`a processor with ${identity.device}`, `this one has ${isa}`)
  return {
    identity,
    program: (options) =>
      Effect.tryPromise({
        try: () => makeProgram(binary, { identity, threads }, options),
        catch: (cause) =>
          cause instanceof EngineError || cause instanceof EngineOutOfMemory
            ? cause
            : new EngineError({
                engine: "native",
                expected: "the network to be built",
                actual: messageOf(cause),
                toDo: "Run `op-pipe doctor`.",
                cause
              })
      })
  }
}
