/**
 * Clusters: the executors of `op-pipe.json` (and the user's own file), by name: which cluster, and what its jobs take.
 *
 * `slurm` and `srun` are there without a file: Slurm with its own defaults, and the allocation that op-pipe runs in.
 */
import { accessSync, constants } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as FrameworkFiles from "../../core/executor/FrameworkFiles.ts"
import type { Engine } from "../../core/executor/remote/Engine.ts"
import * as JobExecutor from "../../core/executor/remote/JobExecutor.ts"
import * as Slurm from "../../core/executor/remote/slurm/Slurm.ts"
import * as Srun from "../../core/executor/remote/slurm/Srun.ts"
import * as Limits from "../../core/pipeline/Limits.ts"
import { unknownName } from "../../core/plan/SettingsError.ts"
import * as ConfigFile from "../config/ConfigFile.ts"
import { UsageError } from "../Failure.ts"
import type { OnFlags, Where } from "./Where.ts"

const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const Step = Schema.Struct({
  cores: Schema.optionalKey(Natural),
  memory: Schema.optionalKey(Schema.String),
  time: Schema.optionalKey(Schema.String),
  gpus: Schema.optionalKey(Natural),
  local: Schema.optionalKey(Schema.Boolean)
})

const Cluster = Schema.Struct({
  type: Schema.Literals(["slurm", "srun"]),
  partition: Schema.optionalKey(Schema.String),
  account: Schema.optionalKey(Schema.String),
  qos: Schema.optionalKey(Schema.String),
  constraint: Schema.optionalKey(Schema.String),
  extra: Schema.optionalKey(Schema.Array(Schema.String)),
  jobs: Schema.optionalKey(Natural),
  cores: Schema.optionalKey(Natural),
  seenWithin: Schema.optionalKey(Schema.String),
  steps: Schema.optionalKey(Schema.Record(Schema.String, Step))
})
export type Cluster = typeof Cluster.Type

const Section = Schema.Record(Schema.String, Cluster)
const expected = `{"executors": {"hpc": {"type": "slurm", "partition": "gpu", "jobs": 50, "steps": {"train*": {"cores": 8, "memory": "16 GiB", "time": "4 hours"}}}}}`

/** All that are configured, and those that need no file. */
export const configured = Effect.fnUntraced(function* (root: string) {
  const files = [ConfigFile.ofUser(), ConfigFile.ofProject(root)]
  const sections = yield* Effect.forEach(files, (file) => ConfigFile.section(file, "executors", Section, expected))
  const builtIn = { slurm: { type: "slurm" }, srun: { type: "srun" } } as const
  const all: Readonly<Record<string, Cluster>> = Object.assign(
    {},
    builtIn,
    ...sections.filter((each) => each !== undefined)
  )
  return all
})

/** The executor called `name`. */
export const find = Effect.fnUntraced(function* (root: string, name: string) {
  const all = yield* configured(root)
  const cluster = all[name]
  if (cluster !== undefined) return cluster
  return yield* unknownName(`--on ${name}`, "executors", ["local", ...Object.keys(all)], name)
})

const isProgram = (name: string): boolean =>
  (process.env["PATH"] ?? "").split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** The programs of Slurm's that are not here. */
export const missingPrograms = (): ReadonlyArray<string> =>
  ["sbatch", "squeue", "scancel", "srun"].filter((name) => !isProgram(name))

/** The engine of a cluster. Fails where it is out of reach from here. */
export const engineOf = Effect.fnUntraced(function* (name: string, cluster: Cluster) {
  const missing = missingPrograms()
  if (missing.length > 0) {
    const toDo =
      "Run op-pipe where you would submit a job (a login node; on Debian, slurm-client has them), or without --on"
    const message = `--on ${name}: expected Slurm's programs on PATH, but found no ${missing.join(", ")}. ${toDo}`
    return yield* new UsageError({ message })
  }
  const { partition, account, qos, constraint, extra = [] } = cluster
  if (cluster.type === "slurm") return Slurm.make({ partition, account, qos, constraint, extra })
  const job = process.env["SLURM_JOB_ID"]
  if (job !== undefined) return Srun.make(job)
  const message = `--on ${name}: expected to be in an allocation, but SLURM_JOB_ID is not set. Get one (\`salloc --ntasks=8\`), or use --on with an executor of the type slurm`
  return yield* new UsageError({ message })
})

