/**
 * The memory of the TensorFlow.js backend over oneDNN: tfjs's own CPU backend, whose large results live in reused
 * buffers. `NativeTf` registers the fast kernels.
 *
 * Gotchas: buffers are given back in `disposeData` (fresh memory costs more than the arithmetic: the operating system
 * clears every page). So arrays that leave the backend (`read`, `readSync`) are copies, and a kernel must not hand out
 * views of its input.
 */

import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu"
import type * as tf from "@tensorflow/tfjs-core"

/** Arrays with fewer elements are not kept. */
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
