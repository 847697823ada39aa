/** Schemas of numbers, and defaults of parameters. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A whole number from 0. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A whole number from 1: a size, an epoch. */
export const AtLeastOne = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

export const NonNegative = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

export const Positive = Schema.Finite.check(Schema.isGreaterThan(0))

export const Fraction = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

/** A whole number between two others, these included. */
export const integerBetween = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** A number between two others, these included. */
export const numberBetween = (minimum: number, maximum: number) =>
  Schema.Finite.check(Schema.isBetween({ minimum, maximum }))

/** A parameter with a default; `value` is encoded. */
export const withDefault = <S extends Schema.Constraint>(
  schema: S,
  value: NoInfer<S["Encoded"]>
): Schema.withDecodingDefaultKey<S> => Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)
