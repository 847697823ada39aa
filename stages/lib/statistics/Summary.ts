/** Summary statistics: mean, standard deviation, quantiles, median. */

/** 0 of no values. */
export const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length

/** Population standard deviation (n); 0 for fewer than two values. */
export const populationDeviation = (values: ReadonlyArray<number>): number => {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)))
}

/** Sample standard deviation (n - 1), of two values or more. */
export const sampleDeviation = (values: ReadonlyArray<number>): number => {
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}

/** The value at a fraction of sorted values, by linear interpolation (type 7 of Hyndman and Fan 1996). */
export const quantile = (sorted: ArrayLike<number>, fraction: number): number => {
  const at = (sorted.length - 1) * fraction
  const low = Math.floor(at)
  const high = Math.min(sorted.length - 1, low + 1)
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!)
}

/** 0 of no values. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  if (sorted.length === 0) return 0
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
