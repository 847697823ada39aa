/**
 * Lease: one process at a time among those of several machines that share a store.
 *
 * A lock of the kernel ends with its process, but another machine's kernel does not know of it. A lease is a file that names its
 * owner, and an owner rewrites a file of its own every few seconds, one for all its leases. Who waits takes a lease over once both
 * have not changed for half a minute by the waiter's own clock: the clocks of two machines are never compared. A lease whose owner
 * was a process of this machine that is gone is taken over at once.
 *
 * Gotcha: an owner that was stopped for so long goes on without its lease, and so does a process that may not write one. Then two
 * may do the same work; they cannot harm each other, since all writes to the store are idempotent and atomic.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
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

/** This process among all that had its id. */
const me = randomUUID()

/** The file that an owner rewrites while it has leases in a folder. */
const signOf = (folder: string, owner: string): string => path.join(folder, `owner-${owner}`)

interface Signs {
  readonly fiber: Fiber.Fiber<never>
  leases: number
}
/** Others of a group read it, whatever the umask. */
const forAll = 0o644

/** By folder: the signs of life that this process gives there. */
const signs = new Map<string, Signs>()

/** Rewrites this process's own file in `folder`, again and again. A sign that cannot be given now is given later. */
const giveSigns = Effect.fnUntraced(function* (folder: string, beatMs: number) {
  const disk = yield* Disk
  const [file, aside] = [signOf(folder, me), signOf(folder, `${me}.new`)]
  let count = 0
  const sign = Effect.gen(function* () {
    yield* disk.remove(aside)
    yield* disk.create(aside, String(++count))
    yield* disk.setMode(aside, forAll)
    yield* disk.rename(aside, file)
  })
  return yield* Effect.forever(Effect.andThen(Effect.ignore(sign), Effect.sleep(beatMs)))
})

/** Gives signs of life in `folder` until the scope closes. */
const beInLife = Effect.fnUntraced(function* (folder: string, beatMs: number) {
  const disk = yield* Disk
  const begin = Effect.gen(function* () {
    const known = signs.get(folder)
    if (known === undefined)
      signs.set(folder, { fiber: yield* Effect.forkDetach(giveSigns(folder, beatMs)), leases: 1 })
    else known.leases++
  })
  const end = Effect.gen(function* () {
    const known = signs.get(folder)
    if (known === undefined || --known.leases > 0) return
    signs.delete(folder)
    yield* Fiber.interrupt(known.fiber)
    for (const name of [me, `${me}.new`]) yield* Effect.ignore(disk.remove(signOf(folder, name)))
  })
  yield* Effect.acquireRelease(begin, () => end)
})

/** The owner that a lease names, and which process of that id it was; the content may be half written. */
const ownerIn = (content: string): string => content.split("\n")[0] ?? ""
const processIn = (content: string): string => content.split("\n")[1] ?? ""

const isGone = (content: string): boolean => ownerIn(content) !== "" && ownerOf(ownerIn(content)) === "gone"

/** Takes a lease away that has not changed since it was `content`. */
const takeAway = Effect.fnUntraced(function* (file: string, content: string) {
  const disk = yield* Disk
  const aside = `${file}.${randomUUID()}`
  // others that waited have come to the same conclusion
  const now = yield* orAbsent(disk.readText(file))
  if (Option.isSome(now) && now.value !== content) return
  if (Option.isNone(yield* orAbsent(disk.rename(file, aside)))) return
  // another may have taken it over in between, and its lease was moved instead
  const moved = yield* orAbsent(disk.readText(aside))
  if (Option.isSome(moved) && moved.value !== content) yield* Effect.ignore(disk.link(aside, file))
  yield* Effect.ignore(disk.remove(aside))
  // an owner that lives after all makes it again
  yield* Effect.ignore(disk.remove(signOf(path.dirname(file), processIn(content))))
})

/** What a file holds; nothing of one that is not there, or is another user's alone. */
const contentOf = (file: string) => Effect.flatMap(Disk, (disk) => Effect.orElseSucceed(disk.readText(file), () => ""))

