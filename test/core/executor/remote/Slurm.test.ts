/** Slurm's programs, as they answer where something is missing. */
import { chmodSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import * as Slurm from "../../../../core/executor/remote/Slurm.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

/** What `sbatch` comes to that prints `said` and fails. */
const failing = (said: string) => {
  const folder = temporaryFolder()
  const program = path.join(folder, "sbatch")
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' '${said}' >&2\nexit 1\n`)
  chmodSync(program, 0o755)
  return Effect.runPromise(Effect.flip(Slurm.call("sbatch", [], { env: { PATH: `${folder}:/usr/bin:/bin` } })))
}

it("a cluster that is not configured is refused at once, with where to go", async () => {
  // of 22.05 and of 23.11
  for (const said of [
    "sbatch: fatal: Could not establish a configuration source",
    "sbatch: fatal: Unable to process configuration file"
  ]) {
    const { isRefusal, reason } = await failing(said)
    expect([isRefusal, reason]).toEqual([true, expect.stringContaining("login node")])
  }
})

it("a controller that does not answer may answer later", async () => {
  const { isRefusal } = await failing("sbatch: error: Batch job submission failed: Unable to contact slurm controller")
  expect(isRefusal).toBe(false)
})
