/**
 * The `webgpu` engine: TensorFlow.js's WebGPU backend on Dawn (npm `webgpu`), for any vendor's GPU without CUDA. Both
 * packages are optional.
 *
 * Gotchas, all found in practice:
 * - the globals and `navigator.gpu` must exist before the backend is imported;
 * - the backend is registered here, with the adapter's full limits: the package's own factory crashes without an
 *   adapter;
 * - WebGPU's errors do not throw. They are collected (`onuncapturederror`, `lost`) and raised after each awaited read,
 *   and the largest buffer is compared with the limits before anything runs;
 * - split-K matrix products add in an order that changes from run to run, so another program is chosen;
 * - of equal values under a max-pool window the last gets the gradient (the other engines: the first).
 */
import { execFile } from "node:child_process"
import { createRequire } from "node:module"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type { Engine } from "./Engine.ts"
import { EngineError, type EngineIdentity, EngineOutOfMemory, messageOf } from "./Identity.ts"
import { findPackage, type InstalledPackage } from "./Packages.ts"
import type { ProgramOptions } from "./Program.ts"
import type { Tf } from "./tf/Ops.ts"
import { TfProgram } from "./tf/TfProgram.ts"

const dawnName = "webgpu"
const backendPackage = "@tensorflow/tfjs-backend-webgpu"

const problem = (expected: string, actual: string, toDo: string, cause?: unknown): EngineError =>
  new EngineError({ engine: "webgpu", expected, actual, toDo, ...(cause === undefined ? {} : { cause }) })

// types of WebGPU and of the backend, as far as they are used; neither package is a dependency
interface Limits {
  readonly maxBufferSize: number
  readonly maxStorageBufferBindingSize: number
  readonly maxComputeWorkgroupStorageSize: number
  readonly maxComputeWorkgroupsPerDimension: number
  readonly maxComputeWorkgroupSizeX: number
  readonly maxComputeInvocationsPerWorkgroup: number
}
interface AdapterInfo {
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
}
interface Device {
  onuncapturederror: ((event: { readonly error: { readonly message: string } }) => void) | null
  readonly lost: Promise<{ readonly message: string }>
}
interface Adapter {
  readonly info: AdapterInfo
  readonly limits: Limits
  readonly requestDevice: (descriptor: { readonly requiredLimits: Partial<Limits> }) => Promise<Device>
}
interface Gpu {
  readonly requestAdapter: (options: { readonly powerPreference: "high-performance" }) => Promise<Adapter | null>
}
interface Dawn {
  readonly create: (flags: ReadonlyArray<string>) => Gpu
  readonly globals: Readonly<Record<string, unknown>>
}
interface BackendModule {
  readonly WebGPUBackend: new (device: Device, info: AdapterInfo) => ReturnType<Tf["backend"]>
}

interface Packages {
  readonly dawn: InstalledPackage
  readonly backend: InstalledPackage
}

const findPackages = (): Effect.Effect<Packages, EngineError> =>
  Effect.suspend(() => {
    const dawn = findPackage(dawnName)
    const backend = findPackage(backendPackage)
    if (dawn !== undefined && backend !== undefined) return Effect.succeed({ dawn, backend })
    const missing = [dawn === undefined ? dawnName : "", backend === undefined ? backendPackage : ""].filter(
      (n) => n !== ""
    )
    const toDo = `Run \`npm install webgpu@0.6.2 ${backendPackage}@4\`.`
    return Effect.fail(
      problem(`the packages ${dawnName} and ${backendPackage}`, `${missing.join(" and ")} not installed`, toDo)
    )
  })

/** Versions of the two packages, or what is missing. */
export const findWebgpu = (): Effect.Effect<Readonly<Record<string, string>>, EngineError> =>
  Effect.map(findPackages(), ({ dawn, backend }) => ({ [dawn.name]: dawn.version, [backend.name]: backend.version }))

const noAdapter = (actual: string, cause?: unknown): EngineError => {
  const toDo = "Install the GPU's Vulkan driver (or point VK_DRIVER_FILES to a software one, for tests)."
  return problem("a WebGPU adapter", actual, toDo, cause)
}

const dawnModule = (dawn: InstalledPackage): string => pathToFileURL(path.join(dawn.folder, "index.js")).href