/** Tries to take the lease; what it holds now if another has it, and the last sign of life of its owner. */
const attempt = Effect.fnUntraced(function* (file: string, content: string) {
  const disk = yield* Disk
  // where none can be written, the step is done without
  if (yield* Effect.isFailure(disk.makeFolder(path.dirname(file)))) return undefined
  const isHeld = yield* Effect.andThen(disk.create(file, content), disk.setMode(file, forAll)).pipe(
    Effect.as(false),
    Effect.catch(({ code }) => Effect.succeed(code === "EEXIST"))
  )
  if (!isHeld) return undefined
  const held = yield* contentOf(file)
  return { held, sign: yield* contentOf(signOf(path.dirname(file), processIn(held))) }
})

const acquire = Effect.fnUntraced(function* (
  file: string,
  content: string,
  onWait: (owner: string) => void,
  { staleMs, lookMs }: Times
) {
  let [before, quietMs, lookedMs, told] = ["", 0, performance.now(), ""]
  for (;;) {
    const found = yield* attempt(file, content)
    if (found === undefined) return
    const { held, sign } = found
    const nowMs = performance.now()
    // while this process, or the disk of both, stood still, the owner could give no sign either
    quietMs = `${held}${sign}` === before ? quietMs + Math.min(nowMs - lookedMs, 2 * lookMs) : 0
    ;[before, lookedMs] = [`${held}${sign}`, nowMs]
    if (isGone(held) || quietMs > staleMs) {
      // whoever may not write here goes on without it
      if (yield* Effect.isFailure(takeAway(file, held))) return
      continue
    }
    const [host = "", pid = ""] = ownerIn(held).split("+")
    const owner = `process ${pid} on ${host.split(".")[0]}`
    if (ownerIn(held) !== "" && owner !== told) onWait(owner)
    told = owner
    yield* Effect.sleep(lookMs)
  }
})

/** A file in the folder of leases that nobody has any more. */
interface Left {
  readonly name: string
  readonly content: string
}

/** The files that processes left which were killed: of one of this machine that is gone, or that gave no sign since `sinceMs`. */
export const left = Effect.fnUntraced(function* ({ leases }: Layout, sinceMs: number) {
  const disk = yield* Disk
  const names = Option.getOrElse(yield* orAbsent(disk.list(leases)), () => []).map(({ name }) => name)
  const stats = yield* disk.stats(names.map((name) => path.join(leases, name)))
  // one that was renamed has the mtime of before
  const changed = new Map(names.map((name, at) => [name, Math.max(stats[at]?.mtimeMs ?? 0, stats[at]?.ctimeMs ?? 0)]))
  const isOld = (name: string): boolean => (changed.get(name) ?? 0) < sinceMs
  const found: Array<Left> = []
  for (const name of names) {
    const content = yield* contentOf(path.join(leases, name))
    const isLease = /^[0-9a-f]{64}$/u.test(name)
    // what gives no sign any more has ended, or was cut off for far longer than others wait
    const isSilent = isOld(name) && (!isLease || isOld(path.basename(signOf(leases, processIn(content)))))
    if (isSilent || (isLease && isGone(content))) found.push({ name, content })
  }
  return found
})

/** Removes those of `names` that are left still. */
export const discard = Effect.fnUntraced(function* (layout: Layout, names: ReadonlySet<string>, sinceMs: number) {
  for (const { name, content } of yield* left(layout, sinceMs))
    if (names.has(name)) yield* takeAway(path.join(layout.leases, name), content)
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
  const isOurs = Effect.map(
    orAbsent(disk.readText(file)),
    Option.exists((content) => content.includes(id))
  )
  const release = Effect.flatMap(isOurs, (ours) => (ours ? disk.remove(file) : Effect.void))
  yield* Effect.acquireRelease(
    acquire(file, `${ownPrefix}\n${me}\n${id}\n`, onWait, times),
    () => Effect.ignore(release),
    {
      interruptible: true
    }
  )
  yield* beInLife(path.dirname(file), times.beatMs)
})
