import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import * as Lock from "../../../cache/store/Lock.ts"
import { repository } from "../../lib/cli.ts"

const name = (): string => `test ${process.pid} ${Math.random()}`

const holdElsewhere = (lock: string) =>
  Effect.promise(async () => {
    const script = `import * as Effect from "effect/Effect"
      import * as Lock from ${JSON.stringify(path.join(repository, "cache/store/Lock.ts"))}
      Effect.runFork(Effect.scoped(Effect.gen(function* () {
        yield* Lock.hold(${JSON.stringify(lock)}, () => undefined)
        console.log("held")
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 60_000)))
      })))`
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      cwd: repository,
      stdio: ["ignore", "pipe", "inherit"]
    })
    await new Promise((resolve) => child.stdout.once("data", resolve))
    return child
  })

describe("Lock", () => {
  it.live("lets one in at a time", () =>
    Effect.gen(function* () {
      const lock = name()
      let inside = 0
      let most = 0
      const enter = Effect.scoped(
        Effect.gen(function* () {
          yield* Lock.hold(lock, () => undefined)
          inside++
          most = Math.max(most, inside)
          yield* Effect.sleep("2 millis")
          inside--
        })
      )
      yield* Effect.forEach(Array.from({ length: 20 }), () => enter, { concurrency: "unbounded" })
      expect(most).toBe(1)
    })
  )

  it.live("is taken over at once when its owner is killed, and says whom it waited for", () =>
    Effect.gen(function* () {
      const lock = name()
      const owner = yield* holdElsewhere(lock)
      const waitedFor: Array<string> = []
      const waiter = yield* Effect.forkChild(Effect.scoped(Lock.hold(lock, (each) => waitedFor.push(each))))
      while (waitedFor.length === 0) yield* Effect.sleep("20 millis")
      expect(waitedFor).toEqual([`process ${owner.pid}`])
      const killedMs = performance.now()
      owner.kill("SIGKILL")
      yield* Fiber.join(waiter)
      expect(performance.now() - killedMs).toBeLessThan(2000)
    })
  )

  it.live("can be given up on while waiting", () =>
    Effect.gen(function* () {
      const lock = name()
      const owner = yield* holdElsewhere(lock)
      const waiter = yield* Effect.forkChild(Effect.scoped(Lock.hold(lock, () => undefined)))
      yield* Effect.sleep("50 millis")
      yield* Fiber.interrupt(waiter)
      owner.kill("SIGKILL")
    })
  )

  it.live.skipIf(process.platform !== "linux")("says what to do about an owner that is stopped", () =>
    Effect.gen(function* () {
      const lock = name()
      const owner = yield* holdElsewhere(lock)
      owner.kill("SIGSTOP")
      const waitedFor: Array<string> = []
      const waiter = yield* Effect.forkChild(Effect.scoped(Lock.hold(lock, (each) => waitedFor.push(each))))
      yield* Effect.sleep("3 seconds")
      expect(waitedFor.at(-1)).toBe(
        `process ${owner.pid}, which is stopped: let it go on (kill -CONT ${owner.pid}) or end it (kill ${owner.pid})`
      )
      owner.kill("SIGCONT")
      owner.kill("SIGKILL")
      yield* Fiber.join(waiter)
    })
  )

  it.live.runIf(process.platform === "linux" && process.getuid?.() === 0)(
    "is gone without if another user holds its name and does not answer",
    () =>
      Effect.gen(function* () {
        const lock = name()
        const address = `op-pipe-${createHash("sha256").update(lock).digest("hex").slice(0, 40)}`
        const script = `require("net").createServer(() => {}).listen("\\0${address}", () => console.log("held"))`
        const squatter = spawn(process.execPath, ["-e", script], { uid: 65_534, stdio: ["ignore", "pipe", "inherit"] })
        yield* Effect.promise(() => new Promise((resolve) => squatter.stdout.once("data", resolve)))
        const waitedFor: Array<string> = []
        yield* Effect.scoped(Lock.hold(lock, (each) => waitedFor.push(each)))
        expect(waitedFor).toEqual([])
        squatter.kill("SIGKILL")
      })
  )
})
