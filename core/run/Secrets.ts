/**
 * Secrets: variables that steps need and whose values nobody may see. They must be there before any work begins; what looks like one
 * among the variables that are recorded is told.
 */
import * as Effect from "effect/Effect"
import type { CommandParams } from "../pipeline/Stage.ts"
import { type AnyStep, displayName } from "../pipeline/Step.ts"
import * as Freshness from "../plan/Freshness.ts"
import type { Prepared } from "../plan/Prepared.ts"
import { SettingsError } from "../plan/SettingsError.ts"

const isAbsent = (name: string): boolean => (process.env[name] ?? "") === ""

/** Names that people give to secrets: `API_TOKEN`, `DB_PASSWORD`, `AWS_SECRET_ACCESS_KEY`. */
const ofSecrets = /(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)$|_(?:KEY|PASS|PWD)$|^API_?KEY$/iu

/** What to tell of the variables of a command that a result of it will record, by their names; undefined of no secret's. */
export const recordedIn = ({ stage }: AnyStep, params: Readonly<Record<string, unknown>>): string | undefined => {
  const env = stage._tag === "Command" ? (params["env"] as CommandParams["env"]) : {}
  const names = Object.keys(env).filter((name) => ofSecrets.test(name) && env[name] !== "")
  if (names.length === 0) return undefined
  const list = names.map((name) => JSON.stringify(name)).join(", ")
  return `${stage.name}: ${names.join(" and ")} in env will be recorded with the result. If nobody may read that, declare secrets: [${list}] instead, and set it in the environment of op-pipe`
}

/** Fails if a step that may have to be executed lacks a secret. One with a result needs none. */
export const check = Effect.fnUntraced(function* (
  prepared: Prepared,
  steps: ReadonlyArray<AnyStep>,
  { forced, verify }: { readonly forced: ReadonlySet<string>; readonly verify: boolean }
) {
  const lacking = (step: AnyStep): string | undefined => step.stage.secrets.find(isAbsent)
  if (steps.every((step) => lacking(step) === undefined)) return
  const assessed = yield* Freshness.assess(prepared, steps, { forced })
  for (const { step, state } of assessed) {
    const name = lacking(step)
    if (name === undefined || (state === "fresh" && !verify)) continue
    return yield* new SettingsError({
      asked: `the secret ${name} of ${displayName(step.id)}`,
      expected: `a value in the environment (${name}=... op-pipe run)`,
      actual: process.env[name] === undefined ? "no such variable. Nothing was run" : "an empty one. Nothing was run"
    })
  }
})
