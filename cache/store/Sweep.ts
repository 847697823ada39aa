/**
 * Sweep: removes what dead processes left in the store's scratch folders.
 *
 * Scratch names begin with their owner: host (with its process id namespace) and process id. A dead owner on this host
 * cannot come back for them. Scratch of other hosts and containers is left alone.
 */
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
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

/** In the folder of a running step: the id of the process that does its work, and where that process may write. */
export const processFile = "process"
export const scratchFolder = "scratch"

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
export const sweep = Effect.fn("Sweep.sweep")(function* (layout: Layout) {
  const disk = yield* Disk
  for (const folder of [layout.temporary, layout.work]) {
    const entries = yield* orAbsent(disk.list(folder)).pipe(Effect.orElseSucceed(() => ({ _tag: "None" }) as const))
    if (entries._tag === "None") continue
    for (const entry of entries.value) {
      if (ownerOf(entry.name) !== "gone") continue
      endOrphans(path.join(folder, entry.name))
      yield* Effect.ignore(disk.remove(path.join(folder, entry.name)))
    }
  }
})
