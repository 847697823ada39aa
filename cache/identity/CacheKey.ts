/**
 * CacheKey: the name of a result before it is known, made of everything that can change it.
 *
 * The ingredients are kept with the result, so that a later run can say which of them differs. Inputs count by what
 * they are and not by the step that made them: an upstream step that runs again and gives the same bytes changes
 * nothing here. Times, hosts, attempts and paths on disk do not count.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "./CanonicalJson.ts"
import * as Digest from "./Digest.ts"
import { few } from "./Shown.ts"

/** A part of a key has no canonical text, so there is no key. */
export class KeyUnknown extends Schema.TaggedError<KeyUnknown>()("KeyUnknown", {
  step: Schema.String,
  reason: Schema.String
}) {
  readonly fault = "input"

  override get message(): string {
    return `could not compute the cache key of ${this.step}: ${this.reason}`
  }
}

/** The entry, among a module's statements, for the order of those that are evaluated in sequence. */
export const orderOfStatements = "the order of statements"

/** Module (relative to its package) -> top-level statement -> digest; package -> version. */
export interface Code {
  readonly modules: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly packages: Readonly<Record<string, string>>
}

const isRecordOf = <A>(value: unknown, isValue: (each: unknown) => each is A): value is Record<string, A> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  const record = value as Readonly<Record<string, unknown>>
  for (const key in record) if (!isValue(record[key])) return false
  return true
}
const isString = (value: unknown): value is string => typeof value === "string"
const isModule = (value: unknown): value is Record<string, string> => isRecordOf(value, isString)

/** Whether a value that was parsed from JSON is an object. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What a result was made from. */
export interface Ingredients {
  readonly stage: string
  readonly code: Code
  /** Decoded and encoded again, so that a default and the same value written out are one. */
  readonly params: Readonly<Record<string, unknown>>
  readonly inputs: Readonly<Record<string, Digest.Digest>>
  readonly toolchain: Readonly<Record<string, unknown>>
  /**
   * Where native code, the classes of characters, the words of a language and time zones come from: Node's major
   * version, the tables that it was built with, the platform, the processor's architecture.
   */
  readonly runtime: Readonly<Record<string, string>>
  /** By name, the digest of each program that the stage names; absent where it names none. */
  readonly programs?: Readonly<Record<string, Digest.Digest>>
}

/** Checked by hand and not by a Schema: every run reads every result, and each holds thousands of these texts. */
export const isIngredients = (value: unknown): value is Ingredients => {
  if (!isRecord(value)) return false
  const { stage, code, params, inputs, toolchain, runtime, programs } = value
  return (
    isString(stage) &&
    isRecord(code) &&
    isRecordOf(code["modules"], isModule) &&
    isModule(code["packages"]) &&
    isRecord(params) &&
    isRecordOf(inputs, Digest.isDigest) &&
    isRecord(toolchain) &&
    isRecordOf(runtime, isString) &&
    isString(runtime["node"]) &&
    isString(runtime["platform"]) &&
    (programs === undefined || isRecordOf(programs, Digest.isDigest))
  )
}

/**
 * The runtime of a Node of these versions. Node updates its tables within a major version: 22.19 has Unicode 16, 22.23
 * has 17. Of V8 the first two numbers count, which stay within a major version of Node.
 */
export const runtimeOf = (versions: NodeJS.ProcessVersions): Ingredients["runtime"] => ({
  node: versions.node.split(".")[0] ?? "",
  v8: versions.v8.split(".").slice(0, 2).join("."),
  unicode: versions["unicode"] ?? "none",
  icu: versions["icu"] ?? "none",
  timeZones: versions["tz"] ?? "none",
  platform: `${process.platform}-${process.arch}`
})

export const runtime = runtimeOf(process.versions)
/** The same in each of thousands of keys. */
const writtenRuntime = new CanonicalJson.Written(CanonicalJson.encodeJson(runtime))

/** What a key is computed from: the ingredients, whose code may be canonical text already. */
export type KeyParts = Omit<Ingredients, "code"> & { readonly code: Code | CanonicalJson.Written }

/** The key of `ingredients`, if all of them have a canonical text. */
export const attempt = ({ stage, code, params, inputs, toolchain, programs, ...parts }: KeyParts) => {
  const ran = parts.runtime === runtime ? writtenRuntime : parts.runtime
  const values = [stage, code, params, inputs, toolchain, ran]
  // most stages name none, and the keys of before hold
  return Digest.ofValue("CacheKey/v2", programs === undefined ? values : [...values, programs])
}

/** The key of `ingredients`; `step` only names it in an error. */
export const of = (step: string, ingredients: KeyParts): Effect.Effect<Digest.Digest, KeyUnknown> => {
  const key = attempt(ingredients)
  return Result.isSuccess(key)
    ? Effect.succeed(key.success)
    : Effect.fail(new KeyUnknown({ step, reason: withoutText(ingredients, key.failure) }))
}

