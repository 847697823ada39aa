/** What Slurm's states come to, where a job left no outcome. */
import { describe, expect, it } from "vitest"
import type { Seen } from "../../../../../core/executor/remote/Engine.ts"
import * as Slurm from "../../../../../core/executor/remote/slurm/Slurm.ts"
import * as Srun from "../../../../../core/executor/remote/slurm/Srun.ts"
import * as States from "../../../../../core/executor/remote/slurm/States.ts"

const resources = { cores: 2, memoryBytes: 2 ** 31, timeMs: 3_600_000, gpus: undefined }
const seen = (state: string, reason = ""): Seen => ({ id: "7", name: "x", token: undefined, state, reason, node: "n1" })
const ended = (state: string, printed = "") => States.ofEnded(seen(state), resources, "train", printed)

describe("a job that left no outcome", () => {
  it.each(["NODE_FAIL", "BOOT_FAIL", "PREEMPTED"])("%s: the machine was lost", (state) => {
    expect(ended(state)).toMatchObject({ isLost: true, reason: expect.stringContaining("n1") })
  })
  it.each(["COMPLETED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED"])("%s: the step failed", (state) => {
    expect(ended(state).isLost).toBe(false)
  })
  it("unknown to the cluster: it was lost", () => {
    expect(States.ofEnded(undefined, resources, "train", "").isLost).toBe(true)
  })
  it("says which limit to raise, and what it was", () => {
    expect(ended("TIMEOUT").reason).toMatch(/time limit \(60 minutes\).*"time" of train in op-pipe\.json/u)
    expect(ended("OUT_OF_MEMORY").reason).toMatch(/more memory than it had \(2048 MiB\).*"memory" of train/u)
  })
  it("knows a memory limit by what was printed, where the state says another thing", () => {
    const printed = "slurmstepd: error: Exceeded job memory limit"
    expect(ended("FAILED", printed).reason).toMatch(/more memory/u)
    expect(ended("CANCELLED", "slurmstepd: error: Detected 1 oom-kill event(s)").reason).toMatch(/more memory/u)
  })
  it("tells the last words", () => {
    expect(ended("FAILED", "no space left on device").reason).toMatch(/FAILED before .*\n.*no space left/su)
  })
})

describe("a step of an allocation that left no outcome", () => {
  const ended = (printed: string) => States.ofEnded(seen("FAILED"), resources, "train", printed)
  it("was lost with its machine, which only its last words say", () => {
    expect(ended("srun: error: Node failure on n2\nsrun: error: n2: task 0: Killed").isLost).toBe(true)
    expect(ended("slurmstepd: error: *** STEP 4.1 ON n2 CANCELLED AT 2026-11-29 DUE TO NODE FAILURE ***").isLost).toBe(
      true
    )
    // its own words say nothing of the machine
    expect(ended("node failure in layer 3").isLost).toBe(false)
  })
  it("says what to do about what srun refuses", () => {
    const printed = "srun: error: Unable to create step for job 5: Memory required by task is not available"
    expect(ended(printed)).toMatchObject({ isLost: false, reason: expect.stringMatching(/last words:.*`memory`/su) })
    expect(ended("srun: error: Unable to confirm allocation for job 5: Invalid job id specified").reason).toMatch(
      /The allocation that op-pipe runs in has ended: `salloc` gets another/u
    )
  })
})

describe("a job that waits", () => {
  it.each(["Priority", "Resources", "Dependency", "None"])("%s passes", (reason) => {
    expect(States.stuckBy(seen("PENDING", reason))).toBeUndefined()
  })
  it.each(["PartitionConfig", "BadConstraints", "AssocGrpCpuLimit", "QOSMaxJobsPerUserLimit"])(
    "%s may not",
    (reason) => {
      expect(States.stuckBy(seen("PENDING", reason))).toBe(reason)
      expect(States.stuckBy(seen("RUNNING", reason))).toBeUndefined()
    }
  )
})

describe("what Slurm prints", () => {
  it("is read", () => {
    const text =
      "12|op-pipe-0123456789abcdef|PENDING|Priority||train@bn 00112233445566aa\n9|other|RUNNING|None|n[1-2]|(null)\n"
    expect(Slurm.parseQueue(text)).toEqual([
      {
        ...{ id: "12", name: "op-pipe-0123456789abcdef", state: "PENDING" },
        ...{ reason: "Priority", node: "", token: "00112233445566aa" }
      },
      { id: "9", name: "other", state: "RUNNING", reason: "None", node: "n[1-2]", token: undefined }
    ])
    expect(Srun.parseSteps("4.0|op-pipe-a-00112233445566aa|n2\n")).toMatchObject([
      { id: "op-pipe-a-00112233445566aa", stepId: "4.0", token: "00112233445566aa", state: "RUNNING", node: "n2" }
    ])
  })
  it("counts the processors of an allocation", () => {
    expect(Srun.processorsIn("2(x3),4")).toBe(10)
    expect(Srun.processorsIn("")).toBe(0)
  })
})
