/** Convolution, NHWC by HWIO. */

import type * as tf from "@tensorflow/tfjs-core"
import { backend_util } from "@tensorflow/tfjs-core"
import type { DnnlExports } from "../Addon.ts"
import type { NativeBackend } from "../NativeBackend.ts"
import { geometryOf } from "./geometry.ts"
import type { NativeKernel } from "./index.ts"

export const conv2D = (dnnl: DnnlExports, fallback: tf.KernelFunc): NativeKernel => ({
  kernelName: "Conv2D",
  kernelFunc: (args) => {
    const { x, filter } = args.inputs as { readonly x: tf.TensorInfo; readonly filter: tf.TensorInfo }
    const { strides, pad, dataFormat, dilations, dimRoundingMode } = args.attrs as unknown as tf.Conv2DAttrs
    const info = backend_util.computeConv2DInfo(
      x.shape as [number, number, number, number],
      filter.shape as [number, number, number, number],
      strides,
      dilations,
      pad,
      dimRoundingMode,
      false,
      backend_util.convertConv2DDataFormat(dataFormat)
    )
    const geometry = geometryOf(info)
    if (geometry === null) return fallback(args)
    const backend = args.backend as NativeBackend
    const y = backend.take(info.batchSize * info.outHeight * info.outWidth * info.outChannels)
    dnnl.conv(0, geometry, backend.floats(x), backend.floats(filter), y)
    return backend.makeTensorInfo(info.outShape, "float32", y)
  }
})
