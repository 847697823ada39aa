/** Slurm: jobs by `sbatch`, all looked at by one `squeue`, ended by `scancel`. */
import { execFile } from "node:child_process"
import * as Effect from "effect/Effect"
import { type Engine, EngineError, type Request, type Resources, type Seen } from "../Engine.ts"
import { failureOf } from "./Said.ts"

/** How long it is waited for an answer of Slurm's: its programs try for long to reach a controller that is away. */
const answerMs = 30_000

const missing = (program: string): EngineError =>
  new EngineError({
    isRefusal: true,
    reason: `${program} is not installed here, or not on PATH`,
    toDo: "Run op-pipe on a login node of the cluster"
  })

/** Calls one of Slurm's programs; its output. */
export const call = (
  program: string,
  args: ReadonlyArray<string>,
  { env, input }: { readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {}
): Effect.Effect<string, EngineError> =>
  Effect.callback((resume) => {
    const options = { timeout: answerMs, maxBuffer: 2 ** 28, ...(env === undefined ? {} : { env }) }
    const child = execFile(program, [...args], options, (cause, stdout, stderr) => {
      if (cause === null) return resume(Effect.succeed(stdout))
      if (cause.code === "ENOENT") return resume(Effect.fail(missing(program)))
      resume(Effect.fail(failureOf(program, stderr.trim() || cause.message)))
    })
    child.stdin?.on("error", () => undefined)
    child.stdin?.end(input ?? "")
  })

export const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** What a job takes, as flags that `sbatch` and `srun` share. */
export const flagsOf = ({ cores, memoryBytes, timeMs, gpus }: Resources): ReadonlyArray<string> => [
  ...["-N1", "-n1", `-c${cores}`],
  ...(memoryBytes === undefined ? [] : [`--mem=${Math.ceil(memoryBytes / 2 ** 20)}M`]),
  ...(timeMs === undefined ? [] : [`--time=${Math.ceil(timeMs / 60_000)}`]),
  ...(gpus === undefined ? [] : [`--gpus=${gpus}`])
]

/** Of a comment that `sbatch` was given. */
const tokenIn = (comment: string): string | undefined => /\b([0-9a-f]{16})$/u.exec(comment)?.[1]

/** The lines of `squeue -o "%i|%j|%T|%r|%N|%k"`. */
export const parseQueue = (text: string): ReadonlyArray<Seen> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [id = "", name = "", state = "", reason = "", node = "", comment = ""] = line.split("|")
      return { id, name, state, reason, node, token: tokenIn(comment) }
    })

export interface SlurmSettings {
  readonly partition: string | undefined
  readonly account: string | undefined
  readonly qos: string | undefined
  readonly constraint: string | undefined
  /** Further flags of `sbatch`, as they are. */
  readonly extra: ReadonlyArray<string>
}

const argumentsOf = (settings: SlurmSettings, { name, step, token, cwd, output, ...resources }: Request) => [
  ...["--parsable", "--no-requeue", `--job-name=${name}`, "--dependency=singleton"],
  // a comment may stand between separators of squeue's
  `--comment=${step.replaceAll(/[|\n]/gu, " ")} ${token}`,
  ...flagsOf(resources),
  ...(settings.partition === undefined ? [] : [`--partition=${settings.partition}`]),
  ...(settings.account === undefined ? [] : [`--account=${settings.account}`]),
  ...(settings.qos === undefined ? [] : [`--qos=${settings.qos}`]),
  ...(settings.constraint === undefined ? [] : [`--constraint=${settings.constraint}`]),
  // of an output's name Slurm fills in what stands behind a %
  ...[`--chdir=${cwd}`, `--output=${output.replaceAll("%", "%%")}`, "--open-mode=append"],
  ...settings.extra
]

export const make = (settings: SlurmSettings): Engine => ({
  type: "slurm",
  submit: (request) =>
    call("sbatch", argumentsOf(settings, request), {
      env: request.env,
      input: `#!/bin/sh\nexec ${request.command.map(quoted).join(" ")}\n`
    }).pipe(
      // --parsable: the id, and behind a semicolon the name of a cluster
      Effect.map((text) => text.trim().split(";")[0] ?? "")
    ),
  look: Effect.map(call("squeue", ["-h", "-t", "all", "--me", "-o", "%i|%j|%T|%r|%N|%k"]), parseQueue),
  cancel: (id) => Effect.asVoid(call("scancel", ["--full", id]))
})
