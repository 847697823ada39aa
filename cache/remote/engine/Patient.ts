/** Patient: an engine that tries again, twice, what may succeed then: a connection that was cut, a server that is overloaded. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type Engine, RemoteError } from "./Engine.ts"

const retried = <A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(attempt, {
    schedule: Schedule.exponential("200 millis", 3),
    times: 2,
    while: (error) => error instanceof RemoteError && error.isPassing
  })

export const make = ({ address, fetch, has, put }: Engine): Engine => ({
  address,
  fetch: (...asked) => retried(fetch(...asked)),
  has: (...asked) => retried(has(...asked)),
  put: (...asked) => retried(put(...asked))
})
