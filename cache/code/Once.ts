/** Once: something that is found out once for each thing it is asked of, and stays so for the time of one run. */
import * as Effect from "effect/Effect"

/** `find`, whose answers are kept by `keyOf`; a failure is not kept. */
export const once = <Asked extends ReadonlyArray<unknown>, A, E, R>(
  keyOf: (...asked: Asked) => string,
  find: (...asked: Asked) => Effect.Effect<A, E, R>
): ((...asked: Asked) => Effect.Effect<A, E, R>) => {
  const known = new Map<string, A>()
  return (...asked) => {
    const key = keyOf(...asked)
    if (known.has(key)) return Effect.succeed(known.get(key) as A)
    return Effect.map(find(...asked), (found) => {
      known.set(key, found)
      return found
    })
  }
}
