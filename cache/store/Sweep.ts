/**
 * Sweep: removes what processes that are gone left behind in the store's scratch folders.
 *
 * Scratch names begin with their owner: host, with the namespace that process ids have a meaning in, and process id. An owner on
 * this host that no longer lives cannot come back for them; those of other hosts, and of other containers, are left alone.
 */
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { Disk, orAbsent } from "./Disk.ts"
import type { Layout } from "./Layout.ts"

/** Two containers may share a host name, and each has a process 7 of its own. */
const pidNamespace = (): string => {
  try {
    return `.${/\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? ""}`
  } catch {
    return ""
  }
}

/** How names of scratch on this machine begin. */
export const ownHost = `${encodeURIComponent(hostname())}${pidNamespace()}`

/** How this process begins the names of its scratch: `<host>+<pid>+`. */
export const ownPrefix = `${ownHost}+${process.pid}+`

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

/** What is known of the process whose scratch has this name. */
export const ownerOf = (name: string): "alive" | "gone" | "elsewhere" => {
  const [host, pid] = name.split("+")
  if (host !== ownHost || pid === undefined) return "elsewhere"
  return isAlive(Number(pid)) ? "alive" : "gone"
}

/** In the folder of a step that is executed: the id of the process that does its work, and where that may write. */
export const processFile = "process"
export const scratchFolder = "scratch"

/** Ends what a run that was killed had started for a step, and which would go on beside the next. Its environment tells that it is that. */
const endOrphans = (work: string): void => {
  try {
    const pid = Number(readFileSync(path.join(work, processFile), "utf8"))
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
    if (environment.includes(`TMPDIR=${path.join(work, scratchFolder)}`)) process.kill(-pid, "SIGKILL")
  } catch {
    // It has ended, or there is no way to know it.
  }
}

/** Removes abandoned scratch, and ends who still writes there. Never fails: what cannot be removed now is tried again by the next run. */
export const sweep = Effect.fnUntraced(function* (layout: Layout) {
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
