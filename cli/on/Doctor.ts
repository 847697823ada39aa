/** Doctor: what `op-pipe doctor` says of clusters: which are in reach from here, what they are made of, and what is missing. */
import * as Effect from "effect/Effect"
import * as Slurm from "../../core/executor/remote/slurm/Slurm.ts"
import type * as Toolchain from "../../core/pipeline/Toolchain.ts"
import * as Clusters from "./Clusters.ts"

const row = (name: string, given: Partial<Toolchain.CheckRow>): Toolchain.CheckRow => ({
  ...{ name, available: false, versions: {}, detail: "", howToGet: "" },
  ...given
})

/** `3 nodes: 2 processors, 2000 MB each` of `sinfo`'s lines; nodes of one kind are counted together. */
export const describeNodes = (text: string): string => {
  const kinds = new Map<string, number>()
  for (const line of text.split("\n")) {
    const [nodes, cpus, memory, gpus = ""] = line.trim().split("|")
    if (cpus === undefined) continue
    const kind = `${cpus} processors, ${Math.round(Number.parseInt(memory ?? "0", 10) / 1024)} GiB${gpus === "(null)" || gpus === "" ? "" : `, ${gpus}`}`
    kinds.set(kind, (kinds.get(kind) ?? 0) + Number(nodes))
  }
  const described = Array.from(kinds, ([kind, count]) => `${count} × ${kind}`)
  return described.length === 0 ? "no nodes" : described.join("; ")
}

const slurmRow = Effect.fnUntraced(function* (name: string, { partition }: Clusters.Cluster) {
  const of = partition === undefined ? [] : ["-p", partition]
  const asked = yield* Effect.result(
    Effect.all([Slurm.call("sinfo", ["-h", ...of, "-o", "%D|%c|%m|%G"]), Slurm.call("sbatch", ["--version"])])
  )
  if (asked._tag === "Failure") {
    const { isRefusal, reason, toDo = "Try `sinfo`: op-pipe asks what that asks" } = asked.failure
    return row(name, { detail: isRefusal ? reason : `the cluster does not answer: ${reason}`, howToGet: toDo })
  }
  const [nodes, version] = asked.success
  const slurm = version.trim().replace(/^slurm\S* /u, "")
  const detail = `Slurm ${slurm}${partition === undefined ? "" : `, partition ${partition}`}: ${describeNodes(nodes)}`
  return row(name, { available: true, versions: { slurm }, detail })
})

const srunRow = (name: string): Toolchain.CheckRow => {
  const job = process.env["SLURM_JOB_ID"]
  return job === undefined
    ? row(name, { detail: "not in an allocation", howToGet: "Get one: `salloc --ntasks=8`" })
    : row(name, { available: true, detail: `in the allocation ${job}` })
}

/** A row for each executor of the pipeline in `root`; for those that need no file, where Slurm is here. */
export const rows = Effect.fn("Doctor.rows")(function* (root: string | undefined) {
  const all = Object.entries(yield* Clusters.configured(root ?? "."))
  const missing = Clusters.missingPrograms()
  const isBuiltIn = ([name]: readonly [string, Clusters.Cluster]): boolean => name === "slurm" || name === "srun"
  if (missing.length > 0) {
    const howToGet = "Run op-pipe on a login node of the cluster (on Debian, slurm-client has these programs)"
    const detail = `no ${missing.join(", ")} on PATH`
    return all.filter((each) => !isBuiltIn(each)).map(([name]) => row(name, { detail, howToGet }))
  }
  return yield* Effect.forEach(all, ([name, cluster]) =>
    cluster.type === "srun" ? Effect.succeed(srunRow(name)) : slurmRow(name, cluster)
  )
})
