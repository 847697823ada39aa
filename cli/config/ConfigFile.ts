/**
 * ConfigFile: `op-pipe.json` beside the pipeline, and the user's own `~/.config/op-pipe/config.json` in the same form. Neither
 * holds a secret.
 *
 * Every run looks, so a file that is not there costs one failed read, and all else is loaded where there is something.
 */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { userFolder } from "../../cache/store/Layout.ts"
import { misfit } from "../../core/plan/SettingsError.ts"
import { UsageError } from "../Failure.ts"

export const ofProject = (root: string): string => path.join(root, "op-pipe.json")
export const ofUser = (): string => path.join(userFolder("XDG_CONFIG_HOME", ".config"), "op-pipe", "config.json")

const textOf = (file: string): string | undefined => {
  // mostly it is not there, and to throw takes longer than to look
  if (!existsSync(file)) return undefined
  try {
    return readFileSync(file, "utf8")
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return undefined
    // HOME may be another user's (sudo, containers), whose settings are not this one's
    if (code === "EACCES" && file === ofUser()) return undefined
    throw cause
  }
}

const names = ["remote", "executors"] as const
const Whole = Schema.Record(Schema.String, Schema.Unknown)

/** What a file holds under a name; undefined if that or the file is not there. `expected` is an example, for who wrote another thing. */
export const section = Effect.fnUntraced(function* <A>(
  file: string,
  name: (typeof names)[number],
  schema: Schema.Codec<A, unknown>,
  expected: string
) {
  const example = `. It may say ${expected}`
  const refuse = (cause: unknown): UsageError => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new UsageError({ message: `${file}: expected JSON, but: ${reason}${example}` })
  }
  const unfit = (asked: string, given: unknown) => (error: Schema.SchemaError) =>
    new UsageError({ message: `${misfit(asked, given, error).message}${example}` })
  const config = yield* Effect.try({
    try: () => {
      const text = textOf(file)
      return text === undefined ? undefined : (JSON.parse(text) as unknown)
    },
    catch: refuse
  })
  if (config === undefined) return undefined
  const whole = yield* Effect.mapError(Schema.decodeUnknownEffect(Whole)(config), unfit(file, config))
  // a misspelt name would be a setting that is not there
  const other = Object.keys(whole).find((each) => !(names as ReadonlyArray<string>).includes(each))
  if (other !== undefined) {
    const message = `${file}: expected one of the names ${names.join(", ")}, but found ${JSON.stringify(other)}`
    return yield* new UsageError({ message })
  }
  const given = whole[name]
  if (given === undefined) return undefined
  return yield* Effect.mapError(
    Schema.decodeUnknownEffect(schema)(given, { onExcessProperty: "error", errors: "all" }),
    unfit(`${file}: ${name}`, given)
  )
})
