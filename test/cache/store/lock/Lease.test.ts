/** A lock between machines: one at a time, and what was left by one that is gone is taken over. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import * as Digest from "../../../../cache/identity/Digest.ts"
import { Disk } from "../../../../cache/store/Disk.ts"
import * as Layout from "../../../../cache/store/Layout.ts"
import * as Lease from "../../../../cache/store/lock/Lease.ts"
import { ownHost, ownPrefix } from "../../../../cache/store/Sweep.ts"
import { temporaryFolder, writeFiles } from "../../../lib/temporary.ts"

const times = { beatMs: 20, staleMs: 300, lookMs: 5 }
const newLease = () => {
  const layout = Layout.make(temporaryFolder())
  const file = layout.lease(Digest.ofText("key"))
  const hold = (onWait: (owner: string) => void = () => undefined) => Lease.hold(layout, "key", onWait, times)
  const leave = (owner: string): void => {
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, `${owner}\nsome-id\n3\n`)
  }
  return { layout, file, hold, leave }
}

/** How long it takes to get the lease. */
const waited = <E, R>(hold: Effect.Effect<void, E, R>) =>
  Effect.gen(function* () {
    const startedMs = performance.now()
    yield* Effect.scoped(hold)
    return performance.now() - startedMs
  })

describe("a lease", () => {
  it.live("is held by one at a time, and leaves nothing", () =>
    Effect.gen(function* () {
      const { file, hold } = newLease()
      let [inside, most] = [0, 0]
      const work = Effect.gen(function* () {
        yield* hold()
        most = Math.max(most, ++inside)
        yield* Effect.sleep(15)
        inside--
      })
      yield* Effect.forEach(Array.from({ length: 12 }), () => Effect.scoped(work), { concurrency: "unbounded" })
      expect(most).toBe(1)
      expect(readdirSync(path.dirname(file))).toEqual([])
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("is not taken over while its owner gives signs of life, for however long", () =>
    Effect.gen(function* () {
      const { hold } = newLease()
      const owners: Array<string> = []
      const first = yield* Effect.forkChild(Effect.scoped(Effect.andThen(hold(), Effect.sleep(900))))
      yield* Effect.sleep(50)
      expect(yield* waited(hold((owner) => owners.push(owner)))).toBeGreaterThan(700)
      expect(owners).toEqual([expect.stringMatching(new RegExp(`^process ${process.pid} on `, "u"))])
      yield* Fiber.join(first)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("costs its owner one file to rewrite, however many it holds", () =>
    Effect.gen(function* () {
      const layout = Layout.make(temporaryFolder())
      const names = Array.from({ length: 20 }, (_, number) => `key ${number}`)
      const folder = path.dirname(layout.lease(Digest.ofText("key 0")))
      const holding = Effect.forEach(names, (name) => Lease.hold(layout, name, () => undefined, times))
      const held = yield* Effect.scoped(
        Effect.andThen(
          holding,
          Effect.sync(() => readdirSync(folder))
        )
      )
      expect(held.filter((name) => name.startsWith("owner-")).length).toBeLessThanOrEqual(2)
      expect(held.filter((name) => !name.startsWith("owner-")).length).toBe(20)
      expect(readdirSync(folder)).toEqual([])
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("of another machine is taken over once it has not changed for a while, by one of those that wait", () =>
    Effect.gen(function* () {
      const { file, hold, leave } = newLease()
      leave("elsewhere.1+7+")
      let [inside, most] = [0, 0]
      const work = Effect.gen(function* () {
        yield* hold()
        most = Math.max(most, ++inside)
        yield* Effect.sleep(30)
        inside--
      })
      const startedMs = performance.now()
      yield* Effect.forEach([1, 2, 3, 4], () => Effect.scoped(work), { concurrency: "unbounded" })
      expect(performance.now() - startedMs).toBeGreaterThan(times.staleMs)
      expect(most).toBe(1)
      expect(existsSync(file)).toBe(false)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("of a process of this machine that is gone is taken over at once", () =>
    Effect.gen(function* () {
      const { file, hold, leave } = newLease()
      leave(`${ownHost}+4194999+`)
      writeFiles(path.dirname(file), { "owner-some-id": "7" })
      expect(yield* waited(hold())).toBeLessThan(times.staleMs)
      expect(readdirSync(path.dirname(file))).toEqual([])
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("that was taken over is left to its new owner", () =>
    Effect.gen(function* () {
      const { file, hold, leave } = newLease()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* hold()
          leave("elsewhere.1+7+")
          yield* Effect.sleep(80)
        })
      )
      expect(readFileSync(file, "utf8")).toContain("elsewhere")
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("that cannot be written is gone without", () =>
    Effect.gen(function* () {
      const { file, hold } = newLease()
      // also for root
      writeFiles(path.dirname(path.dirname(file)), { leases: "no folder" })
      expect(yield* waited(hold())).toBeLessThan(times.staleMs)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("is one that others of a group can read, whatever the umask", () =>
    Effect.gen(function* () {
      const { file, hold } = newLease()
      const before = process.umask(0o077)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* hold()
          yield* Effect.sleep(2 * times.beatMs)
          for (const name of readdirSync(path.dirname(file)))
            expect(statSync(path.join(path.dirname(file), name)).mode & 0o777).toBe(0o644)
        })
      ).pipe(Effect.ensuring(Effect.sync(() => process.umask(before))))
    }).pipe(Effect.provide(Disk.layer))
  )
})

describe("what is left of leases", () => {
  /** A time that is later than all before, and earlier than all after, for the file system's clock too. */
  const now = Effect.gen(function* () {
    yield* Effect.sleep(30)
    const nowMs = Date.now()
    yield* Effect.sleep(30)
    return nowMs
  })

  it.live("is that of a process of this machine that is gone, and that of others once they are silent", () =>
    Effect.gen(function* () {
      const { layout, file, leave } = newLease()
      const named = (name: string): string => path.join(path.dirname(file), name)
      leave("elsewhere.1+7+")
      writeFiles(path.dirname(file), {
        [Digest.ofText("gone")]: `${ownHost}+4194999+\nits-id\n1\n`,
        "owner-its-id": "7",
        "owner-silent": "1",
        [`${Digest.ofText("moved")}.aside`]: "half"
      })
      const beganMs = Date.now() - 60_000
      expect((yield* Lease.left(layout, beganMs)).map(({ name }) => name)).toEqual([Digest.ofText("gone")])
      const sinceMs = yield* now
      // the owner elsewhere lives, and has held its lease for long
      writeFiles(path.dirname(file), { "owner-some-id": "8" })
      const left = new Set((yield* Lease.left(layout, sinceMs)).map(({ name }) => name))
      expect(left.has(path.basename(file))).toBe(false)
      yield* Lease.discard(layout, left, sinceMs)
      expect(readdirSync(layout.leases).sort()).toEqual([path.basename(file), "owner-some-id"].sort())
      const laterMs = yield* now
      const all = new Set((yield* Lease.left(layout, laterMs)).map(({ name }) => name))
      // another takes it meanwhile
      writeFileSync(named(path.basename(file)), `${ownPrefix}\nmine\n2\n`)
      yield* Lease.discard(layout, all, laterMs)
      expect(readdirSync(layout.leases)).toEqual([path.basename(file)])
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("is nothing of one that is held", () =>
    Effect.gen(function* () {
      const { layout, hold } = newLease()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* hold()
          yield* Effect.sleep(100)
          expect(yield* Lease.left(layout, Date.now() - 3 * times.beatMs)).toEqual([])
        })
      )
    }).pipe(Effect.provide(Disk.layer))
  )
})
