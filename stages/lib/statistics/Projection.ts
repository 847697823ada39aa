/**
 * Two-dimensional maps by principal component analysis.
 *
 * The leading eigenvectors of the covariance are found by power iteration; the covariance matrix, with hundreds of
 * columns, is never built. The start vector is fixed and the sign is chosen so that the largest component is positive:
 * the same rows give the same map.
 */

export interface Projection {
  /** rows x 2. */
  readonly points: Float64Array
  /** Share of the variance along each axis. */
  readonly explained: readonly [number, number]
}

const norm = (v: Float64Array): number => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))

const scaled = (v: Float64Array, factor: number): Float64Array => v.map((x) => x * factor)

/** Rows minus their mean, and the total variance. */
const centre = (rows: Float32Array, columns: number) => {
  const count = rows.length / columns
  const means = new Float64Array(columns)
  for (let i = 0; i < rows.length; i++) means[i % columns]! += rows[i]! / count
  const centred = Float64Array.from(rows, (value, i) => value - means[i % columns]!)
  return { centred, total: centred.reduce((sum, x) => sum + x * x, 0) / count }
}

/** Each row's coordinate along `v`. */
const along = (centred: Float64Array, v: Float64Array): Float64Array => {
  const columns = v.length
  const out = new Float64Array(centred.length / columns)
  for (let row = 0; row < out.length; row++) {
    let sum = 0
    for (let k = 0; k < columns; k++) sum += centred[row * columns + k]! * v[k]!
    out[row] = sum
  }
  return out
}

/** The covariance times the vector whose coordinates these are. */
const covarianceTimes = (centred: Float64Array, coordinates: Float64Array, columns: number): Float64Array => {
  const out = new Float64Array(columns)
  for (let row = 0; row < coordinates.length; row++) {
    const t = coordinates[row]! / coordinates.length
    for (let k = 0; k < columns; k++) out[k]! += centred[row * columns + k]! * t
  }
  return out
}

/** Without its part along `other`, a unit vector or zero. */
const orthogonal = (v: Float64Array, other: Float64Array): Float64Array => {
  const dot = v.reduce((sum, x, k) => sum + x * other[k]!, 0)
  return v.map((x, k) => x - dot * other[k]!)
}

interface Axis {
  /** A unit vector; zero where there is no variance left. */
  readonly vector: Float64Array
  readonly variance: number
}

/** The direction of the most variance among those orthogonal to `other`. */
const leading = (centred: Float64Array, columns: number, other: Float64Array): Axis => {
  const start = orthogonal(
    Float64Array.from({ length: columns }, (_, i) => 1 / (i + 1.5)),
    other
  )
  let vector = scaled(start, 1 / Math.max(norm(start), 1e-300))
  let variance = 0
  for (let round = 0; round < 500; round++) {
    const next = orthogonal(covarianceTimes(centred, along(centred, vector), columns), other)
    const length = norm(next)
    if (length < 1e-12) return { vector: new Float64Array(columns), variance: 0 }
    vector = scaled(next, 1 / length)
    if (Math.abs(length - variance) < 1e-10 * length) break
    variance = length
  }
  const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0)
  return { vector: scaled(vector, largest < 0 ? -1 : 1), variance }
}

/** Rows (row-major, `columns` wide) onto their first two principal components. */
export const project = (rows: Float32Array, columns: number): Projection => {
  const { centred, total } = centre(rows, columns)
  const first = leading(centred, columns, new Float64Array(columns))
  const second = leading(centred, columns, first.vector)
  const points = new Float64Array((rows.length / columns) * 2)
  for (const [k, { vector }] of [first, second].entries()) {
    for (const [row, value] of along(centred, vector).entries()) points[row * 2 + k] = value
  }
  const share = ({ variance }: Axis): number => (total <= 0 ? 0 : variance / total)
  return { points, explained: [share(first), share(second)] }
}
