/**
 * Lease: one process at a time among those of several machines that share a store.
 *
 * A lock of the kernel ends with its process, but another machine's kernel does not know of it. A lease is a file that its owner
 * rewrites every few seconds. Who waits takes it over once it has not changed for half a minute by the waiter's own clock: the
 * clocks of two machines are never compared. A lease whose owner was a process of this machine that is gone is taken over at once.
 *
 * Gotcha: an owner that was stopped for so long goes on without its lease. Then two may do the same work; they cannot harm each
 * other, since all writes to the store are idempotent and atomic.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../../identity/Digest.ts"
import { Disk, orAbsent } from "../Disk.ts"
import type { Layout } from "../Layout.ts"
import { ownerOf, ownPrefix } from "../Sweep.ts"

export interface Times {
  readonly beatMs: number
  readonly staleMs: number
  readonly lookMs: number
}
const defaultTimes: Times = { beatMs: 5000, staleMs: 30_000, lookMs: 1000 }

/** The owner that a lease names; it may be half written. */
const ownerIn = (content: string): string => content.split("\n")[0] ?? ""

const isGone = (content: string): boolean => ownerIn(content) !== "" && ownerOf(ownerIn(content)) === "gone"

/** Takes a lease away that has not changed since it was `content`. */
const takeAway = Effect.fnUntraced(function* (file: string, content: string) {
  const disk = yield* Disk
  const aside = `${file}.${randomUUID()}`
  if (Option.isNone(yield* orAbsent(disk.rename(file, aside)))) return
  // another may have taken it over in between, and its lease was moved instead
  const moved = yield* orAbsent(disk.readText(aside))
  if (Option.isSome(moved) && moved.value !== content) yield* Effect.ignore(disk.link(aside, file))
  yield* Effect.ignore(disk.remove(aside))
})

/** Tries to take the lease; what it holds now where that is not possible. */
const attempt = Effect.fnUntraced(function* (file: string, content: string) {
  const disk = yield* Disk
  const create = Effect.andThen(disk.makeFolder(path.dirname(file)), disk.create(file, content))
  const isTaken = yield* create.pipe(
    Effect.as(true),
    Effect.catchIf(
      ({ code }) => code === "EEXIST",
      () => Effect.succeed(false)
    )
  )
  return isTaken ? undefined : Option.getOrElse(yield* orAbsent(disk.readText(file)), () => "")
})

const acquire = Effect.fnUntraced(function* (
  file: string,
  content: string,
  onWait: (owner: string) => void,
  { staleMs, lookMs }: Times
) {
  let [before, sinceMs, told] = ["", performance.now(), ""]
  for (;;) {
    const held = yield* attempt(file, content)
    if (held === undefined) return
    if (held !== before) [before, sinceMs] = [held, performance.now()]
    if (isGone(held) || performance.now() - sinceMs > staleMs) {
      yield* takeAway(file, held)
      continue
    }
    const [host = "", pid = ""] = ownerIn(held).split("+")
    const owner = `process ${pid} on ${host.split(".")[0]}`
    if (ownerIn(held) !== "" && owner !== told) onWait(owner)
    told = owner
    yield* Effect.sleep(lookMs)
  }
})

/** Holds the lease `name` until the scope closes. If it has to wait, `onWait` is told for whom, in words. */
export const hold = Effect.fnUntraced(function* (
  layout: Layout,
  name: string,
  onWait: (owner: string) => void,
  times: Times = defaultTimes
) {
  const disk = yield* Disk
  const file = layout.lease(Digest.ofText(name))
  const id = randomUUID()
  const contentAt = (count: number): string => `${ownPrefix}\n${id}\n${count}\n`
  const isOurs = Effect.map(
    orAbsent(disk.readText(file)),
    Option.exists((content) => content.includes(id))
  )
  const release = Effect.flatMap(isOurs, (ours) => (ours ? disk.remove(file) : Effect.void))
  yield* Effect.acquireRelease(acquire(file, contentAt(0), onWait, times), () => Effect.ignore(release), {
    interruptible: true
  })
  let count = 0
  const beat = Effect.gen(function* () {
    yield* Effect.sleep(times.beatMs)
    // one that was taken over is another's
    if (!(yield* isOurs)) return
    const aside = `${file}.${id}`
    yield* disk.remove(aside)
    yield* disk.create(aside, contentAt(++count))
    yield* disk.rename(aside, file)
  })
  yield* Effect.forkScoped(Effect.forever(Effect.ignore(beat)))
})
