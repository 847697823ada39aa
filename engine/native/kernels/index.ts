/** The kernels that `NativeBackend` replaces, each with the tfjs kernel it falls back to. */
import type * as tf from "@tensorflow/tfjs-core"
import type { DnnlExports } from "../Addon.ts"
import { batchMatMul } from "./BatchMatMul.ts"
import { conv2D } from "./Conv2D.ts"
import { conv2DBackpropFilter } from "./Conv2DBackpropFilter.ts"
import { conv2DBackpropInput } from "./Conv2DBackpropInput.ts"
import type { NativeKernel } from "./NativeKernel.ts"

export type Fallback = (kernelName: string) => tf.KernelFunc

export const kernels = (dnnl: DnnlExports, fallback: Fallback): ReadonlyArray<NativeKernel> => [
  conv2D(dnnl, fallback("Conv2D")),
  conv2DBackpropInput(dnnl, fallback("Conv2DBackpropInput")),
  conv2DBackpropFilter(dnnl, fallback("Conv2DBackpropFilter")),
  batchMatMul(dnnl, fallback("BatchMatMul"))
]
