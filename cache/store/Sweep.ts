/**
 * Sweep: removes what dead processes left in the store's scratch folders.
 *
 * Scratch names begin with their owner: host (with its process id namespace) and process id. A dead owner on this host
 * cannot come back for them. Whether one of another host or container lives cannot be seen from here: its scratch is left alone
 * until it has shown no sign of life for a week.
 */
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk, orAbsent } from "./Disk.ts"
import * as Calls from "./disk/Calls.ts"
import type { Layout } from "./Layout.ts"

/** Two containers may share a host name, and each has a process 7 of its own. */
const pidNamespace = (): string => {
  try {
    return `.${/\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? ""}`
  } catch {
    return ""
  }
}

/** The prefix of scratch names of this machine. */
export const ownHost = `${encodeURIComponent(hostname())}${pidNamespace()}`

/** The prefix of this process's scratch names: `<host>+<pid>+`. */
export const ownPrefix = `${ownHost}+${process.pid}+`

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

/** The state of the process that owns the scratch of this name. */
export const ownerOf = (name: string): "alive" | "gone" | "elsewhere" => {
  const [host, pid] = name.split("+")
  if (host !== ownHost || pid === undefined) return "elsewhere"
  return isAlive(Number(pid)) ? "alive" : "gone"
}

/** In the place of a host: scratch of a job of a cluster, which may be on any machine, or wait for one. */
const jobOwner = "job"

/** The name of the folder in the store's `work/` that a submission of a job works in. */
export const jobWork = (token: string): string => `${jobOwner}+${token}`

const dayMs = 24 * 3_600_000

/** How long scratch that is not of this machine counts as in use after its last sign of life. */
export const elsewhereMs = (name: string): number => (name.startsWith(`${jobOwner}+`) ? 60 : 7) * dayMs

/** In the folder of a running step: the id of the process that does its work, and where that process may write. */
export const processFile = "process"
export const scratchFolder = "scratch"

const beatMs = 3_600_000

/** Gives signs of life in the folder of a running step until the scope closes. */
export const beat = Effect.fnUntraced(function* (work: string, everyMs = beatMs) {
  const disk = yield* Disk
  // what the folder itself was changed by last is about when the step began
  const sign = Effect.ignore(disk.touch([path.join(work, processFile)]))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(everyMs), sign)))
})

/** When the scratch at `location` was made, and when it last showed a sign of life; undefined if it is gone. */
export const timesOf = Effect.fnUntraced(function* (location: string) {
  const disk = yield* Disk
  const [own, alive] = yield* disk.stats([location, path.join(location, processFile)])
  return own === undefined ? undefined : { madeMs: own.mtimeMs, aliveMs: Math.max(own.mtimeMs, alive?.mtimeMs ?? 0) }
})

/**
 * Ends the process that a killed run had started for a step, which would go on during the next run. Its environment
 * identifies it.
 */
const endOrphans = (work: string): void => {
  try {
    const pid = Number(Calls.readText(path.join(work, processFile)))
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
    if (environment.includes(`TMPDIR=${path.join(work, scratchFolder)}`)) process.kill(-pid, "SIGKILL")
  } catch {
    // it has ended, or cannot be identified
  }
}

/** Removes abandoned scratch, and ends processes that still write there. Never fails: the next run tries again. */
export const sweep = Effect.fnUntraced(function* (layout: Layout, nowMs = Date.now()) {
  const disk = yield* Disk
  for (const folder of [layout.temporary, layout.work]) {
    const entries = yield* orAbsent(disk.list(folder)).pipe(Effect.orElseSucceed(() => ({ _tag: "None" }) as const))
    if (entries._tag === "None") continue
    for (const { name } of entries.value) {
      const owner = ownerOf(name)
      if (owner === "alive") continue
      const location = path.join(folder, name)
      if (owner === "elsewhere") {
        const times = Option.getOrUndefined(yield* Effect.option(timesOf(location)))
        if (times === undefined || nowMs - times.aliveMs < elsewhereMs(name)) continue
      } else endOrphans(location)
      yield* Effect.ignore(disk.remove(location))
    }
  }
})
