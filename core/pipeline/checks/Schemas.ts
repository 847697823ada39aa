/** Schemas: what Schemas of the user's do that they should not. */
import * as Effect from "effect/Effect"
import { DeclarationError } from "../Names.ts"

export const thrownBy = (defect: unknown): string =>
  `one that threw ${defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect)}`

/**
 * A Schema decodes, or says what does not fit. One that throws is declared wrongly, and no bug of op-pipe's.
 */
export const told =
  (of: string) =>
  <A, E, R>(decoding: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.catchDefect(decoding, (defect) =>
      Effect.die(
        new DeclarationError(
          `${of}: expected a Schema that decodes or says what does not fit, but found ${thrownBy(defect)}`
        )
      )
    )
