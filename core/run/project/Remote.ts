/** Remote: the shared cache of a run. What speaks to it is loaded only where there is one. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { RemoteCache } from "../../../cache/remote/RemoteCache.ts"
import type { RemoteRefused, RemoteSettings } from "../../../cache/remote/Settings.ts"
import type { Disk } from "../../../cache/store/Disk.ts"
import type { Store } from "../../../cache/store/Store.ts"

/** Runs `self` with the shared cache that `settings` name, if they are given. `notify` is told what a user should know of it. */
export const withRemote =
  (settings: RemoteSettings | undefined, notify: (text: string) => void) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | RemoteRefused, R | Disk | Store> => {
    if (settings === undefined) return self
    return Effect.gen(function* () {
      const { check } = yield* Effect.promise(() => import("../../../cache/remote/Settings.ts"))
      const checked = yield* check(settings)
      const scope = yield* Effect.scope
      // a run that is up to date does not need it
      const connected = yield* Effect.cached(
        Effect.promise(() => import("../../../cache/remote/Connect.ts")).pipe(
          Effect.flatMap(({ connect }) => connect(checked, notify)),
          Scope.provide(scope)
        )
      )
      const context = yield* Effect.context<Disk | Store>()
      let isUsed = false
      const use = <B>(by: (remote: RemoteCache) => Effect.Effect<B>): Effect.Effect<B> => {
        isUsed = true
        return Effect.provide(Effect.flatMap(connected, by), context)
      }
      return yield* Effect.provideService(self, RemoteCache, {
        pull: (key, onBytes) => use((remote) => remote.pull(key, onBytes)),
        push: (result) => (settings.write === true ? use((remote) => remote.push(result)) : Effect.void),
        finish: Effect.suspend(() => (isUsed ? use((remote) => remote.finish) : Effect.void))
      })
    }).pipe(Effect.scoped) as Effect.Effect<A, E | RemoteRefused, R | Disk | Store>
  }
