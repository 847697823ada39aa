/** Slurm's programs, as they answer where something is missing or refused: whether that is for good, and what to do next. */
import { chmodSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import * as Slurm from "../../../../../core/executor/remote/slurm/Slurm.ts"
import { temporaryFolder } from "../../../../lib/temporary.ts"

/** What `sbatch` comes to that prints `said` and fails. */
const failing = (said: string) => {
  const folder = temporaryFolder()
  const program = path.join(folder, "sbatch")
  writeFileSync(program, `#!/bin/sh\ncat >&2 <<'END'\n${said}\nEND\nexit 1\n`)
  chmodSync(program, 0o755)
  return Effect.runPromise(Effect.flip(Slurm.call("sbatch", [], { env: { PATH: `${folder}:/usr/bin:/bin` } })))
}

const submission = "sbatch: error: Batch job submission failed:"

describe("what is refused", () => {
  it.each([
    // no cluster is configured: of 22.05, of 23.11, and of one that asks the DNS
    ["sbatch: fatal: Could not establish a configuration source", "login node"],
    ["sbatch: fatal: Unable to process configuration file", "login node"],
    ["sbatch: error: fetch_config: DNS SRV lookup failed", "login node"],
    [`${submission} Incompatible versions of client and server code`, "own version first on PATH"],
    [`sbatch: error: invalid partition specified: gpus\n${submission} Invalid partition name specified`, "sinfo -s"],
    [`${submission} No partition specified or system default partition`, "`partition` in op-pipe.json"],
    [`${submission} Invalid account or account/partition combination specified`, "sacctmgr"],
    [`${submission} Invalid qos specification`, "`qos`"],
    [`${submission} Invalid feature specification`, "`constraint`"],
    [`${submission} Invalid generic resource (gres) specification`, "`gpus`"],
    [`${submission} Requested time limit is invalid (missing or exceeds some limit)`, "`time`"],
    [`${submission} Requested node configuration is not available`, "`memory`"],
    [`${submission} Memory specification can not be satisfied`, "`memory`"],
    ["sbatch: error: CPU count per node can not be satisfied", "`cores`"],
    [`${submission} Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)`, "--jobs"],
    ["sbatch: unrecognized option '--nodelits=n1'\nTry \"sbatch --help\" for more information", "`extra`"],
    [`${submission} User's group not permitted to use this partition`, "Ask those who run the cluster"],
    ["srun: error: Unable to confirm allocation for job 5: Invalid job id specified", "salloc"]
  ])("%s", async (said, toDo) => {
    const error = await failing(said)
    expect([error.isRefusal, error.message]).toEqual([true, expect.stringContaining(toDo)])
  })

  it("in words that are not known is told in these words, each once", async () => {
    const { isRefusal, message } = await failing(
      "sbatch: error: Say which project\nsbatch: error: such is not available"
    )
    expect([isRefusal, message]).toEqual([true, "sbatch: Say which project; such is not available"])
  })

  it("since a program is not there says where it is", async () => {
    const { isRefusal, message } = await Effect.runPromise(Effect.flip(Slurm.call("squeue-not-here", [])))
    expect([isRefusal, message]).toEqual([true, expect.stringContaining("login node")])
  })
})

describe("what may be taken later", () => {
  it.each([
    [`${submission} Unable to contact slurm controller (connect failure)`, "sinfo"],
    [`${submission} Socket timed out on send/recv operation`, "sinfo"],
    ['sbatch: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2": No such file', "munged"],
    [`${submission} Protocol authentication error`, "munged"],
    [
      `sbatch: error: AssocMaxSubmitJobLimit\n${submission} Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)`,
      "fewer jobs at a time"
    ],
    [`${submission} Slurm temporarily unable to accept job, sleeping and retrying`, "fewer jobs at a time"]
  ])("%s", async (said, toDo) => {
    const error = await failing(said)
    expect([error.isRefusal, error.message]).toEqual([false, expect.stringContaining(toDo)])
  })
})
