/**
 * Limits: how long a step may take, and how often it is tried. A stage declares them, and a step that it is placed as may
 * have others. They never change a result, so they are in no key.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { DeclarationError } from "./Names.ts"

/** A length of time: `"90 seconds"`, `"2 hours"`, or a `Duration` of Effect. */
export type Time = Duration.Duration | `${number} ${Duration.Unit}`

/** What a stage or a step declares. */
export interface Declared {
  /** After this time an attempt is ended, with all processes that it started, and has failed. */
  readonly timeout?: Time
  /** How often a step is tried again after a failure. Before the first time it waits for `backoff` (1 second), then twice as long each time. */
  readonly retries?: { readonly times: number; readonly backoff?: Time }
}

/** The same in milliseconds, as far as it is declared. */
export interface Limits {
  readonly timeoutMs?: number
  readonly retries?: { readonly times: number; readonly backoffMs: number }
}

const msOf = (name: string, what: string, time: unknown, least: number): number => {
  const duration = typeof time === "number" ? Option.none() : Duration.fromInput(time as Time)
  const ms = Option.match(duration, { onNone: () => Number.NaN, onSome: Duration.toMillis })
  if (Number.isFinite(ms) && ms >= least) return ms
  throw new DeclarationError(
    `${name}: expected ${what} to be a time such as "90 seconds" or "2 hours", but found ${JSON.stringify(time)}`
  )
}

/** The limits that are declared; refuses what is no time and no number. */
export const of = (name: string, { timeout, retries }: Declared): Limits => {
  const timed = timeout === undefined ? {} : { timeoutMs: msOf(name, "timeout", timeout, 1) }
  if (retries === undefined) return timed
  const { times, backoff = "1 second" } = retries
  if (!Number.isInteger(times) || times < 0)
    throw new DeclarationError(
      `${name}: expected retries to be { times: 2, backoff: "1 second" } or the like, but found ${JSON.stringify(retries)}`
    )
  return { ...timed, retries: { times, backoffMs: msOf(name, "backoff of retries", backoff, 0) } }
}
