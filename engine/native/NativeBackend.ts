/**
 * A TensorFlow.js backend over oneDNN: tfjs's own CPU backend with its hot kernels replaced. Every operation of tfjs
 * works on it, since all tensors stay typed arrays; what has no fast path runs in JavaScript and is still right.
 *
 * Networks that the addon's own programs cover do not come here. Without oneDNN this is tfjs's `cpu` backend.
 *
 * Gotchas: large results live in reused buffers, given back in `disposeData` (fresh memory costs more than the
 * arithmetic: the kernel clears every page). So arrays that leave the backend (`read`, `readSync`) are copies, and a
 * kernel must not hand out views of its input.
 */

import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import type { DnnlExports } from "./Addon.ts"
import { kernels } from "./kernels/index.ts"

/** The name that the backend is registered under. */
export const backendName = "op-pipe-native"

/** Below this many elements an array is not worth keeping. */
const pooledFrom = 1 << 14

type Values = ReturnType<MathBackendCPU["readSync"]>

export class NativeBackend extends MathBackendCPU {
  readonly #free = new Map<number, Array<Float32Array>>()
  readonly #pooled = new WeakSet<object>()
  /** Buffers made so far; constant once every size was seen. For tests and the benchmark. */
  allocations = 0

  /** A buffer of undefined content. */
  take(size: number): Float32Array {
    if (size < pooledFrom) return new Float32Array(size)
    const reused = this.#free.get(size)?.pop()
    if (reused !== undefined) return reused
    this.allocations++
    const made = new Float32Array(size)
    this.#pooled.add(made)
    return made
  }

  /** The values of a float tensor. */
  floats(info: tf.TensorInfo): Float32Array {
    return this.data.get(info.dataId).values as Float32Array
  }

  #copyIfPooled(values: Values): Values {
    return values instanceof Float32Array && this.#pooled.has(values) ? values.slice() : values
  }

  override async read(dataId: object): Promise<Values> {
    return this.#copyIfPooled(await super.read(dataId))
  }

  override readSync(dataId: object): Values {
    return this.#copyIfPooled(super.readSync(dataId))
  }

  override disposeData(dataId: object, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined
    const released = super.disposeData(dataId, force)
    if (released && values instanceof Float32Array && this.#pooled.has(values) && !this.data.has(dataId)) {
      const list = this.#free.get(values.length)
      if (list === undefined) this.#free.set(values.length, [values])
      else list.push(values)
    }
    return released
  }
}

/** tfjs's CPU kernel of that name; the fallback for what has no fast path. */
export const cpuKernel = (name: string): tf.KernelFunc => {
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

/** TensorFlow.js with this backend current. One per process. */
export const makeTf = async (dnnl: DnnlExports | undefined, threads: number): Promise<typeof tf> => {
  if (registered === undefined) {
    const backend = new NativeBackend()
    registered = backend
    for (const config of tf.getKernelsForBackend("cpu")) tf.registerKernel({ ...config, backendName })
    tf.unregisterKernel("Slice", backendName)
    tf.registerKernel({ kernelName: "Slice", backendName, kernelFunc: sliceCopy })
    if (dnnl !== undefined) {
      dnnl.setThreads(threads)
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
