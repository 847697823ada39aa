/** Gradient of a convolution with respect to its weights. */

import type * as tf from "@tensorflow/tfjs-core"
import type { DnnlExports } from "../Addon.ts"
import type { NativeBackend } from "../NativeBackend.ts"
import { convolutionOf } from "./geometry.ts"
import type { NativeKernel } from "./NativeKernel.ts"

export const conv2DBackpropFilter = (dnnl: DnnlExports, fallback: tf.KernelFunc): NativeKernel => ({
  kernelName: "Conv2DBackpropFilter",
  kernelFunc: (args) => {
    const { x, dy } = args.inputs as { readonly x: tf.TensorInfo; readonly dy: tf.TensorInfo }
    const attrs = args.attrs as unknown as tf.Conv2DBackpropFilterAttrs
    const { filterShape } = attrs
    const { geometry } = convolutionOf(x.shape, filterShape, attrs)
    if (geometry === null) return fallback(args)
    const backend = args.backend as NativeBackend
    const dw = backend.take(filterShape.reduce((n, d) => n * d, 1))
    dnnl.conv(2, geometry, backend.floats(x), dw, backend.floats(dy))
    return backend.makeTensorInfo(filterShape, "float32", dw)
  }
})