/** `*` stands for any characters. */
const isLike = (pattern: string, step: string): boolean =>
  new RegExp(
    `^${pattern
      .split("*")
      .map((each) => each.replaceAll(/[\\^$.*+?()[\]{}|]/gu, "\\$&"))
      .join(".*")}$`,
    "su"
  ).test(step)

/** A length of time and an amount of memory, in the words that stages have for them. */
const limitsOf = (of: string, time: string | undefined, memory: string | undefined) =>
  Effect.try({
    try: () => {
      const declared = {
        ...(time === undefined ? {} : { timeout: time as Limits.Time }),
        ...(memory === undefined ? {} : { memory: memory as Limits.Memory })
      }
      return Limits.of(of, declared)
    },
    catch: (cause) => new UsageError({ message: (cause as Error).message.replace(/\btimeout\b/u, "a time") })
  })

type Settings = typeof Step.Type

const stepSettings = Effect.fnUntraced(function* (of: string, { time, memory, local = false, ...counts }: Settings) {
  const { timeoutMs, memoryBytes } = yield* limitsOf(of, time, memory)
  const settings: JobExecutor.StepSettings = {
    ...counts,
    ...(local ? { local } : {}),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(timeoutMs === undefined ? {} : { timeMs: timeoutMs })
  }
  return settings
})

/** What is configured for a step: of each setting, by the last pattern that the step is like and that says it. */
export const settingsOf = Effect.fnUntraced(function* (name: string, { steps = {} }: Cluster) {
  const all = yield* Effect.forEach(Object.entries(steps), ([pattern, given]) =>
    Effect.map(stepSettings(`${name}.steps["${pattern}"]`, given), (settings) => [pattern, settings] as const)
  )
  return (step: string): JobExecutor.StepSettings =>
    Object.assign({}, ...all.filter(([pattern]) => isLike(pattern, step)).map(([, settings]) => settings))
})

const defaultJobs = 50
const defaultUnseenMs = 30_000

const jobsOf = ({ type, jobs }: Cluster): number => {
  const processors = Srun.processorsIn(process.env["SLURM_JOB_CPUS_PER_NODE"] ?? "")
  return jobs ?? (type === "srun" && processors > 0 ? processors : defaultJobs)
}

/** How op-pipe is called for a job of a project. */
const commandFor = (file: string, store: string): ReadonlyArray<string> => {
  const program = path.resolve(FrameworkFiles.startFile("."), "../../bin/op-pipe.cjs")
  return [process.execPath, program, "job", "--file", file, "--store", store]
}

/** The executor that `asked.on` names, for a pipeline in `root`. */
export const open = Effect.fnUntraced(function* (
  root: string,
  asked: OnFlags & { readonly on: string; readonly cores: number | undefined },
  notify: (text: string) => void
) {
  const { on, jobs, detach } = asked
  const cluster = yield* find(root, on)
  const engine: Engine = yield* engineOf(on, cluster)
  const of = yield* settingsOf(on, cluster)
  const { timeoutMs = defaultUnseenMs } = yield* limitsOf(`${on}.seenWithin`, cluster.seenWithin, undefined)
  const atOnce = jobs ?? jobsOf(cluster)
  const where: Where = {
    jobs: atOnce,
    executor: ({ pipelineFile, storeDir }) =>
      JobExecutor.layer({
        engine,
        of,
        jobs: atOnce,
        command: commandFor(pipelineFile, storeDir),
        cwd: root,
        detach,
        unseenMs: timeoutMs,
        notify
      }),
    // what this machine has says nothing of those there
    cores: asked.cores ?? cluster.cores ?? 1
  }
  return where
})
