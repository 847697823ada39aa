/**
 * Sweep: removes what processes that are gone left behind in the store's scratch folders.
 *
 * Scratch names begin with their owner (host and process id). An owner on this host that no longer lives cannot come back
 * for them; those of other hosts are left alone.
 */
import { hostname } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { Disk, orAbsent } from "./Disk.ts"
import type { Layout } from "./Layout.ts"

/** How this process begins the names of its scratch: `<host>+<pid>+`. */
export const ownPrefix = `${encodeURIComponent(hostname())}+${process.pid}+`

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

const isAbandoned = (name: string): boolean => {
  const [host, pid] = name.split("+")
  return host === encodeURIComponent(hostname()) && pid !== undefined && !isAlive(Number(pid))
}

/** Removes abandoned scratch. Never fails: what cannot be removed now is tried again by the next run. */
export const sweep = Effect.fnUntraced(function* (layout: Layout) {
  const disk = yield* Disk
  for (const folder of [layout.temporary, layout.work]) {
    const entries = yield* orAbsent(disk.list(folder)).pipe(Effect.orElseSucceed(() => ({ _tag: "None" }) as const))
    if (entries._tag === "None") continue
    for (const entry of entries.value) {
      if (isAbandoned(entry.name)) yield* Effect.ignore(disk.remove(path.join(folder, entry.name)))
    }
  }
})
