/**
 * A Slurm cluster as labs have them: Debian's packages, on loopback, in a second. A node is a slurmd in namespaces of its own: its
 * own host name and process ids, and the files of this machine. Where there are no namespaces to be had, there is one node.
 */
import { execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { freePorts } from "./cacheServer.ts"

export interface Cluster {
  /** For programs that are to speak to it. */
  readonly env: Readonly<Record<string, string>>
  readonly nodes: number
  /** Jobs that wait or run. */
  readonly active: () => ReadonlyArray<string>
  /** Calls one of Slurm's programs. */
  readonly call: (program: string, ...args: ReadonlyArray<string>) => string
  /** Node `number` loses its power: all its processes are gone at once. */
  readonly lose: (number: number) => void
  /** Of node `number` only slurmd dies: jobs go on there, and nobody knows. */
  readonly cut: (number: number) => void
  /** Starts slurmd of node `number` again, whose jobs have gone on. */
  readonly mend: (number: number) => Promise<void>
  /** Starts node `number`, again if it was lost or cut. */
  readonly restore: (number: number) => Promise<void>
  /** Ends and starts what all else asks. */
  readonly stopController: () => Promise<void>
  /** The same at once, so that it forgets what it has not noted yet. */
  readonly killController: () => Promise<void>
  /** All nodes take jobs, also those that a controller set aside which had forgotten of a job there. */
  readonly ready: () => Promise<void>
  readonly startController: () => Promise<void>
  readonly down: () => Promise<void>
}

export interface ClusterOptions {
  readonly nodes?: number
  readonly cpus?: number
  readonly memoryMb?: number
}

/** Whether there can be one: its daemons are Linux's, and root's. */
export const isPossible = process.platform === "linux" && process.getuid?.() === 0

const programs = ["munged", "slurmctld", "slurmd", "sbatch"]
const places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]

const namespaces = ["--uts", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]

/** Whether a process runs; one that nobody has asked for its end does not. */
const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/mu.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

const pidIn = (file: string): number | undefined =>
  existsSync(file) ? Number(readFileSync(file, "utf8").trim()) || undefined : undefined

const end = async (pid: number | undefined, signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
  if (pid === undefined || !isAlive(pid)) return
  process.kill(pid, signal)
  for (let waitedMs = 0; isAlive(pid); waitedMs += 20) {
    if (waitedMs > 3000) process.kill(pid, "SIGKILL")
    await setTimeout(20)
  }
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim()
  } catch {
    // it has ended
    return ""
  }
}

const children = (pid: number): ReadonlyArray<number> =>
  readdirSync("/proc").flatMap((name) => {
    try {
      return /^\d+$/u.test(name) &&
        readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === `${pid}`
        ? [Number(name)]
        : []
    } catch {
      return []
    }
  })

const configuration = (
  folder: string,
  ports: ReadonlyArray<number>,
  names: ReadonlyArray<string>,
  { cpus = 2, memoryMb = 2000 }: ClusterOptions
): string => `ClusterName=op
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool-%n
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd-%n.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# memory is given out, and a job that takes more is ended: by looking, since there are no cgroups here
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
DefMemPerCPU=${Math.floor(memoryMb / cpus)}
SchedulerType=sched/backfill
SchedulerParameters=defer_batch,sched_interval=1,sched_min_interval=20000,bf_interval=1,batch_sched_delay=0
KillWait=3
SlurmdTimeout=10
SlurmctldTimeout=10
MessageTimeout=10
InactiveLimit=0
MinJobAge=300
CompleteWait=0
MaxJobCount=20000
PropagateResourceLimits=NONE
AccountingStorageType=accounting_storage/none
${names.map((name, at) => `NodeName=${name} NodeHostname=${name} NodeAddr=127.0.0.1 Port=${ports[at + 1]} CPUs=${cpus} RealMemory=${memoryMb} State=UNKNOWN`).join("\n")}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`

/** What is run in the namespaces of a node. Its first process reaps, and takes all others along when it ends. */
const nodeScript =
  'hostname "$1"; slurmd -D -f "$2" -N "$1" & echo $! >"$3"; trap "" TERM; while :; do wait; sleep 0.2; done'

