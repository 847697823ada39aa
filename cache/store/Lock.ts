/**
 * Lock: one process at a time, held by the kernel.
 *
 * A lock is a name in Linux's abstract socket namespace: the owner listens there. When the owner ends, in any way, the
 * kernel frees the name and closes the connections of all waiters at once. So there is no lock file to go stale, no
 * lease to run out, and nothing to remove by hand.
 *
 * Gotchas:
 * - It works between the processes of one machine (and one network namespace). Two machines on one store may do the
 *   same work twice; they cannot harm each other, since all writes are idempotent and atomic.
 * - On other systems the name is a socket file in the system's temporary folder. A waiter that cannot connect to it
 *   finds it stale, and removes it.
 */
import { rmSync } from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Digest from "../identity/Digest.ts"

const isLinux = process.platform === "linux"

/** `sun_path` holds 108 bytes, so the name is digested. */
const addressOf = (name: string): string => {
  const digest = Digest.ofText(name).slice(0, 40)
  return isLinux ? `\0op-pipe-${digest}` : path.join(tmpdir(), `op-pipe-${digest}.sock`)
}

const tryListen = (address: string): Effect.Effect<net.Server | undefined> =>
  Effect.callback<net.Server | undefined>((resume) => {
    const server = net.createServer((socket) => {
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

/** Waits until the owner ends or releases the lock, which closes the connection. False if there was no owner. */
const waitForOwner = (address: string, onOwner: (pid: string) => void): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    let connected = false
    const socket = net.connect(address)
    socket.once("connect", () => {
      connected = true
    })
    socket.once("data", (bytes) => onOwner(bytes.toString("utf8").trim()))
    socket.once("error", () => undefined)
    socket.once("close", () => resume(Effect.succeed(connected)))
    return Effect.sync(() => socket.destroy())
  })

interface Held {
  readonly server: net.Server
  readonly connections: Set<net.Socket>
}

const release = (held: Held): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    for (const socket of held.connections) socket.destroy()
    held.server.close(() => resume(Effect.void))
  })

const acquire = (address: string, onWait: (pid: string) => void): Effect.Effect<Held> =>
  Effect.gen(function* () {
    let isWaiting = false
    for (;;) {
      const server = yield* tryListen(address)
      if (server !== undefined) {
        const connections = new Set<net.Socket>()
        server.on("connection", (socket) => {
          connections.add(socket)
          socket.once("close", () => connections.delete(socket))
        })
        return { server, connections }
      }
      const waited = yield* waitForOwner(address, (pid) => {
        if (!isWaiting) onWait(pid)
        isWaiting = true
      })
      // a socket file without a listener was left by a process that was killed
      if (!waited && !isLinux) rmSync(address, { force: true })
      if (!waited) yield* Effect.sleep("5 millis")
    }
  })

/**
 * Holds the lock `name` until the scope closes. `onWait` is called once, with the owner's process id, if it has to
 * wait.
 */
export const hold = (name: string, onWait: (pid: string) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(acquire(addressOf(name), onWait), release, { interruptible: true }))
