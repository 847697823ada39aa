/**
 * Canonical JSON: one text for one value, whatever the order in which its keys were written.
 *
 * Keys are sorted by UTF-16 code units, there is no white space, numbers are written as ECMAScript writes them (RFC
 * 8785 does the same), `-0` is `0`. What JSON cannot represent (undefined, functions, symbols, bigints, NaN,
 * infinities, lone surrogates) is an error and never dropped: a part of a cache key that vanishes silently is a stale
 * result.
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

/** A value whose canonical text is known already; it stands in the place of that value. */
export class Written {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const refuse = (actual: string): never => {
  throw new NotCanonical({ path: [], actual })
}

/** What stands in the way of an item, with `key` added to the path that leads there. */
const below = (key: string, cause: unknown): unknown =>
  cause instanceof NotCanonical ? new NotCanonical({ path: [key, ...cause.path], actual: cause.actual }) : cause

const quote = (text: string): string =>
  text.isWellFormed() ? JSON.stringify(text) : refuse("a string with a lone surrogate")

const writeArray = (items: ReadonlyArray<unknown>): string => {
  let text = ""
  // by index, since a hole must not pass for an empty string
  for (let at = 0; at < items.length; at++) {
    try {
      text += at === 0 ? write(items[at]) : `,${write(items[at])}`
    } catch (cause) {
      throw below(String(at), cause)
    }
  }
  return `[${text}]`
}

const writeRecord = (record: Readonly<Record<string, unknown>>): string => {
  let text = ""
  for (const key of Object.keys(record).sort()) {
    const name = quote(key)
    try {
      text += text === "" ? `${name}:${write(record[key])}` : `,${name}:${write(record[key])}`
    } catch (cause) {
      throw below(key, cause)
    }
  }
  return `{${text}}`
}

const write = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return quote(value)
    case "number":
      if (!Number.isFinite(value)) return refuse(String(value))
      return Object.is(value, -0) ? "0" : String(value)
    case "boolean":
      return String(value)
    case "object":
      break
    default:
      return refuse(value === undefined ? "undefined" : `a ${typeof value}`)
  }
  if (value === null) return "null"
  if (Array.isArray(value)) return writeArray(value)
  const prototype = Object.getPrototypeOf(value) as unknown
  if (prototype === Object.prototype || prototype === null) return writeRecord(value as Record<string, unknown>)
  return value instanceof Written ? value.text : refuse(`an instance of ${value.constructor?.name ?? "a class"}`)
}

/** The canonical text of `value`, or what stands in its way. */
export const encode = (value: unknown): Result.Result<string, NotCanonical> =>
  Result.try({
    try: () => write(value),
    catch: (cause) =>
      cause instanceof NotCanonical
        ? cause
        : new NotCanonical({ path: [], actual: `something unreadable: ${String(cause)}` })
  })

/** The canonical text of a value whose type already says that it is JSON. */
export const encodeJson = (value: Json): string => write(value)
