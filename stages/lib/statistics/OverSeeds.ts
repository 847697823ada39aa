/** The mean of a difference over seeds, with its interval over seeds and test images. */
import { studentBound } from "./Statistics.ts"
import { mean, sampleDeviation } from "./Summary.ts"

export interface OverSeeds {
  /** By seed. */
  readonly values: ReadonlyArray<number>
  readonly mean: number
  readonly low95: number
  readonly high95: number
}

/**
 * Student's t over seeds, and `images`, the half width of the first seed's interval over groups of test images, added as
 * independent errors are. Of one seed, `images` alone. It ends at `most`, beyond which no difference can be.
 */
export const overSeeds = (
  values: ReadonlyArray<number>,
  images: number,
  most = Number.POSITIVE_INFINITY
): OverSeeds => {
  const count = values.length
  const seeds = count < 2 ? 0 : (studentBound(0.95, count - 1) * sampleDeviation(values)) / Math.sqrt(count)
  const [middle, half] = [mean(values), Math.hypot(seeds, images)]
  return { values, mean: middle, low95: Math.max(-most, middle - half), high95: Math.min(most, middle + half) }
}
