/** Convolution, NHWC by HWIO. */

import type * as tf from "@tensorflow/tfjs-core"
import type { DnnlExports } from "../Addon.ts"
import type { NativeBackend } from "../NativeBackend.ts"
import { convolutionOf } from "./geometry.ts"
import type { NativeKernel } from "./NativeKernel.ts"

export const conv2D = (dnnl: DnnlExports, fallback: tf.KernelFunc): NativeKernel => ({
  kernelName: "Conv2D",
  kernelFunc: (args) => {
    const { x, filter } = args.inputs as { readonly x: tf.TensorInfo; readonly filter: tf.TensorInfo }
    const attrs = args.attrs as unknown as tf.Conv2DAttrs
    const { info, geometry } = convolutionOf(x.shape, filter.shape, attrs, attrs.dilations)
    if (geometry === null) return fallback(args)
    const backend = args.backend as NativeBackend
    const y = backend.take(info.batchSize * info.outHeight * info.outWidth * info.outChannels)
    dnnl.conv(0, geometry, backend.floats(x), backend.floats(filter), y)
    return backend.makeTensorInfo(info.outShape, "float32", y)
  }
})
