/** Floating-point operations of the seed network at 224 x 224 by the native program's phases, as dense arithmetic. */

const layers = [
  { out: 222, channels: 3, filters: 16 },
  { out: 109, channels: 16, filters: 32 },
  { out: 52, channels: 32, filters: 64 }
] as const

/**
 * For `n` images, or null for phases that are not counted. Sparse phases count as if they were dense, so that they
 * may go beyond the peak: what they leave out is what they gain.
 */
export const flopsOf = (phase: string, n: number, bn: boolean): number | null => {
  const dense = /^dense1 (forward|backward)/u.exec(phase)
  if (dense !== null) return 2 * n * 43264 * 512 * (dense[1] === "forward" ? 1 : 2)
  const conv = /^conv(\d) (forward|backward weights|backward input|backward \(dense\))/u.exec(phase)
  const layer = layers[Number(conv?.[1]) - 1]
  if (conv === null || layer === undefined) return null
  const once = 2 * n * layer.out * layer.out * layer.filters * layer.channels * 9
  if (conv[2] !== "backward (dense)") return once
  // the first layer has no input gradient; with normalization its output is computed again instead
  return conv[1] === "1" && !bn ? once : 2 * once
}
