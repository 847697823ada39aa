/** Fault: the side that an error comes from, which decides the exit code of a command. */
import * as Schema from "effect/Schema"

/** `input`: what the user gave; `stage`: a stage or the machine; `bug`: op-pipe, or a stage that broke its contract. */
export const Fault = Schema.Literals(["input", "stage", "bug"])
export type Fault = typeof Fault.Type

export const exitCodes: Readonly<Record<Fault, number>> = { input: 2, stage: 1, bug: 70 }

/**
 * The fault that an error declares. An error from elsewhere declares none; it counts as the stage's or the machine's.
 */
export const of = (error: unknown): Fault => {
  const fault = typeof error === "object" && error !== null ? (error as { readonly fault?: unknown }).fault : undefined
  return Schema.is(Fault)(fault) ? fault : "stage"
}

/** The worst of several. */
export const worst = (faults: ReadonlyArray<Fault>): Fault =>
  faults.includes("bug") ? "bug" : faults.includes("stage") ? "stage" : "input"
