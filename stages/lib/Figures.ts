/** Numbers as text for reports, sentences and tables. */

/** 0.6131 -> "61.3 %", with a space that does not break. */
export const percent = (value: number, digits = 1): string => `${(100 * value).toFixed(digits)}\u00a0%`

/** 0.012 -> "1.2", -0.012 -> "−1.2", with a true minus sign: differences of shares are given in points. */
export const points = (value: number): string => {
  const size = Math.abs(100 * value).toFixed(1)
  return `${value < 0 && Number(size) > 0 ? "−" : ""}${size}`
}

/** 0.012 -> "+1.2". */
export const signedPoints = (value: number): string => `${points(value).startsWith("−") ? "" : "+"}${points(value)}`

/** 0.03 -> "3", 0.012 -> "1.2": a margin. */
export const marginPoints = (value: number): string => String(Number((100 * value).toFixed(1)))

/** Three significant digits, no exponent for everyday sizes. */
export const significant = (value: number): string => {
  if (value === 0) return "0"
  const size = Math.abs(value)
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1).replace("e+", "e")
  return String(Number(value.toPrecision(3)))
}
