/**
 * States: what the states of Slurm's jobs come to. The outcome that a step's machine wrote is the truth: these are asked only
 * where there is none.
 */
import type { Resources, Seen } from "../Engine.ts"
import { toDoAbout } from "./Said.ts"

const ended = [
  "BOOT_FAIL",
  "CANCELLED",
  "COMPLETED",
  "DEADLINE",
  "FAILED",
  "NODE_FAIL",
  "OUT_OF_MEMORY",
  "PREEMPTED",
  "REVOKED",
  "TIMEOUT"
]

export const isEnded = ({ state }: Seen): boolean => ended.includes(state)

export const isWaiting = ({ state }: Seen): boolean =>
  ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD"].includes(state)

/** Whether an outcome may still be seen of a job: it goes on, or it has ended well and what it wrote is not seen here yet. */
export const mayGive = (seen: Seen | undefined): boolean =>
  seen !== undefined && (!isEnded(seen) || seen.state === "COMPLETED")

/** Reasons that pass by themselves: it is the job's turn later. */
const passing = ["None", "Priority", "Resources", "Dependency", "Cleaning", "Prolog", "BeginTime", "Reservation"]

/** Why a job may wait for ever; undefined of one that only waits for its turn. */
export const stuckBy = (seen: Seen): string | undefined =>
  isWaiting(seen) && seen.reason !== "" && !passing.includes(seen.reason) ? seen.reason : undefined

export interface Ended {
  /** Whether the machine was lost, and the step is not to blame. */
  readonly isLost: boolean
  readonly reason: string
}

const memoryOf = ({ memoryBytes }: Resources): string =>
  memoryBytes === undefined ? "the cluster's default" : `${Math.ceil(memoryBytes / 2 ** 20)} MiB`

const timeOf = ({ timeMs }: Resources): string =>
  timeMs === undefined ? "the cluster's default" : `${Math.ceil(timeMs / 60_000)} minutes`

/** Where to raise a limit. */
const raise = (what: string, step: string): string =>
  `Give it more: "${what}" of ${step} in op-pipe.json, or of its stage or step. A checkpoint, where the step saved one, is kept`

const outOfMemory = (resources: Resources, step: string): Ended => ({
  isLost: false,
  reason: `its job needed more memory than it had (${memoryOf(resources)}), and was ended. ${raise("memory", step)}`
})

/** What Slurm prints where it ended a job for its memory, under a state that says no such thing. */
const isAboutMemory = (printed: string): boolean =>
  /oom[-_ ]?kill|out of memory|exceeded (?:job|step) memory limit|memory limit/iu.test(printed)

/** What `srun` prints of a machine that was lost: the step of an allocation has no state of its own that says so. */
const isAboutLoss = (printed: string): boolean => /node failure|due to preemption/iu.test(printed)

/** The words of Slurm's own programs, by which a step of an allocation is all that is told of its end. */
const ofSlurm = (printed: string): string =>
  printed
    .split("\n")
    .filter((line) => /^(?:srun|slurmstepd|slurmd): /u.test(line))
    .join("\n")

/**
 * What is known of a job that ended without an outcome; `seen` is undefined of one that the engine does not know any more.
 * `printed` is the end of what it printed.
 */
export const ofEnded = (seen: Seen | undefined, resources: Resources, step: string, printed: string): Ended => {
  if (isAboutMemory(printed)) return outOfMemory(resources, step)
  const words = printed === "" ? "" : `. Its last words:\n${printed}`
  if (seen === undefined)
    return { isLost: true, reason: `its job is unknown to the cluster, and left no outcome${words}` }
  const { id, state, node } = seen
  if (isAboutLoss(ofSlurm(printed))) return { isLost: true, reason: `the machine of its job was lost${words}` }
  const on = node === "" ? "" : ` on ${node}`
  switch (state) {
    case "OUT_OF_MEMORY":
      return outOfMemory(resources, step)
    case "TIMEOUT":
    case "DEADLINE":
      return {
        isLost: false,
        reason: `its job reached its time limit (${timeOf(resources)}), and was ended. ${raise("time", step)}`
      }
    case "NODE_FAIL":
    case "BOOT_FAIL":
      return { isLost: true, reason: `the machine of its job was lost${on} (${state})` }
    case "PREEMPTED":
      return { isLost: true, reason: `its job had to make room for another${on} (PREEMPTED)` }
    case "CANCELLED":
    case "REVOKED":
      return {
        isLost: false,
        reason: `its job ${id} was cancelled, and not by this run. Ask who did (\`scontrol show job ${id}\`), or run again`
      }
    default: {
      const toSee =
        ". Nothing of it was seen here: is the store, and is op-pipe, where all machines of the cluster see it?"
      const toDo = toDoAbout(ofSlurm(printed))
      const more = printed === "" ? toSee : `${words}${toDo === undefined ? "" : `\n${toDo}`}`
      return { isLost: false, reason: `its job ${id} ended${on} as ${state} before the step was done${more}` }
    }
  }
}
