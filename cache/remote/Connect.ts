/**
 * Connect: the shared cache of a run, by its settings.
 *
 * It never fails a run and never holds one up for long: after a failure that does not pass, the cache is left alone for the rest
 * of the run, and one line says so. Uploads go on beside the run; its end waits for them for half a minute.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Digest from "../identity/Digest.ts"
import type { Disk } from "../store/Disk.ts"
import type { StepResult } from "../store/ResultStore.ts"
import type { Store } from "../store/Store.ts"
import { type Engine, RemoteError } from "./engine/Engine.ts"
import * as Engines from "./engine/Engines.ts"
import { type Pulled, pull } from "./Pull.ts"
import { push } from "./Push.ts"
import type { OnBytes, RemoteCache } from "./RemoteCache.ts"
import type { Checked } from "./Settings.ts"

/** What is said of a result that is there and not taken; of one that is not there, nothing. */
const refusals: Readonly<Partial<Record<Pulled, string>>> = {
  untrusted: 'is signed by nobody in "trust"',
  damaged: "is damaged, or not all there",
  unsealed: "was made without a sandbox"
}

/** So many results at a time: each has many blobs. */
const pullsAtOnce = 32
const pushesAtOnce = 4
/** How long the end of a run waits for uploads, and how long it says nothing of it. */
const patienceMs = 30_000
const quietMs = 2000

const counted = (count: number): string => (count === 1 ? "1 result" : `${count} results`)

/** The shared cache and one run. */
class Link {
  readonly engine: Engine
  readonly checked: Checked
  private readonly tell: (text: string) => void
  private readonly off: Deferred.Deferred<void>
  private readonly pushes: FiberSet.FiberSet<void>
  private readonly pulling = Semaphore.makeUnsafe(pullsAtOnce)
  private readonly pushing = Semaphore.makeUnsafe(pushesAtOnce)
  private readonly told = new Set<string>()
  /** What is there, as far as this run has seen. */
  private readonly known = new Set<Digest.Digest>()
  private isReading = true
  private isWriting: boolean

  constructor(
    engine: Engine,
    checked: Checked,
    tell: (text: string) => void,
    off: Deferred.Deferred<void>,
    pushes: FiberSet.FiberSet<void>
  ) {
    this.engine = engine
    this.checked = checked
    this.tell = tell
    this.off = off
    this.pushes = pushes
    this.isWriting = checked.settings.write === true
  }

  private once(kind: string, text: string): void {
    if (!this.told.has(kind)) this.tell(text)
    this.told.add(kind)
  }

  /** Leaves the cache alone for the rest of the run. */
  private leave(why: string): Effect.Effect<void> {
    this.isReading = false
    this.isWriting = false
    this.once("off", `the shared cache ${this.engine.address} is not used for the rest of this run: ${why}`)
    return Effect.asVoid(Deferred.succeed(this.off, undefined))
  }

  pull(key: Digest.Digest, onBytes: OnBytes): Effect.Effect<boolean, never, Disk | Store> {
    const take = Effect.suspend(() =>
      this.isReading ? pull(this.engine, this.checked.trust, key, onBytes) : Effect.succeed<Pulled>("absent")
    )
    return Semaphore.withPermit(this.pulling, take).pipe(
      Effect.raceFirst(Effect.as(Deferred.await(this.off), "absent" as Pulled)),
      Effect.catch(({ message }) => Effect.as(this.leave(message), "absent" as Pulled)),
      Effect.map((pulled) => {
        const why = refusals[pulled]
        const text = `a result in the shared cache (${Digest.short(key)}) is not used: it ${why}. Others like it are not told`
        if (why !== undefined) this.once(pulled, text)
        return pulled === "taken"
      })
    )
  }

  private upload(result: StepResult): Effect.Effect<void, never, Disk | Store> {
    const give = Effect.suspend(() =>
      this.isWriting ? push(this.engine, this.checked.signer, this.known, result) : Effect.void
    )
    return Semaphore.withPermit(this.pushing, give).pipe(
      Effect.raceFirst(Deferred.await(this.off)),
      Effect.catch((error) => this.onPushFailed(error))
    )
  }

  private onPushFailed(error: Effect.Error<ReturnType<typeof push>>): Effect.Effect<void> {
    // the next run that makes it, or \`remote push\`, uploads it
    if (error._tag === "Gone") return Effect.void
    const status = error instanceof RemoteError ? error.status : undefined
    if (status === undefined) return this.leave(error.message)
    if (status === 413) this.once("413", `a result is not uploaded to the shared cache: ${error.message}`)
    else {
      if (this.isWriting)
        this.once("write", `nothing more is uploaded to the shared cache in this run: ${error.message}`)
      this.isWriting = false
    }
    return Effect.void
  }

  push(result: StepResult, context: Context.Context<Disk | Store>): Effect.Effect<void> {
    if (!this.isWriting) return Effect.void
    return Effect.asVoid(FiberSet.run(this.pushes, Effect.provide(this.upload(result), context)))
  }

  get finish(): Effect.Effect<void> {
    const { pushes } = this
    return Effect.gen({ self: this }, function* () {
      const empty = FiberSet.awaitEmpty(pushes)
      if (Option.isSome(yield* Effect.timeoutOption(empty, quietMs))) return
      const left = counted(yield* FiberSet.size(pushes))
      this.tell(`uploading ${left} to the shared cache, for at most ${patienceMs / 1000} s`)
      if (Option.isSome(yield* Effect.timeoutOption(empty, patienceMs - quietMs))) return
      const missing = counted(yield* FiberSet.size(pushes))
      yield* FiberSet.clear(pushes)
      this.tell(
        `${missing} not uploaded to the shared cache in ${patienceMs / 1000} s. \`op-pipe remote push\` does it`
      )
    })
  }
}

/** The shared cache for one run; uploads end with the scope. `tell` is told what a user should know, in lines. */
export const connect = Effect.fn("Connect.connect")(function* (checked: Checked, tell: (text: string) => void) {
  const engine = yield* Engines.of(checked)
  const context = yield* Effect.context<Disk | Store>()
  const link = new Link(engine, checked, tell, yield* Deferred.make<void>(), yield* FiberSet.make<void>())
  const cache: RemoteCache = {
    pull: (key, onBytes) => Effect.provide(link.pull(key, onBytes), context),
    push: (result) => link.push(result, context),
    finish: link.finish
  }
  return cache
})
