/**
 * Limits: how long a step may take, how often it is tried, and what it takes of the machine. A stage declares them, and a step
 * that it is placed as may have others. They never change a result, so they are in no key.
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
  /** How many of the run's cores it takes. */
  readonly cores?: number
  /** How much memory it takes: `"4 GiB"`, `"500 MB"`. */
  readonly memory?: Memory
  /** How many of the machine's GPUs it takes, for itself alone. */
  readonly gpus?: number
}

const units = { MB: 1e6, GB: 1e9, TB: 1e12, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const

/** An amount of memory. */
export type Memory = `${number} ${keyof typeof units}`

/** The same in milliseconds, as far as it is declared. */
export interface Limits {
  readonly timeoutMs?: number
  readonly retries?: { readonly times: number; readonly backoffMs: number }
  readonly cores?: number
  readonly memoryBytes?: number
  readonly gpus?: number
}

const msOf = (name: string, what: string, time: unknown, least: number): number => {
  const duration = typeof time === "number" ? Option.none() : Duration.fromInput(time as Time)
  const ms = Option.match(duration, { onNone: () => Number.NaN, onSome: Duration.toMillis })
  if (Number.isFinite(ms) && ms >= least) return ms
  throw new DeclarationError(
    `${name}: expected ${what} to be a time such as "90 seconds" or "2 hours", but found ${JSON.stringify(time)}`
  )
}

const bytesOf = (name: string, memory: unknown): number => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) (\w+)$/u.exec(String(memory)) ?? []
  if (amount !== undefined && unit !== undefined && Object.hasOwn(units, unit) && Number(amount) > 0)
    return Number(amount) * units[unit as keyof typeof units]
  throw new DeclarationError(
    `${name}: expected memory to be an amount such as "4 GiB" or "500 MB", but found ${JSON.stringify(memory)}`
  )
}

const countOf = (name: string, what: string, count: number): number => {
  if (Number.isInteger(count) && count >= 1) return count
  throw new DeclarationError(`${name}: expected ${what} to be a whole number from 1 on, but found ${String(count)}`)
}

const resourcesOf = (
  name: string,
  { cores, memory, gpus }: Declared
): Pick<Limits, "cores" | "memoryBytes" | "gpus"> => ({
  ...(cores === undefined ? {} : { cores: countOf(name, "cores", cores) }),
  ...(memory === undefined ? {} : { memoryBytes: bytesOf(name, memory) }),
  ...(gpus === undefined ? {} : { gpus: countOf(name, "gpus", gpus) })
})

/** The limits of a step: its own, else its stage's. */
export const over = (ofStage: Limits, ofStep: Limits): Limits => ({ ...ofStage, ...ofStep })

/** The limits that are declared; refuses what is no time and no number. */
export const of = (name: string, declared: Declared): Limits => {
  const { timeout, retries } = declared
  const resources = resourcesOf(name, declared)
  const timed = timeout === undefined ? resources : { ...resources, timeoutMs: msOf(name, "timeout", timeout, 1) }
  if (retries === undefined) return timed
  const { times = Number.NaN, backoff = "1 second" } = (retries ?? {}) as Partial<typeof retries>
  if (!Number.isInteger(times) || times < 0)
    throw new DeclarationError(
      `${name}: expected retries to be { times: 2, backoff: "1 second" } or the like, but found ${JSON.stringify(retries)}`
    )
  return { ...timed, retries: { times, backoffMs: msOf(name, "backoff of retries", backoff, 0) } }
}
