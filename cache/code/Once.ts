/** Once: memoization for the time of one run. */
import * as Effect from "effect/Effect"

/** `find` with memory: one call for each key. Failures are not remembered. */
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
