/** Match: which entries of a folder are meant, and by what names, as a pattern with one star. */
import { DeclarationError } from "../Names.ts"

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/gu, "\\$&")

/** The name of the entry at a path; undefined of one that does not match. */
export type Matcher = (path: string) => string | undefined

/**
 * The matcher of a pattern such as `*.txt`, `*` + `/reads.fq` or `** /*.txt`: `*` stands for a name or a part of one, `**` for
 * names with slashes between them. What the star stands for is the entry's name. Neither stands for what begins with a dot.
 *
 * Throws `DeclarationError` for a pattern without a star or with several, or one that leads out of the folder.
 */
export const matcher = (pattern: string): Matcher => {
  const stars = pattern.match(/\*+/gu) ?? []
  const isWithin = pattern.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  if (stars.length !== 1 || stars[0]!.length > 2 || !isWithin) {
    throw new DeclarationError(
      `match: expected a path with one * or one ** in it, such as "*.txt", but found ${JSON.stringify(pattern)}`
    )
  }
  const star = stars[0]!
  const [before = "", after = ""] = pattern.split(star)
  const isStart = before === "" || before.endsWith("/")
  const part = isStart ? "(?!\\.)[^/]+?" : "[^/]+?"
  const name = star === "*" ? part : `${part}(?:/(?!\\.)[^/]+?)*?`
  const whole = new RegExp(`^${escaped(before)}(${name})${escaped(after)}$`, "su")
  return (path) => whole.exec(path)?.[1]
}
