/**
 * Srun: steps of the run as steps of an allocation (`salloc`, or a batch job): they begin in milliseconds, and the scheduler sees
 * one job.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import type { Engine, EngineError, Request, Seen } from "../Engine.ts"
import { failureOf } from "./Said.ts"
import { call, flagsOf } from "./Slurm.ts"

/** How many processors an allocation has, as `SLURM_JOB_CPUS_PER_NODE` says it: `2(x3),4`. */
export const processorsIn = (text: string): number =>
  Array.from(text.matchAll(/(\d+)(?:\(x(\d+)\))?/gu), ([, each, times = "1"]) => Number(each) * Number(times)).reduce(
    (sum, each) => sum + each,
    0
  )

/** Another submission of a key has another name: that is all by which a step of an allocation is known. */
const stepName = ({ name, token }: Pick<Request, "name" | "token">): string => `${name}-${token}`
const tokenIn = (name: string): string | undefined => /-([0-9a-f]{16})$/u.exec(name)?.[1]

/** The lines of `squeue --steps -o "%i|%j|%N"`. */
export const parseSteps = (text: string): ReadonlyArray<Seen & { readonly stepId: string }> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [stepId = "", name = "", node = ""] = line.split("|")
      return { id: name, name, token: tokenIn(name), state: "RUNNING", reason: "", node, stepId }
    })

const argumentsOf = (request: Request): ReadonlyArray<string> => [
  ...["--exact", "--input=none", "--kill-on-bad-exit=0", `--job-name=${stepName(request)}`],
  ...flagsOf(request),
  // else one step would take all of the allocation's memory, and the others wait for it
  ...(request.memoryBytes === undefined ? ["--mem=0"] : []),
  `--chdir=${request.cwd}`,
  ...request.command
]

/** The engine of the allocation `job`. */
export const make = (job: string): Engine => {
  const own = new Map<string, ChildProcess>()
  const isOver = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null
  const steps = Effect.map(call("squeue", ["-h", "--steps", "-j", job, "-o", "%i|%j|%N"]), parseSteps)
  const submit = (request: Request): Effect.Effect<string, EngineError> =>
    Effect.callback((resume) => {
      const printed = openSync(request.output, "a")
      const options = { cwd: request.cwd, env: { ...request.env }, detached: true }
      const child = spawn("srun", [...argumentsOf(request)], { ...options, stdio: ["ignore", printed, printed] })
      closeSync(printed)
      child.once("error", ({ message }) => resume(Effect.fail(failureOf("srun", message))))
      child.once("spawn", () => {
        own.set(stepName(request), child)
        resume(Effect.succeed(stepName(request)))
      })
      child.unref()
    })
  const look: Engine["look"] = Effect.map(steps, (running) => {
    const listed = new Set(running.map(({ id }) => id))
    const others = Array.from(own).filter(([id]) => !listed.has(id))
    const seen = others.map(([id, child]): Seen => {
      const state = isOver(child) ? (child.exitCode === 0 ? "COMPLETED" : "FAILED") : "PENDING"
      return { id, name: id, token: tokenIn(id), state, reason: "", node: "" }
    })
    return [...running, ...seen]
  })
  const cancel: Engine["cancel"] = Effect.fnUntraced(function* (id) {
    const child = own.get(id)
    const step = (yield* steps).find((each) => each.id === id)
    if (step !== undefined) yield* call("scancel", [step.stepId])
    // one that waits for its turn is not listed
    else if (child?.pid !== undefined && !isOver(child)) process.kill(-child.pid, "SIGKILL")
  })
  return { type: "srun", submit, look, cancel }
}
