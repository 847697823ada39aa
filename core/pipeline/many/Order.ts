/**
 * Order: the order of names, in which a step reads many. It follows from the names alone, since a key does not hold another:
 * numbers in them by their value, all else by its characters.
 */

const runsOf = (name: string): ReadonlyArray<string> => name.match(/\d+|\D+/gu) ?? []
const isNumber = (text: string): boolean => /^\d/u.test(text)

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const compareNumbers = (a: string, b: string): number => {
  const [x, y] = [a.replace(/^0+/u, ""), b.replace(/^0+/u, "")]
  return x.length - y.length || compareTexts(x, y)
}

/** Below 0 if `a` comes before `b`: `s9` before `s10`, `a` before `b`. Only equal names are equal. */
export const compare = (a: string, b: string): number => {
  const [left, right] = [runsOf(a), runsOf(b)]
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const [x, y] = [left[at]!, right[at]!]
    const found = isNumber(x) && isNumber(y) ? compareNumbers(x, y) : compareTexts(x, y)
    if (found !== 0) return found
  }
  return left.length - right.length || compareTexts(a, b)
}
