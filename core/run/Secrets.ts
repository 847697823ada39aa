/** Secrets: variables that steps need and whose values nobody may see. They must be there before any work begins. */
import * as Effect from "effect/Effect"
import { type AnyStep, displayName } from "../pipeline/Step.ts"
import * as Freshness from "../plan/Freshness.ts"
import type { Prepared } from "../plan/Prepared.ts"
import { SettingsError } from "../plan/SettingsError.ts"

const isAbsent = (name: string): boolean => (process.env[name] ?? "") === ""

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
