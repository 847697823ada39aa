/** Remote: the shared cache of a run. What speaks to it is loaded only where there is one. */
import * as Effect from "effect/Effect"
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
      const { connect } = yield* Effect.promise(() => import("../../../cache/remote/Connect.ts"))
      const remote = yield* connect(yield* check(settings), notify)
      return yield* Effect.provideService(self, RemoteCache, remote)
    }).pipe(Effect.scoped) as Effect.Effect<A, E | RemoteRefused, R | Disk | Store>
  }
