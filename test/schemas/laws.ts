/**
 * The laws every schema in `schemas/` keeps: what is encoded decodes to the same value, also by way of JSON text, and a
 * document with any one field broken is rejected by an error that names that field's path.
 */
import { it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { expect } from "vitest"

type Path = ReadonlyArray<PropertyKey>

/** Every path below `value`, containers included, its own root excluded. */
export const pathsOf = (value: unknown, at: Path = []): ReadonlyArray<Path> => {
  const here = at.length === 0 ? [] : [at]
  if (value === null || typeof value !== "object") return here
  const keys = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value)
  return [...here, ...keys.flatMap((key) => pathsOf((value as Record<PropertyKey, unknown>)[key], [...at, key]))]
}

/** `value` with what lies at `path` replaced. */
export const replaceAt = (value: unknown, path: Path, by: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return by
  const copy: Record<PropertyKey, unknown> = Array.isArray(value)
    ? (value.slice() as unknown as Record<PropertyKey, unknown>)
    : { ...(value as Record<PropertyKey, unknown>) }
  copy[key] = replaceAt(copy[key], rest, by)
  return copy
}

const issuePaths = (issue: SchemaIssue.Issue): ReadonlyArray<string> =>
  SchemaIssue.makeFormatterStandardSchemaV1()(issue).issues.map((each) =>
    JSON.stringify((each.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)))
  )

/** Declares the law tests for `schema` under `name`. */
export const schemaLaws = <A, I>(
  name: string,
  schema: Schema.Codec<A, I>,
  options?: { readonly runs?: number }
): void => {
  const runs = { arbitrary: { runs: options?.runs ?? 30, seed: 20 } }
  const decode = Schema.decodeUnknownEffect(schema)
  it.effect.prop(
    `${name}: what is encoded decodes to the same value, also through JSON`,
    [Arbitrary.schema(schema)],
    ([value]) =>
      Effect.gen(function* () {
        const encoded = yield* Schema.encodeEffect(schema)(value)
        const back = yield* decode(JSON.parse(JSON.stringify(encoded)))
        expect(yield* Schema.encodeEffect(schema)(back)).toEqual(JSON.parse(JSON.stringify(encoded)))
        expect(Schema.toEquivalence(schema)(back, value)).toBe(true)
      }),
    runs
  )
  it.effect.prop(
    `${name}: every broken field is rejected with its path`,
    [Arbitrary.schema(schema)],
    ([value]) =>
      Effect.gen(function* () {
        const encoded = yield* Schema.encodeEffect(schema)(value)
        // A schema of plain fields is checked field by field; a sample too large to do so is checked at 40 places.
        const paths = pathsOf(encoded)
        const step = Math.max(1, Math.floor(paths.length / 40))
        for (let index = 0; index < paths.length; index += step) {
          const path = paths[index]!
          const broken = replaceAt(encoded, path, Symbol.for("broken"))
          const result = yield* Effect.result(decode(broken))
          const shown = JSON.stringify(path.map(String))
          expect(Result.isFailure(result), `${shown} was accepted`).toBe(true)
          if (Result.isFailure(result)) {
            // A union reports at the union itself, which is an ancestor of the broken field, never the root.
            const names = (found: string) =>
              found === shown || (found !== "[]" && shown.startsWith(`${found.slice(0, -1)},`))
            expect(issuePaths(result.failure.issue).some(names), `${shown} is not named`).toBe(true)
          }
        }
      }),
    runs
  )
}
