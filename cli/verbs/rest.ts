/** Every verb but `run`, in the order of the help, and the whole platform. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { data } from "../../commands/data.ts"
import { exportModel } from "../../commands/export.ts"
import { predict } from "../../commands/predict.ts"
import { cache } from "./cache.ts"
import { dag } from "./dag.ts"
import { doctor } from "./doctor.ts"
import { diff, history, pin, restore, show, unpin } from "./history.ts"
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
