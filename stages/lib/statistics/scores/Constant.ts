/** The best answer that is always the same. */
import type { Constant } from "../../../../schemas/Compare.ts"

/** The most frequent class of the test split; the first of equals. */
export const constantOf = (labels: Int32Array, classes: ReadonlyArray<string>): Constant => {
  const counts = classes.map((_, k) => labels.filter((label) => label === k).length)
  const best = counts.indexOf(Math.max(...counts))
  return { class: classes[best]!, share: counts[best]! / Math.max(1, labels.length) }
}
