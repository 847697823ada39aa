/** Names that most schemas and tables use: the three splits, and the two networks that the study compares. */
import * as Schema from "effect/Schema"

export const SplitName = Schema.Literals(["train", "validation", "test"])
export type SplitName = typeof SplitName.Type

export const splitNames = SplitName.literals

/** With batch normalization, and without. */
export const VariantName = Schema.Literals(["bn", "nobn"])
export type VariantName = typeof VariantName.Type

export const variants = VariantName.literals