/** Requests the adapter in a process of its own: a driver's crash must not end the command line. */
const askAdapter = async (dawn: InstalledPackage): Promise<AdapterInfo> => {
  const script = `
    const { create, globals } = await import(${JSON.stringify(dawnModule(dawn))})
    Object.assign(globalThis, globals)
    const adapter = await create([]).requestAdapter({ powerPreference: "high-performance" })
    const { vendor, architecture, device, description } = adapter?.info ?? {}
    console.log(JSON.stringify(adapter === null ? null : { vendor, architecture, device, description }))
    process.exit(0)`
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    timeout: 30_000
  })
  const info = JSON.parse(stdout) as AdapterInfo | null
  if (info === null) throw noAdapter("Dawn finds none")
  return info
}

const deviceName = (info: AdapterInfo): string =>
  [info.vendor, info.architecture, info.description].filter((part) => part !== "").join(", ") || "unnamed adapter"

const versionOf = ({ dawn, backend }: Packages): string => `${backend.version}, dawn ${dawn.version}`

export const identifyWebgpu = Effect.fnUntraced(function* () {
  const packages = yield* findPackages()
  const info = yield* Effect.tryPromise({
    try: () => askAdapter(packages.dawn),
    catch: (cause) => (cause instanceof EngineError ? cause : noAdapter(messageOf(cause), cause))
  })
  const identity: EngineIdentity = {
    name: "webgpu",
    library: "tfjs-backend-webgpu",
    version: versionOf(packages),
    device: deviceName(info),
    threads: 1,
    precision: "fp32",
    addon: null
  }
  return identity
})

/** Bytes of the largest single buffer that a training step needs. */
export const largestBufferBytes = ({ shape, batchSize }: ProgramOptions): number =>
  4 *
  Math.max(
    batchSize * shape.size * shape.size * shape.channels,
    ...shape.blocks.map((block) =>
      block.kind === "conv" ? batchSize * block.convSize * block.convSize * block.filters : block.inputs * block.units
    )
  )

const checkLimits = (options: ProgramOptions, limits: Limits): void => {
  const requestedBytes = largestBufferBytes(options)
  const availableBytes = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize)
  if (requestedBytes <= availableBytes) return
  throw new EngineOutOfMemory({ engine: "webgpu", purpose: "the largest tensor", requestedBytes, availableBytes })
}

interface Opened {
  readonly tf: Tf
  readonly limits: Limits
  readonly info: AdapterInfo
  readonly check: () => void
}

const start = async ({ dawn, backend }: Packages): Promise<Opened> => {
  // loaded by path, not by name: Dawn's version is in the engine's identity, not in its code
  const { create, globals } = createRequire(path.join(dawn.folder, "package.json"))("./index.js") as Dawn
  Object.assign(globalThis, globals)
  const gpu = create([])
  // Node's own navigator has no gpu, and cannot be assigned to
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true })
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" })
  if (adapter === null) throw noAdapter("Dawn finds none")
  const { limits, info } = adapter
  const device = await adapter.requestDevice({
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup
    }
  })
  const errors: Array<string> = []
  device.onuncapturederror = (event) => void errors.push(event.error.message)
  void device.lost.then((reason) => errors.push(`the device was lost: ${reason.message}`))
  const load = createRequire(path.join(backend.folder, "package.json"))
  // the instance of tfjs-core that the backend registers its kernels with
  const tf = load("@tensorflow/tfjs-core") as Tf
  const { WebGPUBackend } = load(backend.folder) as BackendModule
  tf.removeBackend("webgpu")
  tf.registerBackend("webgpu", () => new WebGPUBackend(device, info))
  tf.enableProdMode()
  await tf.setBackend("webgpu")
  await tf.ready()
  tf.env().set("WEBGPU_MATMUL_PROGRAM_TYPE", 3)
  const check = (): void => {
    const [first] = errors.splice(0)
    if (first !== undefined)
      throw problem("the GPU to compute without an error", first, "Take a smaller batch, or `--engine native`.")
  }
  return { tf, limits, info, check }
}

let opened: Promise<Opened> | undefined

export const openWebgpu = async (identity: EngineIdentity): Promise<Engine> => {
  const packages = await Effect.runPromise(findPackages())
  opened ??= start(packages)
  const { tf, limits, info, check } = await opened
  const [version, device] = [versionOf(packages), deviceName(info)]
  if (version !== identity.version || device !== identity.device) {
    const toDo = "Run the command again: the engine changed since it was identified."
    throw problem(`${identity.version} on ${identity.device}`, `it is ${version} on ${device}`, toDo)
  }
  return {
    identity,
    program: (options) =>
      Effect.try({
        try: () => {
          checkLimits(options, limits)
          return new TfProgram(tf, options, check)
        },
        catch: (cause) =>
          cause instanceof EngineOutOfMemory
            ? cause
            : problem("the network to be built", messageOf(cause), "Use `--engine native`.", cause)
      })
  }
}
