/** The verdicts of the study: on a claim, and on whether two networks score alike. */
import * as Schema from "effect/Schema"
import { integerBetween } from "./Numbers.ts"

/** `mixed`: some parts of a claim hold and some do not. `undecided`: the data do not say. */
export const Verdict = Schema.Literals(["supported", "not supported", "mixed", "undecided"])
export type Verdict = typeof Verdict.Type

/** Of two one-sided tests on a difference and a margin. */
export const Equivalence = Schema.Literals(["equivalent", "different", "undecided"])
export type Equivalence = typeof Equivalence.Type

/** The study makes six claims, numbered from 1. */
export const ClaimId = integerBetween(1, 6)
