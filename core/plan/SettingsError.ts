/** SettingsError: a setting or name that does not fit the pipeline, with what was expected and what may have been meant. */

import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as CanonicalJson from "../../cache/identity/CanonicalJson.ts"

/** Longer than any path. */
const tooLong = /[^\s"]{5000,}/gu

/** What somebody typed, as it is told: nothing in quotes, and of what fills the screen the beginning. */
const given = (text: string): string => {
  const seen = text.replace(tooLong, (word) => `${word.slice(0, 60)}... (${word.length} characters)`)
  return seen === "" || seen.endsWith(" ") ? `${seen}""` : seen
}

/** A setting or name does not fit the pipeline. */
export class SettingsError extends Schema.TaggedError<SettingsError>()("SettingsError", {
  asked: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  readonly fault = "input"

  override get message(): string {
    return `${given(this.asked)}: expected ${this.expected}, but found ${given(this.actual)}`
  }
}

/** How many single characters must be changed, added, removed or swapped with the next one to get from `a` to `b`. */
const distance = (a: string, b: string): number => {
  let [older, before]: [Array<number>, Array<number>] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = before[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(before[j]! + 1, row[j - 1]! + 1, replaced, isSwapped ? older[j - 2]! + 1 : replaced))
    }
    ;[older, before] = [before, row]
  }
  return before[b.length]!
}

/** The name among `names` that `text` is probably a misspelling of. */
export const nearest = (text: string, names: ReadonlyArray<string>): string | undefined => {
  const ranked = names
    .map((name) => [distance(text.toLowerCase(), name.toLowerCase()), name] as const)
    .sort(([a], [b]) => a - b)
  const [first] = ranked
  return first !== undefined && first[0] <= Math.max(1, Math.floor(text.length / 3)) ? first[1] : undefined
}

/** The error for `text`, which is none of `names`; `kind` says what these are. */
export const unknownName = (asked: string, kind: string, names: ReadonlyArray<string>, text: string): SettingsError => {
  const meant = nearest(text, names)
  return new SettingsError({
    asked,
    expected: names.length === 0 ? `none, since the pipeline has no ${kind}` : `one of the ${kind} ${names.join(", ")}`,
    actual: `"${text}"${meant === undefined ? "" : `. Did you mean "${meant}"?`}`
  })
}

const articles: Readonly<Record<string, string>> = {
  number: "a number",
  string: "a text",
  boolean: "true or false",
  object: "an object"
}
/** What a Schema says of a name that it does not have. */
const excess = "Expected no excess property"

/** `Expected number`, as a Schema says it, in words that go on with "but found". */
const expectedIn = (message: string): string => {
  if (message === "Missing key") return "a value"
  if (message === excess) return "nothing of this name"
  const text = message.replace(/^Expected /u, "")
  const choices = text.split(" | ")
  if (choices.length > 2) return `one of ${choices.join(", ")}`
  return articles[text] ?? choices.join(" or ")
}

const valueAt = (value: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>((at, key) => (at as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key], value)

/** A value as JSON; of what JSON cannot write, or writes as something else, what it is. */
const written = (value: unknown): string =>
  Result.match(CanonicalJson.encode(value), {
    onSuccess: () => JSON.stringify(value),
    onFailure: ({ actual }) => actual
  })

/** The error for parameters of `name` that its Schema does not accept. */
export const misfit = (name: string, given: unknown, error: Schema.SchemaError): SettingsError => {
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(error.issue)
  const [first, ...others] = issues.map((each) => {
    const path = (each.path ?? []).map((part) => (typeof part === "object" ? part.key : part))
    const found = valueAt(given, path)
    return {
      asked: [name, ...path].map(String).join("."),
      expected: expectedIn(each.message),
      // what nobody asked for may be a password that was put in the wrong place
      actual: found === undefined ? "none" : each.message === excess ? "a value" : written(found)
    }
  })
  const more = others.map(({ asked, expected, actual }) => `; ${asked}: expected ${expected}, but found ${actual}`)
  const { asked, expected, actual } = first ?? { asked: name, expected: "other parameters", actual: error.message }
  return new SettingsError({ asked, expected, actual: `${actual}${more.join("")}` })
}
