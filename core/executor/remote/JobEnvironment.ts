/** JobEnvironment: the variables that a job begins with: what op-pipe needs there, what the step has passed on, and no more. */
import type { StepTask } from "../StepTask.ts"
import type { Engine } from "./Engine.ts"

/** What op-pipe, Node and Slurm's own programs go by. */
const passed = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NODE_OPTIONS"],
  ...["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "OP_PIPE_CACHE_DIR", "OP_PIPE_BUNDLE", "SLURM_CONF"]
]

/** Defaults of a user's for `sbatch`; what it passes on is decided here. */
const isDefault = (name: string): boolean => name.startsWith("SBATCH_") && !name.startsWith("SBATCH_EXPORT")

/** What tells `srun` of the allocation that it is in. */
const isOfAllocation = (name: string): boolean => name.startsWith("SLURM_")

export const environmentFor = ({ type }: Engine, { passEnv, secrets }: StepTask): Readonly<Record<string, string>> => {
  const own = new Set([...passed, ...passEnv, ...secrets])
  const isPassed = (name: string): boolean =>
    own.has(name) || (type === "srun" ? isOfAllocation(name) : isDefault(name))
  const entries = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && isPassed(name) ? [[name, value] as const] : []
  )
  return Object.fromEntries(entries)
}
