/**
 * Canonical JSON: one text for one value, whatever the order in which its keys were written.
 *
 * Keys are sorted by UTF-16 code units, there is no white space, numbers are written as ECMAScript writes them (RFC 8785
 * does the same), `-0` is `0`. What JSON cannot say (undefined, functions, symbols, bigints, NaN, infinities, lone
 * surrogates) is an error and never dropped: a part of a cache key that vanishes silently is a stale result.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"

/** A value that canonical JSON cannot write. `path` leads to it. */
export class NotCanonical extends Data.TaggedError("NotCanonical")<{
  readonly path: ReadonlyArray<string>
  readonly actual: string
}> {
  override get message(): string {
    return `expected a JSON value at [${this.path.join(".")}], but found ${this.actual}`
  }
}

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const refuse = (path: ReadonlyArray<string>, actual: string): never => {
  throw new NotCanonical({ path: path.slice(), actual })
}

/** The text of a value; `path` leads to it, and is as it was when this returns. */
const write = (value: unknown, path: Array<string>): string => {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? JSON.stringify(value) : refuse(path, "a string with a lone surrogate")
    case "number":
      if (!Number.isFinite(value)) return refuse(path, String(value))
      return Object.is(value, -0) ? "0" : String(value)
    case "boolean":
      return String(value)
    case "object":
      break
    default:
      return refuse(path, `a ${typeof value}`)
  }
  if (value === null) return "null"
  const part = (item: unknown, key: string): string => {
    path.push(key)
    const text = write(item, path)
    path.pop()
    return text
  }
  if (Array.isArray(value)) {
    // Array.from, since map skips holes and a hole must not pass for an empty string
    return `[${Array.from(value, (item, index) => part(item, String(index))).join(",")}]`
  }
  const prototype = Object.getPrototypeOf(value) as unknown
  if (prototype !== Object.prototype && prototype !== null) {
    return refuse(path, `an instance of ${value.constructor?.name ?? "a class"}`)
  }
  const record = value as Record<string, unknown>
  let text = ""
  for (const key of Object.keys(record).sort())
    text += `${text === "" ? "" : ","}${write(key, path)}:${part(record[key], key)}`
  return `{${text}}`
}

/** The canonical text of `value`, or what stands in its way. */
export const encode = (value: unknown): Result.Result<string, NotCanonical> =>
  Result.try({
    try: () => write(value, []),
    catch: (cause) =>
      cause instanceof NotCanonical
        ? cause
        : new NotCanonical({ path: [], actual: `something unreadable: ${String(cause)}` })
  })

/** The canonical text of a value whose type already says that it is JSON. */
export const encodeJson = (value: Json): string => write(value, [])
