/** Matrix product of two matrices; batches and broadcasts go to tfjs's kernel. */
import type * as tf from "@tensorflow/tfjs-core"
import type { DnnlExports } from "../Addon.ts"
import type { NativeBackend } from "../NativeBackend.ts"
import type { NativeKernel } from "./NativeKernel.ts"

export const batchMatMul = (dnnl: DnnlExports, fallback: tf.KernelFunc): NativeKernel => ({
  kernelName: "BatchMatMul",
  kernelFunc: (args) => {
    const { a, b } = args.inputs as { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo }
    const { transposeA, transposeB } = args.attrs as unknown as tf.BatchMatMulAttrs
    const single = (t: tf.TensorInfo): boolean =>
      t.shape.slice(0, -2).every((d) => d === 1) && t.shape.every((d) => d > 0)
    if (a.shape.length !== b.shape.length || !single(a) || !single(b)) return fallback(args)
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number]
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number]
    const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA]
    const [kB, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB]
    if (k !== kB) return fallback(args)
    const backend = args.backend as NativeBackend
    const c = backend.take(m * n)
    const geometry = Int32Array.of(m, k, n, transposeA ? 1 : 0, transposeB ? 1 : 0)
    dnnl.matmul(geometry, backend.floats(a), backend.floats(b), c)
    return backend.makeTensorInfo([...a.shape.slice(0, -2), m, n], "float32", c)
  }
})