/** Where parameters stand among the values of a key. */
const partOfParams = "2"

/** Which part of a key has no canonical text; of a parameter, what to do. */
const withoutText = (
  { params }: KeyParts,
  failure: { readonly message: string; readonly path?: ReadonlyArray<string>; readonly actual?: string }
): string => {
  const [part, ...name] = failure.path ?? []
  if (part !== partOfParams || name[0] === undefined || !Object.hasOwn(params, name[0])) return failure.message
  return `parameter ${name.join(".")}: expected a value of JSON, but its Schema encodes it as ${failure.actual}. Give it a Schema that encodes to JSON, as Schema.DateFromString does`
}

const textOf = (value: unknown): string => {
  if (value === undefined) return "absent"
  // the first characters distinguish digests
  if (typeof value === "string" && /^[0-9a-f]{64}$/.test(value)) return value.slice(0, 12)
  return JSON.stringify(value)
}

/** Two texts, the long ones cut around the first place in which they differ. */
const show = (before: string, after: string): string => {
  let same = 0
  while (same < before.length && before[same] === after[same]) same++
  const start = same < 40 ? 0 : same - 20
  const cut = (text: string): string => {
    if (text.length <= 60) return text
    return `${start > 0 ? "..." : ""}${text.slice(start, start + 57)}${start + 57 < text.length ? "..." : ""}`
  }
  return `${cut(before)} -> ${cut(after)}`
}

/** `a.b: 1 -> 2` for each leaf in which two JSON values differ. */
export const diffJson = (before: unknown, after: unknown, at: string): ReadonlyArray<string> => {
  const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null
  if (isRecord(before) && isRecord(after) && Array.isArray(before) === Array.isArray(after)) {
    const keys = Array.from(new Set([...Object.keys(before), ...Object.keys(after)]))
    return keys.flatMap((key) => diffJson(before[key], after[key], at === "" ? key : `${at}.${key}`))
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [`${at}: ${show(textOf(before), textOf(after))}`]
}

const diffModules = (before: Code["modules"], after: Code["modules"]): ReadonlyArray<string> => {
  const files = Array.from(new Set([...Object.keys(before), ...Object.keys(after)])).sort()
  return files.flatMap((file) => {
    const [old, now] = [before[file], after[file]]
    if (old === undefined) return [`code: ${file} is new`]
    if (now === undefined) return [`code: ${file} is no longer used`]
    const names = Array.from(new Set([...Object.keys(now), ...Object.keys(old)])).filter(
      (name) => old[name] !== now[name]
    )
    // an added or removed statement changes the order too, and is reason enough
    const named = names.length === 1 ? names : names.filter((name) => name !== orderOfStatements)
    return named.length === 0 ? [] : [`code: ${few(named)} in ${file} changed`]
  })
}

/** The version in `version integrity` and `version content digest`; a text of another form as a whole. */
const versionOf = (text: string | undefined): string | undefined =>
  text?.replace(/^(no version|\S+) (?:content )?\S+$/, "$1")

/** One line for each package that differs: by its versions or, where they are equal, by its integrity. */
const diffPackages = (before: Code["packages"], after: Code["packages"]): ReadonlyArray<string> =>
  Array.from(new Set([...Object.keys(before), ...Object.keys(after)])).flatMap((name) => {
    const versions = diffJson(versionOf(before[name]), versionOf(after[name]), name)
    return versions.length > 0 ? versions : diffJson(before[name], after[name], name)
  })

const diffPrograms = (
  before: Ingredients["programs"] = {},
  after: Ingredients["programs"] = {}
): ReadonlyArray<string> =>
  Array.from(new Set([...Object.keys(before), ...Object.keys(after)])).flatMap((name) => {
    if (before[name] === after[name]) return []
    return [before[name] === undefined ? "is new" : after[name] === undefined ? "no longer counts" : "changed"].map(
      (how) => `program ${name}: ${how}`
    )
  })

type Changes = (before: Ingredients, after: Ingredients) => ReadonlyArray<string>

/**
 * Each way in which ingredients can differ: one line for each difference. Inputs are described elsewhere, by their
 * content.
 */
export const changes = {
  parameters: (before, after) => diffJson(before.params, after.params, "").map((line) => `parameter ${line}`),
  code: (before, after) => diffModules(before.code.modules, after.code.modules),
  packages: (before, after) => diffPackages(before.code.packages, after.code.packages).map((line) => `package ${line}`),
  toolchain: (before, after) => diffJson(before.toolchain, after.toolchain, "").map((line) => `toolchain ${line}`),
  runtime: (before, after) => diffJson(before.runtime, after.runtime, "").map((line) => `runtime ${line}`),
  programs: (before, after) => diffPrograms(before.programs, after.programs)
} as const satisfies Readonly<Record<string, Changes>>

/** All differences of these kinds. */
export const diff: Changes = (before, after) => Object.values(changes).flatMap((each) => each(before, after))
