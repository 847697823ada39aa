/**
 * Lock: one process at a time, held by the kernel.
 *
 * A lock is a name in Linux's abstract socket namespace: to hold it is to listen there. When the owner ends, however it
 * ends, the kernel takes the name back and every waiter, connected to it, is told at once. So there is no lock file to go
 * stale, no lease to run out, and nothing to remove by hand.
 *
 * Gotchas:
 * - It works among the processes of one machine (and one network namespace). Two machines on one store may do the same
 *   work twice; they cannot harm each other, since all writes are idempotent and whole.
 * - Elsewhere than on Linux the name is a socket file in the system's temporary folder; a stale one is found by
 *   connecting to it, and removed.
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
      // Who waits is told whom it waits for.
      socket.write(`${process.pid}\n`)
      socket.unref()
    })
    server.once("error", () => resume(Effect.succeed(undefined)))
    server.listen(address, () => {
      server.unref()
      resume(Effect.succeed(server))
    })
  })

/** Waits until the owner closes the connection, which it does by ending or by letting go. False if nobody listened. */
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
      // A socket file that nobody listens to was left by a process that was killed.
      if (!waited && !isLinux) rmSync(address, { force: true })
      if (!waited) yield* Effect.sleep("5 millis")
    }
  })

/** Holds the lock `name` until the scope closes. `onWait` is told once, with the owner's process id, if there is a wait. */
export const hold = (name: string, onWait: (pid: string) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(acquire(addressOf(name), onWait), release, { interruptible: true }))
