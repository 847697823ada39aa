/**
 * Store: the cache as one service, opened on a folder.
 */
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as BlobStore from "./BlobStore.ts"
import { Disk, type DiskError, orAbsent } from "./Disk.ts"
import * as Layout from "./Layout.ts"
import * as ResultStore from "./ResultStore.ts"
import * as StatMemo from "./StatMemo.ts"

/** The real path of the folder, also before it exists: under two names it would be two stores, with separate locks. */
const realFolder = (folder: string): Effect.Effect<string, DiskError, Disk> =>
  Effect.flatMap(Disk, (disk) =>
    Effect.flatMap(orAbsent(disk.realPath(folder)), (real) =>
      Option.isSome(real) || folder === path.dirname(folder)
        ? Effect.succeed(Option.getOrElse(real, () => folder))
        : Effect.map(realFolder(path.dirname(folder)), (above) => path.join(above, path.basename(folder)))
    )
  )

export class Store extends Context.Service<
  Store,
  {
    readonly layout: Layout.Layout
    readonly memo: StatMemo.StatMemo
    readonly blobs: BlobStore.BlobStore
    readonly results: ResultStore.ResultStore
  }
>()("op-pipe/Store") {
  /** The store in `folder`, which is created by the first write. */
  static readonly layer = (folder: string, purpose: Layout.Purpose = {}): Layer.Layer<Store, DiskError, Disk> =>
    Layer.effect(
      Store,
      Effect.gen(function* () {
        const layout = Layout.make(yield* realFolder(path.resolve(folder)), purpose)
        const memo = yield* StatMemo.load(layout, "stat-v2")
        const blobs = yield* BlobStore.make(layout, memo)
        yield* Effect.addFinalizer(() => Effect.ignore(memo.flush))
        return Store.of({ layout, memo, blobs, results: ResultStore.make(layout, blobs) })
      })
    )
}
