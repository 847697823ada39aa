/** On: where a run has its steps done: here, unless `--on` names a cluster. What speaks to one is loaded only then. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as LocalExecutor from "../../core/executor/LocalExecutor.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as Project from "../Project.ts"
import type { OnFlags, Where } from "./Where.ts"

export const flags = {
  on: Flags.text(
    "on",
    "NAME",
    "Where steps are done: local, an executor of op-pipe.json, slurm, or srun; default: local"
  ),
  jobs: Flags.natural("jobs", 1, "With --on: how many jobs there may be at a time"),
  detach: Flags.toggle("detach", "With --on: leave jobs to go on when the run is ended; the next one waits for them")
}

type RunFlags = OnFlags & Pick<Project.ProjectFlags, "file" | "cores">

/** Where the steps of a run are done. Fails for a name that is none, and where the cluster is out of reach from here. */
export const executorOf = Effect.fnUntraced(function* (asked: RunFlags, notify: (text: string) => void) {
  const { on, jobs, detach, cores, file } = asked
  const here: Where = { executor: () => LocalExecutor.layer, cores, jobs: undefined }
  if (on === undefined || on === "local") {
    if (jobs === undefined && !detach) return here
    const flag = detach ? "--detach" : `--jobs ${jobs}`
    const message = `${flag}: expected steps to be done on a cluster, but they are done here. Name one: --on NAME (--cores says how many cores are used here)`
    return yield* new UsageError({ message })
  }
  const root = path.dirname(yield* Project.locate(file))
  const { open } = yield* Effect.promise(() => import("./Clusters.ts"))
  return yield* open(root, { on, jobs, detach, cores }, notify)
})
