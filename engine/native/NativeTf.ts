/**
 * TensorFlow.js over oneDNN: tfjs's own CPU backend with its hot kernels replaced. Every operation of tfjs works on it,
 * since all tensors stay typed arrays; operations without a fast path run in JavaScript.
 *
 * Networks that the addon's own programs cover do not use it. Without oneDNN this is tfjs's `cpu` backend.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { DnnlExports } from "./Addon.ts"
import { kernels } from "./kernels/index.ts"
import { NativeBackend } from "./NativeBackend.ts"

/** The name that the backend is registered under. */
export const backendName = "op-pipe-native"

/** tfjs's CPU kernel of that name; the fallback for what has no fast path. */
const cpuKernel = (name: string): tf.KernelFunc => {
  const found = tf.getKernel(name, "cpu")
  if (found === undefined) throw new Error(`tfjs has no cpu kernel ${name}`)
  return found.kernelFunc
}

/** `Slice` of tfjs may be a view of its input, which a reused buffer must not have. */
const sliceCopy: tf.KernelFunc = (args) => {
  const out = cpuKernel("Slice")(args) as tf.TensorInfo
  const backend = args.backend as NativeBackend
  const data = backend.data.get(out.dataId)
  if (data.values instanceof Float32Array) data.values = data.values.slice()
  return out
}

let registered: NativeBackend | undefined

/**
 * TensorFlow.js with this backend current. One per process.
 *
 * oneDNN has one thread: its sums depend on their number, and the engine's identity, which is the same for every network,
 * leaves that out.
 */
export const makeTf = async (dnnl: DnnlExports | undefined): Promise<typeof tf> => {
  if (registered === undefined) {
    const backend = new NativeBackend()
    registered = backend
    for (const config of tf.getKernelsForBackend("cpu")) tf.registerKernel({ ...config, backendName })
    tf.unregisterKernel("Slice", backendName)
    tf.registerKernel({ kernelName: "Slice", backendName, kernelFunc: sliceCopy })
    if (dnnl !== undefined) {
      dnnl.setThreads(1)
      for (const { kernelName, kernelFunc } of kernels(dnnl, cpuKernel)) {
        tf.unregisterKernel(kernelName, backendName)
        tf.registerKernel({ kernelName, backendName, kernelFunc })
      }
    }
    tf.registerBackend(backendName, () => backend)
  }
  tf.enableProdMode()
  await tf.setBackend(backendName)
  return tf
}
