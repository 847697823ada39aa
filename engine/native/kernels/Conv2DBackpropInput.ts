/** Gradient of a convolution with respect to its input. */

import type * as tf from "@tensorflow/tfjs-core"
import type { DnnlExports } from "../Addon.ts"
import type { NativeBackend } from "../NativeBackend.ts"
import { convolutionOf } from "./geometry.ts"
import type { NativeKernel } from "./NativeKernel.ts"

export const conv2DBackpropInput = (dnnl: DnnlExports, fallback: tf.KernelFunc): NativeKernel => ({
  kernelName: "Conv2DBackpropInput",
  kernelFunc: (args) => {
    const { dy, filter } = args.inputs as { readonly dy: tf.TensorInfo; readonly filter: tf.TensorInfo }
    const attrs = args.attrs as unknown as tf.Conv2DBackpropInputAttrs
    const { info, geometry } = convolutionOf(attrs.inputShape, filter.shape, attrs)
    if (geometry === null) return fallback(args)
    const backend = args.backend as NativeBackend
    const dx = backend.take(info.batchSize * info.inHeight * info.inWidth * info.inChannels)
    dnnl.conv(1, geometry, dx, backend.floats(filter), backend.floats(dy))
    return backend.makeTensorInfo(info.inShape, "float32", dx)
  }
})
