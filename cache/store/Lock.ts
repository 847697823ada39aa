/**
 * Lock: one process at a time, held by the kernel.
 *
 * A lock is a name in Linux's abstract socket namespace: the owner listens there. When the owner ends, in any way, the
 * kernel frees the name and closes the connections of all waiters at once. So there is no lock file to go stale, no
 * lease to run out, and nothing to remove by hand.
 *
 * Gotchas:
 * - It works between the processes of one machine (and one network namespace). Between machines there are leases
 *   (lock/Lease.ts), where a store may be shared. Without one, two may do the same work twice; they cannot harm each
 *   other, since all writes are idempotent and atomic.
 * - Anybody on the machine can take a name. Who holds one without being op-pipe delays a run by seconds, and no more.
 * - On other systems the name is a socket file in the system's temporary folder. A waiter that cannot connect to it
 *   finds it stale, and removes it.
 */
import { rmSync } from "node:fs"
import type { Server, Socket } from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Digest from "../identity/Digest.ts"
import { net } from "./disk/Late.ts"
import * as Owner from "./lock/Owner.ts"

const isLinux = process.platform === "linux"

/** `sun_path` holds 108 bytes, so the name is digested. */
const addressOf = (name: string): string => {
  const digest = Digest.ofText(name).slice(0, 40)
  return isLinux ? `\0op-pipe-${digest}` : path.join(tmpdir(), `op-pipe-${digest}.sock`)
}

const tryListen = (address: string): Effect.Effect<Server | undefined> =>
  Effect.callback<Server | undefined>((resume) => {
    const server = net().createServer((socket) => {
      socket.on("error", () => undefined)
      // a waiter learns the owner's process id
      socket.write(`${process.pid}\n`)
      socket.unref()
    })
    server.once("error", () => resume(Effect.succeed(undefined)))
    server.listen(address, () => {
      server.unref()
      resume(Effect.succeed(server))
    })
  })

/** How long it is waited for the owner's word, and between looks at it. */
const answerMs = 2000

/** What came of waiting: the owner is gone, there was none, or what holds the name does not answer as op-pipe does. */
type Waited = "gone" | "absent" | "foreign"

/**
 * Waits until the owner ends or releases the lock, which closes the connection. `onOwner` is told of it, in words, and again
 * when it is stopped meanwhile.
 */
const waitForOwner = (address: string, onOwner: (owner: string) => void): Effect.Effect<Waited> =>
  Effect.callback<Waited>((resume) => {
    let outcome: Waited = "absent"
    let pid: string | undefined
    const socket = net().connect(address)
    // an owner that is stopped, or computes, says nothing
    const look = (): void => {
      pid ??= isLinux ? Owner.find(address) : undefined
      if (pid !== undefined) onOwner(Owner.describe(pid))
      else {
        outcome = "foreign"
        socket.destroy()
      }
    }
    const timer = setInterval(look, answerMs)
    socket.once("connect", () => {
      outcome = "gone"
    })
    socket.once("data", (bytes) => {
      pid = bytes.toString("utf8").trim()
      onOwner(Owner.describe(pid))
    })
    socket.once("error", () => undefined)
    socket.once("close", () => {
      clearInterval(timer)
      resume(Effect.succeed(outcome))
    })
    return Effect.sync(() => {
      clearInterval(timer)
      socket.destroy()
    })
  })

interface Held {
  readonly server: Server
  readonly connections: Set<Socket>
}

const release = (held: Held | undefined): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (held === undefined) return resume(Effect.void)
    for (const socket of held.connections) socket.destroy()
    held.server.close(() => resume(Effect.void))
  })

const acquire = (address: string, onWait: (owner: string) => void): Effect.Effect<Held | undefined> =>
  Effect.gen(function* () {
    let told = ""
    for (;;) {
      const server = yield* tryListen(address)
      if (server !== undefined) {
        const connections = new Set<Socket>()
        server.on("connection", (socket) => {
          connections.add(socket)
          socket.once("close", () => connections.delete(socket))
        })
        return { server, connections }
      }
      const waited = yield* waitForOwner(address, (owner) => {
        if (owner !== told) onWait(owner)
        told = owner
      })
      if (waited === "foreign") return undefined
      // a socket file without a listener was left by a process that was killed
      if (waited === "absent" && !isLinux) rmSync(address, { force: true })
      if (waited === "absent") yield* Effect.sleep("5 millis")
    }
  })

/**
 * Holds the lock `name` until the scope closes. If it has to wait, `onWait` is told for whom, in words; again if the owner is
 * stopped meanwhile, with what to do.
 *
 * Goes on without the lock if something that does not answer, and is no process of this user's, has its name: then two may do
 * the same work.
 */
export const hold = (name: string, onWait: (owner: string) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(acquire(addressOf(name), onWait), release, { interruptible: true }))
