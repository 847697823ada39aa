/**
 * Said: what Slurm's programs say where they fail, whether that is for good, and what to do next. The words are those of Slurm 20
 * to 24, and a site's own rules may have others: these are told as they are.
 */
import { EngineError } from "../Engine.ts"

interface Meaning {
  readonly said: RegExp
  /** Whether the same may be taken later. */
  readonly isPassing?: true
  readonly toDo: string
}

const runAnew = "`salloc` gets another; what is finished is kept"

/** The first that fits counts. */
const meanings: ReadonlyArray<Meaning> = [
  {
    // programs are installed, and no cluster is configured: a work station, or a container's image
    said: /configuration source|unable to (?:read|process) configuration|SRV lookup/iu,
    toDo: "There is no slurm.conf: run op-pipe on a login node of the cluster"
  },
  {
    said: /munge|authentication|credential/iu,
    isPassing: true,
    toDo: "Slurm knows by munged who asks, and that does not answer on this machine: start it, or tell those who run the cluster"
  },
  {
    said: /incompatible versions/iu,
    toDo: "Put the programs of the cluster's own version first on PATH (`sinfo --version` tells that of yours)"
  },
  {
    said: /MaxSubmit|submit jobs? limit (?:reached|exceeded)|queue full|temporarily unable/iu,
    isPassing: true,
    toDo: "Have fewer jobs at a time: `jobs` in op-pipe.json, or --jobs"
  },
  {
    said: /accounting\/QOS policy|job violates|(?:QOS|Assoc)(?:Max|Grp|Min)/iu,
    toDo: "Have fewer jobs at a time (`jobs` in op-pipe.json, or --jobs), or smaller ones; those who run the cluster know your limits"
  },
  {
    said: /invalid partition|no partition specified|partition configuration/iu,
    toDo: "`sinfo -s` lists the partitions: name one as `partition` in op-pipe.json"
  },
  {
    said: /invalid account|invalid qos/iu,
    toDo: '`sacctmgr show associations user="$USER"` lists what is yours: name it as `account` or `qos` in op-pipe.json'
  },
  {
    said: /invalid feature|constraint/iu,
    toDo: '`sinfo -o "%P %f"` lists what machines have: change `constraint` in op-pipe.json'
  },
  {
    said: /\bgres\b|TRES|\bGPUs?\b/iu,
    toDo: '`sinfo -o "%P %G"` lists the GPUs of each partition: change `gpus` or `partition` in op-pipe.json'
  },
  {
    said: /time limit/iu,
    toDo: '`sinfo -o "%P %l"` lists the longest time of each partition: change `time` or `partition` in op-pipe.json'
  },
  {
    said: /node configuration|memory specification|memory required|processors requested|CPU count/iu,
    toDo: '`sinfo -o "%P %c %m"` lists the processors and MB of memory of machines: change `cores` or `memory` in op-pipe.json, or of the stage or step'
  },
  { said: /unrecognized|invalid option|ambiguous/iu, toDo: "Correct `extra` in op-pipe.json" },
  {
    said: /not permitted|permission denied|access denied/iu,
    toDo: "Ask those who run the cluster whether this account may use the partition"
  },
  {
    said: /invalid job id|expired|already complet/iu,
    toDo: `The allocation that op-pipe runs in has ended: ${runAnew}`
  },
  {
    said: /unable to contact|connect failure|timed out|zero bytes/iu,
    isPassing: true,
    toDo: "Run again when the cluster answers (`sinfo` tells)"
  }
]

/** What says that it is for good in words that are not known here. */
const refusals = /invalid|not available|unable to allocate|no such|not found|exceed/iu

const meaningOf = (said: string): Meaning | undefined => meanings.find((each) => each.said.test(said))

/** What to do about what a program of Slurm's said; undefined of what is not known here. */
export const toDoAbout = (said: string): string | undefined => meaningOf(said)?.toDo

/** The error of `program`, which failed and said `text`. */
export const failureOf = (program: string, text: string): EngineError => {
  const lines = text.split("\n").map((line) => line.trim().replace(/^\w+: (?:(?:error|fatal): )?/u, ""))
  const said = lines.filter((line) => line !== "").join("; ")
  const meaning = meaningOf(text)
  const isRefusal = meaning === undefined ? refusals.test(said) : meaning.isPassing !== true
  return new EngineError({ isRefusal, reason: `${program}: ${said}`, toDo: meaning?.toDo })
}
