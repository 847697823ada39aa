/**
 * The `cpu` engine: TensorFlow.js's own plain JavaScript. Always available, correct, and some hundred times slower than
 * `native`: for tiny runs, and as the reference in tests.
 */

import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import type { Engine } from "./Engine.ts"
import { EngineError, type EngineIdentity } from "./Identity.ts"
import { openTfProgram } from "./tf/OpenTfProgram.ts"

export const openCpu = async (identity: EngineIdentity): Promise<Engine> => {
  if (tf.findBackend("cpu") === null) tf.registerBackend("cpu", () => new MathBackendCPU())
  if (tf.version_core !== identity.version) {
    throw new EngineError({
      engine: "cpu",
      expected: `tfjs ${identity.version}`,
      actual: `tfjs ${tf.version_core} is installed`,
      toDo: "Run the command again: the engine changed since it was identified."
    })
  }
  // no advice on the console to install tfjs-node
  tf.enableProdMode()
  await tf.setBackend("cpu")
  return {
    identity,
    program: (options) => openTfProgram("cpu", tf, options)
  }
}
