/**
 * The engines in `op-pipe doctor`: which ones work on this machine, their versions, and how to get the others. Nothing
 * is built or loaded.
 *
 * Only the pipeline names this file: what a stage reaches is in its key, and an edit of these words must not train again.
 */
import * as os from "node:os"
import * as Effect from "effect/Effect"
import * as Addon from "./native/Addon.ts"
import { findPackage } from "./Packages.ts"
import { processor } from "./Processor.ts"
import { findTensorflow } from "./Tensorflow.ts"
import { findWebgpu } from "./Webgpu.ts"

export interface DoctorRow {
  readonly name: string
  readonly available: boolean
  /** Component -> version, for what was found. */
  readonly versions: Readonly<Record<string, string>>
  readonly detail: string
  /** Empty when nothing is missing. */
  readonly howToGet: string
}

const oneDnnHint = "oneDNN speeds up networks beyond plain stacks: `apt-get install libdnnl-dev`"

const nativeRow = (cacheDir: string): DoctorRow => {
  const location = Addon.locate(cacheDir)
  const compiler = Addon.findCompiler()
  const built = Addon.isBuilt(location)
  const found = processor()
  const detail = [
    built ? "addon built" : "addon will be built on first use",
    `instruction set ${found?.isa ?? "found when loaded"}${found?.bf16 ? " with bf16" : ""}`,
    `${os.availableParallelism()} cores`,
    compiler === undefined ? "no C++ compiler" : `compiler ${compiler}`,
    location.oneDnn === undefined ? "no oneDNN" : `oneDNN ${location.oneDnn.version} in ${location.oneDnn.library}`
  ]
  const missing = [
    ...(compiler === undefined && !built ? ["`apt-get install g++`"] : []),
    ...(location.oneDnn === undefined ? [oneDnnHint] : [])
  ]
  return {
    name: "native",
    available: process.platform !== "win32" && (built || compiler !== undefined),
    versions: location.oneDnn === undefined ? {} : { oneDNN: location.oneDnn.version },
    detail: detail.join(", "),
    howToGet: missing.join("; ")
  }
}

const cpuRow = (): DoctorRow => {
  const found = findPackage("@tensorflow/tfjs-core")
  return {
    name: "cpu",
    available: found !== undefined,
    versions: found === undefined ? {} : { tfjs: found.version },
    detail: "plain JavaScript; some hundred times slower than native",
    howToGet: found === undefined ? "`npm install`" : ""
  }
}

/** One row per engine, best first. */
export const doctor = Effect.fnUntraced(function* (options: { readonly cacheDir: string }) {
  const tensorflow = yield* Effect.result(findTensorflow())
  const webgpu = yield* Effect.result(findWebgpu())
  const rows: ReadonlyArray<DoctorRow> = [
    nativeRow(options.cacheDir),
    tensorflow._tag === "Success"
      ? {
          name: "tensorflow",
          available: true,
          versions: { [tensorflow.success.name]: tensorflow.success.version },
          detail: tensorflow.success.folder,
          howToGet: ""
        }
      : {
          name: "tensorflow",
          available: false,
          versions: {},
          detail: tensorflow.failure.actual,
          howToGet: tensorflow.failure.toDo
        },
    webgpu._tag === "Success"
      ? {
          name: "webgpu",
          available: true,
          versions: webgpu.success,
          detail: "an adapter is looked for when it is used",
          howToGet: ""
        }
      : {
          name: "webgpu",
          available: false,
          versions: {},
          detail: webgpu.failure.actual,
          howToGet: webgpu.failure.toDo
        },
    cpuRow()
  ]
  return rows
})

/** By the toolchain that is checked. */
export const checks = { engine: doctor }
