/**
 * Store: the cache as one service, opened on a folder.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BlobStore from "./BlobStore.ts"
import type { Disk, DiskError } from "./Disk.ts"
import * as Layout from "./Layout.ts"
import * as ResultStore from "./ResultStore.ts"
import * as StatMemo from "./StatMemo.ts"

export class Store extends Context.Service<
  Store,
  {
    readonly layout: Layout.Layout
    readonly memo: StatMemo.StatMemo
    readonly blobs: BlobStore.BlobStore
    readonly results: ResultStore.ResultStore
  }
>()("op-pipe/Store") {
  /** The store in `folder`, which is made when something is first written. */
  static readonly layer = (folder: string): Layer.Layer<Store, DiskError, Disk> =>
    Layer.effect(
      Store,
      Effect.gen(function* () {
        const layout = Layout.make(folder)
        const memo = yield* StatMemo.load(layout, "stat-v2")
        const blobs = yield* BlobStore.make(layout, memo)
        yield* Effect.addFinalizer(() => Effect.ignore(memo.flush))
        return Store.of({ layout, memo, blobs, results: ResultStore.make(layout, blobs) })
      })
    )
}
