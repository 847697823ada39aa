/** Names: what a stage, a variant or a source may be called. */

/** A stage, a source or a pipeline is declared in a way that cannot work. Thrown while `pipeline.ts` is loaded. */
export class DeclarationError extends TypeError {
  override readonly name = "DeclarationError"
  readonly fault = "input"
}

/** Most file systems take 255 bytes; op-pipe puts a run's id before a step's. */
const longestName = 200

/** Most names. A pipeline may have thousands, and each is checked whenever it is loaded. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/u

/** What is wrong with a name of a folder; undefined if nothing is. */
const folderProblem = (name: string): string | undefined => {
  if (name === "") return "an empty one"
  if (name.startsWith(".")) return `${JSON.stringify(name)}, which begins with a dot`
  if (/[\\/]/u.test(name)) return `${JSON.stringify(name)}, which has a slash`
  if (/\p{Cc}|\p{Cs}/u.test(name)) return `${JSON.stringify(name)}, which has a control character`
  const { length } = new TextEncoder().encode(name)
  return length > longestName ? `one of ${length} bytes` : undefined
}

const expected = `expected a name that a folder can have: without slashes or control characters, not beginning with a dot, at most ${longestName} bytes`

/** Refuses a name that is no folder's, or has one of `reserved`, which the command line reads otherwise. */
export const checkName = (what: string, name: string, reserved = ""): void => {
  if (plainName.test(name)) return
  const problem = folderProblem(name)
  if (problem !== undefined) throw new DeclarationError(`${what}: ${expected}; but found ${problem}`)
  const found = Array.from(reserved).find((character) => name.includes(character))
  if (found === undefined) return
  const others = Array.from(reserved).join(" ")
  throw new DeclarationError(
    `${what}: expected a name without ${others}, which mean something on the command line; but found ${JSON.stringify(name)}`
  )
}
