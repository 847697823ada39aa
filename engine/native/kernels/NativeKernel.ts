/** A kernel that replaces tfjs's own. */
import type * as tf from "@tensorflow/tfjs-core"

export interface NativeKernel {
  readonly kernelName: string
  readonly kernelFunc: tf.KernelFunc
}
