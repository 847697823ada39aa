/** LocalExecutor: ProcessExecutor, loaded when the first step is executed: a run that is up to date executes none. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Executor } from "./Executor.ts"

export const layer = Layer.sync(Executor, () => {
  const loaded = Effect.runSync(
    Effect.cached(
      Effect.map(
        Effect.promise(() => import("./ProcessExecutor.ts")),
        ({ make }) => make()
      )
    )
  )
  return { execute: (...given) => Effect.flatMap(loaded, ({ execute }) => execute(...given)) }
})
