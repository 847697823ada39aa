/** Fault: whose an error is, which decides what a command's exit code says of it. */
import * as Schema from "effect/Schema"

/** The user's input; the stage, or the machine; or op-pipe, or a stage, by a bug. */
export const Fault = Schema.Literals(["input", "stage", "bug"])
export type Fault = typeof Fault.Type

export const exitCodes: Readonly<Record<Fault, number>> = { input: 2, stage: 1, bug: 70 }

/** The fault that an error declares; an error of others, which declares none, is the stage's or the machine's. */
export const of = (error: unknown): Fault => {
  const fault = typeof error === "object" && error !== null ? (error as { readonly fault?: unknown }).fault : undefined
  return Schema.is(Fault)(fault) ? fault : "stage"
}

/** The worst of several. */
export const worst = (faults: ReadonlyArray<Fault>): Fault =>
  faults.includes("bug") ? "bug" : faults.includes("stage") ? "stage" : "input"
