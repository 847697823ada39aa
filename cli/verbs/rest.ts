/** Every verb but `run`, in the order of the help, and the whole platform. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { cache } from "./cache.ts"
import { dag } from "./dag.ts"
import { data } from "./data.ts"
import { doctor } from "./doctor.ts"
import { exportModel } from "./export.ts"
import { diff, history, pin, restore, show, unpin } from "./history.ts"
import { predict } from "./predict.ts"
import { status, why } from "./status.ts"

export const rest = [
  status,
  why,
  dag,
  history,
  show,
  diff,
  restore,
  pin,
  unpin,
  predict,
  exportModel,
  cache,
  data,
  doctor
]

export const platform = NodeServices.layer
