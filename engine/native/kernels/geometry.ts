/** A convolution's geometry in the order of src/onednn.cpp. */
import type { backend_util } from "@tensorflow/tfjs-core"

/** Null when oneDNN is not used for it: another data format than NHWC, groups, or an empty tensor. */
export const geometryOf = (info: backend_util.Conv2DInfo): Int32Array | null => {
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
    // what the output's size needs, which with rounding down may be less than what was asked for, or negative
    (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight - inHeight - padInfo.top,
    (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth - inWidth - padInfo.left,
    info.dilationHeight,
    info.dilationWidth
  ]
  const sizes = values.slice(0, 9)
  return sizes.every((v) => v > 0) ? Int32Array.from(values) : null
}
