/**
 * The `tensorflow` engine: TensorFlow's C library through `@tensorflow/tfjs-node-gpu`, else `@tensorflow/tfjs-node`,
 * when the user has installed one of them. Neither is a dependency: their install step downloads libtensorflow.
 *
 * Gotchas: a package may lack the library (after an install with --ignore-scripts, or offline) or CUDA; loading it
 * fails then, and the error says which is missing. TensorFlow's CPU kernels do not guarantee equal bits from run to
 * run.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { Engine } from "./Engine.ts"
import { EngineError, type EngineIdentity, messageOf } from "./Identity.ts"
import { findPackage, type InstalledPackage, requirePackage } from "./Packages.ts"
import { openTfProgram } from "./tf/OpenTfProgram.ts"
import type { Tf } from "./tf/Ops.ts"

const candidates = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const

/** tfjs 4, whose operations and layouts are the ones used here. */
const wantedMajor = 4

const install =
  "Run `npm install @tensorflow/tfjs-node-gpu` (with CUDA) or `npm install @tensorflow/tfjs-node`, and let its install script run."

const problem = (expected: string, actual: string, toDo: string, cause?: unknown): EngineError =>
  new EngineError({ engine: "tensorflow", expected, actual, toDo, ...(cause === undefined ? {} : { cause }) })

/** The first candidate that is installed, checked for its version and its native library, without loading it. */
export const findTensorflow = (
  find: (name: string) => InstalledPackage | undefined = findPackage
): Effect.Effect<InstalledPackage, EngineError> =>
  Effect.suspend(() => {
    const found = candidates.map((name) => find(name)).find((p) => p !== undefined)
    if (found === undefined) {
      return Effect.fail(problem(`one of ${candidates.join(", ")}`, "neither is installed", install))
    }
    if (Number(found.version.split(".")[0]) !== wantedMajor) {
      const toDo = `Run \`npm install ${found.name}@${wantedMajor}\`.`
      return Effect.fail(problem(`${found.name} ${wantedMajor}.x`, `version ${found.version} is installed`, toDo))
    }
    if (!fs.existsSync(path.join(found.folder, "deps", "lib")) && !fs.existsSync(path.join(found.folder, "lib"))) {
      const toDo = `Run \`npm rebuild ${found.name}\` with network access; \`--ignore-scripts\` leaves the library out.`
      return Effect.fail(problem("libtensorflow beside the package", `${found.name} ${found.version} has none`, toDo))
    }
    return Effect.succeed(found)
  })

export const identifyTensorflow = (threads: number): Effect.Effect<EngineIdentity, EngineError> =>
  Effect.map(findTensorflow(), (found) => ({
    name: "tensorflow",
    library: found.name,
    version: found.version,
    device: found.name.endsWith("gpu") ? "cuda" : "cpu",
    threads,
    precision: "fp32",
    addon: null
  }))

/** The error for a package that cannot be loaded, with a remedy. */
export const explainLoadFailure = (found: InstalledPackage, cause: unknown): EngineError => {
  const text = messageOf(cause)
  if (/libcu(da|dart|dnn|blas)|CUDA/iu.test(text)) {
    const toDo = "Install the CUDA and cuDNN versions that TensorFlow asks for, or `npm install @tensorflow/tfjs-node`."
    return problem("CUDA's libraries", text, toDo, cause)
  }
  if (/libtensorflow|tfjs_binding/iu.test(text)) {
    return problem("libtensorflow", text, `Run \`npm rebuild ${found.name}\` with network access.`, cause)
  }
  return problem(`${found.name} to load`, text, install, cause)
}

export const openTensorflow = async (identity: EngineIdentity): Promise<Engine> => {
  const found = findPackage(identity.library)
  if (found === undefined || found.version !== identity.version) {
    const actual = found === undefined ? "it is not installed" : `version ${found.version} is installed`
    throw problem(`${identity.library} ${identity.version}`, actual, "Run the command again: the engine changed.")
  }
  // TensorFlow reads these when its library is loaded
  process.env["TF_NUM_INTRAOP_THREADS"] ??= String(identity.threads)
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2"
  let tf: Tf
  try {
    tf = requirePackage(found) as Tf
    await tf.setBackend("tensorflow")
    await tf.ready()
  } catch (cause) {
    throw explainLoadFailure(found, cause)
  }
  return {
    identity,
    program: (options) => openTfProgram("tensorflow", tf, options)
  }
}
