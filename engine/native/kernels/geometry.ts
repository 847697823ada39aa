/** A convolution's geometry in the order of src/onednn.cpp. */
import type * as tf from "@tensorflow/tfjs-core"
import { backend_util } from "@tensorflow/tfjs-core"

/** The attributes that tfjs's convolution and its two gradients have in common. */
type Attributes = Pick<tf.Conv2DAttrs, "strides" | "pad" | "dataFormat" | "dimRoundingMode">

/** A convolution of `x` with `filter`: tfjs's description, and the geometry for oneDNN. */
export interface Convolution {
  readonly info: backend_util.Conv2DInfo
  /** Null when oneDNN is not used for it: another data format than NHWC, groups, or an empty tensor. */
  readonly geometry: Int32Array | null
}

const geometryOf = (info: backend_util.Conv2DInfo): Int32Array | null => {
  const { batchSize, inHeight, inWidth, inChannels, outChannels, padInfo } = info
  if (info.dataFormat !== "channelsLast" || info.filterShape[2] !== inChannels) return null
  const values = [
    batchSize,
    inHeight,
    inWidth,
    inChannels,
    outChannels,
    info.filterHeight,
    info.filterWidth,
    info.outHeight,
    info.outWidth,
    info.strideHeight,
    info.strideWidth,
    padInfo.top,
    padInfo.left,
    // the padding that the output's size needs; with rounding down it may be less than requested, or negative
    (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight - inHeight - padInfo.top,
    (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth - inWidth - padInfo.left,
    info.dilationHeight,
    info.dilationWidth
  ]
  const sizes = values.slice(0, 9)
  return sizes.every((v) => v > 0) ? Int32Array.from(values) : null
}

/** The convolution of tensors of these shapes. */
export const convolutionOf = (
  x: ReadonlyArray<number>,
  filter: ReadonlyArray<number>,
  { strides, pad, dataFormat, dimRoundingMode }: Attributes,
  dilations: tf.Conv2DAttrs["dilations"] = 1
): Convolution => {
  const info = backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations,
    pad,
    dimRoundingMode,
    false,
    backend_util.convertConv2DDataFormat(dataFormat)
  )
  return { info, geometry: geometryOf(info) }
}