/** Starts a cluster that keeps all it has in `folder`, which must not exist. */
export const startCluster = async (folder: string, options: ClusterOptions = {}): Promise<Cluster> => {
  const missing = programs.filter((name) => !places.some((place) => existsSync(path.join(place, name))))
  if (missing.length > 0)
    throw new Error(
      `expected Slurm, but found no ${missing.join(", ")}: apt-get install slurmctld slurmd slurm-client munge`
    )
  const isApart = spawnSync("unshare", [...namespaces, "true"]).status === 0
  const names = isApart ? Array.from({ length: options.nodes ?? 2 }, (_, at) => `n${at + 1}`) : [hostname()]
  for (const name of ["state", "munge"]) mkdirSync(path.join(folder, name), { recursive: true })
  chmodSync(folder, 0o755)
  const at = (name: string): string => path.join(folder, name)
  const conf = at("slurm.conf")
  writeFileSync(conf, configuration(folder, await freePorts(names.length + 1), names, options))
  writeFileSync(at("munge/munge.key"), randomBytes(128), { mode: 0o600 })
  chmodSync(at("munge"), 0o700)
  const env = { SLURM_CONF: conf }
  const own: SpawnOptions = { env: { ...process.env, ...env }, stdio: "ignore", detached: true }
  const call: Cluster["call"] = (program, ...args) =>
    execFileSync(program, args, {
      env: { ...process.env, ...env },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"]
    })
  execFileSync("munged", [
    ...["--force", `--key-file=${at("munge/munge.key")}`, `--socket=${at("munge.socket")}`],
    ...[`--pid-file=${at("munged.pid")}`, `--log-file=${at("munge/log")}`, `--seed-file=${at("munge/seed")}`]
  ])
  /** By node: the process that all others of it go with. */
  const outer = new Map<number, number>()
  const lose = (number: number): void => {
    const pid = outer.get(number)
    if (pid !== undefined && isAlive(pid)) process.kill(pid, "SIGKILL")
  }
  const startNode = (number: number): void => {
    const name = names[number - 1]!
    mkdirSync(at(`spool-${name}`), { recursive: true })
    const args = ["sh", name, conf, at(`inner-${name}`)]
    const child = isApart
      ? spawn("unshare", [...namespaces, "sh", "-c", nodeScript, ...args], own)
      : spawn("slurmd", ["-D", "-f", conf, "-N", name], own)
    child.unref()
    outer.set(number, child.pid!)
  }
  const cut = (number: number): void => {
    const shell = children(outer.get(number)!)[0]!
    for (const pid of children(shell)) if (commandOf(pid) === "slurmd") process.kill(pid, "SIGKILL")
  }
  const until = async (what: string, isSo: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 1200; tries++) {
      try {
        if (isSo()) return
      } catch {
        // it does not answer yet
      }
      await setTimeout(25)
    }
    throw new Error(`${what}: ${readFileSync(at("slurmctld.log"), "utf8").slice(-2000)}`)
  }
  const states = (): ReadonlyArray<string> => call("sinfo", "-h", "-N", "-o", "%t").trim().split("\n")
  const isUp = (state: string): boolean => /^(idle|mix|alloc|comp)/u.test(state) && !state.includes("*")
  const ready = (): Promise<void> =>
    until("the nodes do not come up", () => {
      const found = states()
      const aside = names.filter((_, at) => found[at]?.startsWith("dr"))
      if (aside.length > 0) call("scontrol", "update", `nodename=${aside.join()}`, "state=resume")
      return found.every(isUp)
    })
  const startController = async (): Promise<void> => {
    call("slurmctld", "-f", conf)
    await until("slurmctld does not answer", () => states().length === names.length)
  }
  const restore = async (number: number): Promise<void> => {
    lose(number)
    await setTimeout(50)
    startNode(number)
    await ready()
  }
  const mend = async (number: number): Promise<void> => {
    const shell = children(outer.get(number)!)[0]
    const inside = ["--target", `${shell}`, "--uts", "--pid", "--mount"]
    call("nsenter", ...inside, "slurmd", "-f", conf, "-N", names[number - 1]!)
    await ready()
  }
  const stopController = (): Promise<void> => end(pidIn(at("slurmctld.pid")))
  const killController = (): Promise<void> => end(pidIn(at("slurmctld.pid")), "SIGKILL")
  await startController()
  for (let number = 1; number <= names.length; number++) startNode(number)
  await ready()
  return {
    env,
    nodes: names.length,
    active: () =>
      call("squeue", "-h", "-o", "%i %j %T")
        .split("\n")
        .filter((line) => line !== ""),
    call,
    lose,
    cut,
    mend,
    restore,
    stopController,
    killController,
    ready,
    startController,
    down: async () => {
      for (const number of outer.keys()) lose(number)
      await stopController()
      await end(pidIn(at("munged.pid")))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
