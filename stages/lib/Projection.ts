/**
 * Two-dimensional maps by principal component analysis.
 *
 * The covariance of a few dozen columns is small, so its leading eigenvectors are found by power iteration with deflation.
 * The start vector is fixed and the sign is chosen so that the largest component is positive: the same rows give the same map.
 */

export interface Projection {
  /** rows x 2. */
  readonly points: Float64Array
  /** Share of the variance along each axis. */
  readonly explained: readonly [number, number]
}

const covarianceOf = (
  rows: Float32Array,
  columns: number
): { readonly covariance: Float64Array; readonly means: Float64Array } => {
  const count = rows.length / columns
  const means = new Float64Array(columns)
  for (let i = 0; i < rows.length; i++) means[i % columns]! += rows[i]! / count
  const covariance = new Float64Array(columns * columns)
  for (let row = 0; row < count; row++) {
    for (let a = 0; a < columns; a++) {
      const da = rows[row * columns + a]! - means[a]!
      for (let b = 0; b < columns; b++) {
        covariance[a * columns + b]! += (da * (rows[row * columns + b]! - means[b]!)) / count
      }
    }
  }
  return { covariance, means }
}

const norm = (v: Float64Array): number => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))

/** The leading eigenvector of a symmetric matrix and its eigenvalue. */
const leading = (matrix: Float64Array, n: number): { readonly vector: Float64Array; readonly value: number } => {
  let vector = Float64Array.from({ length: n }, (_, i) => 1 / (i + 1.5))
  let value = 0
  for (let round = 0; round < 500; round++) {
    const next = new Float64Array(n)
    for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) next[a]! += matrix[a * n + b]! * vector[b]!
    const length = norm(next)
    if (length < 1e-12) return { vector: new Float64Array(n), value: 0 }
    vector = next.map((x) => x / length)
    if (Math.abs(length - value) < 1e-10 * length) break
    value = length
  }
  const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0)
  return { vector: largest < 0 ? vector.map((x) => -x) : vector, value }
}

/** Rows (row-major, `columns` wide) onto their first two principal components. */
export const project = (rows: Float32Array, columns: number): Projection => {
  const count = rows.length / columns
  const { covariance, means } = covarianceOf(rows, columns)
  let total = 0
  for (let k = 0; k < columns; k++) total += covariance[k * columns + k]!
  const first = leading(covariance, columns)
  const deflated = covariance.map((value, i) => {
    const a = Math.floor(i / columns)
    return value - first.value * first.vector[a]! * first.vector[i % columns]!
  })
  const second = leading(deflated, columns)
  const points = new Float64Array(count * 2)
  for (let row = 0; row < count; row++) {
    for (let k = 0; k < columns; k++) {
      const centred = rows[row * columns + k]! - means[k]!
      points[row * 2]! += centred * first.vector[k]!
      points[row * 2 + 1]! += centred * second.vector[k]!
    }
  }
  const share = (value: number): number => (total <= 0 ? 0 : value / total)
  return { points, explained: [share(first.value), share(second.value)] }
}
