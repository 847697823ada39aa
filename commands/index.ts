/** The study's own verbs: `op-pipe predict`, `op-pipe export`, `op-pipe data`. */
import { data } from "./data.ts"
import { exportModel } from "./export.ts"
import { predict } from "./predict.ts"

export const commands = [predict, exportModel, data]
