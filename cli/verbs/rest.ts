/** Every verb but `run`, in the order of the help. */

import type { Additions } from "../Project.ts"
import { cache } from "./cache.ts"
import { clean } from "./clean.ts"
import { job } from "./cluster/job.ts"
import { jobs } from "./cluster/jobs.ts"
import { dag } from "./dag.ts"
import { diff } from "./diff.ts"
import { doctor } from "./doctor.ts"
import { history, pin, restore, show, unpin } from "./history.ts"
import { init } from "./init.ts"
import { logs } from "./logs.ts"
import { remote } from "./remote.ts"
import { plots } from "./results/plots.ts"
import { read } from "./results/read.ts"
import { sweep } from "./results/sweep.ts"
import { table } from "./results/table.ts"
import { status, why } from "./status.ts"

export const rest = (additions: Additions) => [
  init,
  sweep(additions),
  status(additions),
  why(additions),
  dag(additions),
  read,
  logs,
  history,
  show,
  table,
  plots,
  diff,
  restore,
  pin,
  unpin,
  clean,
  cache,
  remote(additions),
  jobs,
  job,
  doctor
]
